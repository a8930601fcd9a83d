package settings

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxFile is how large a file with settings may be.
const maxFile = 1 << 20

// Files finds each setting in a file of its own in the folder, of its name or that in lower case, as Docker and Kubernetes mount secrets:
// TOKEN is dir/TOKEN or dir/token. One newline at the end is no part of it. It is read anew each time; a folder that is not there has
// nothing. Files that you make yourself should be yours alone (mode 0600).
func Files(dir string) Provider { return files{dir} }

type files struct{ dir string }

func (f files) Lookup(_ context.Context, name string) (string, bool, error) {
	if !filepath.IsLocal(name) || strings.ContainsAny(name, `/\`) {
		return "", false, fmt.Errorf("read setting %q from %s: it cannot be the name of a file", name, f.dir)
	}
	for _, file := range []string{name, strings.ToLower(name)} {
		raw, err := read(filepath.Join(f.dir, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", false, err
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r"), true, nil
	}
	return "", false, nil
}

func (f files) Place(name string) string { return "the file " + filepath.Join(f.dir, name) }

// File finds settings in one file: an object of JSON when its name ends in .json (what is nested is named by its path, with _ between), else
// lines of NAME=value (see [Files] for who should be able to read it). Of those, # begins a comment line, export before a name is left out,
// 'single' quotes keep all as it is, in "double" quotes \n, \t, \", \$ and \\ stand for what they do in a shell or in Go, and nothing is
// replaced. It is read anew each time; a file that is not there has nothing.
func File(path string) Provider { return file{path} }

type file struct{ path string }

func (f file) Lookup(_ context.Context, name string) (string, bool, error) {
	raw, err := read(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	parse := parseLines
	if filepath.Ext(f.path) == ".json" {
		parse = parseJSON
	}
	all, err := parse(raw)
	if err != nil {
		return "", false, fmt.Errorf("read settings from %s: %w", f.path, err)
	}
	value, found := all[name]
	return value, found, nil
}

func (f file) Place(name string) string {
	if _, err := os.Stat(f.path); errors.Is(err, fs.ErrNotExist) {
		return name + " in " + f.path + " (there is no such file)"
	}
	return name + " in " + f.path
}

func read(path string) (raw []byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	raw, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("read settings: %s has more than %d bytes", path, maxFile)
	}
	return raw, nil
}

// parseJSON flattens an object. Its errors never quote values.
func parseJSON(raw []byte) (map[string]string, error) {
	var tree map[string]any
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		return nil, fmt.Errorf("it is no object of JSON (near byte %d)", d.InputOffset())
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("there is something after its object (byte %d)", d.InputOffset())
	}
	out := map[string]string{}
	return out, flatten(out, "", tree)
}

func flatten(out map[string]string, prefix string, tree map[string]any) error {
	for key, v := range tree {
		name := prefix + key
		if _, taken := out[name]; taken {
			return fmt.Errorf("%s is given twice, once of them by nesting", name)
		}
		switch v := v.(type) {
		case nil:
		case string:
			out[name] = v
		case json.Number, bool:
			out[name] = fmt.Sprint(v)
		case map[string]any:
			if err := flatten(out, name+"_", v); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%s is a list; give text, with commas between its items", name)
		}
	}
	return nil
}

// parseLines reads lines of NAME=value. Its errors never quote values.
func parseLines(raw []byte) (map[string]string, error) {
	out := map[string]string{}
	n := 0
	for line := range strings.Lines(string(raw)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name = strings.TrimSpace(name)
		if !ok || !namePattern.MatchString(name) {
			return nil, fmt.Errorf("line %d is no NAME=value", n)
		}
		if _, taken := out[name]; taken {
			return nil, fmt.Errorf("line %d: %s is given twice", n, name)
		}
		if value, ok = unquote(strings.TrimSpace(value)); !ok {
			return nil, fmt.Errorf("line %d: the quotes of %s do not end with the line", n, name)
		}
		out[name] = value
	}
	return out, nil
}

// unquote is the value that is written in a line; ok is false when its quotes do not close at its end.
func unquote(s string) (value string, ok bool) {
	switch {
	case s == "" || s[0] != '\'' && s[0] != '"':
		return s, true
	case s[0] == '\'':
		inner, closed := strings.CutSuffix(s[1:], "'")
		return inner, closed && !strings.Contains(inner, "'")
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), i == len(s)-1
		case c == '\\' && i+1 < len(s):
			i++
			switch s[i] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case '"', '$', '\\':
				b.WriteByte(s[i])
			default:
				b.WriteByte('\\')
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}
