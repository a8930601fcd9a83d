package sensors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// Files says which files are waited for.
type Files struct {
	// Pattern is a path, of which "*", "?" and "[a-z]" stand for any text, any character and any of those, within one element, as in
	// filepath.Match. "*" and "?" do not stand for a "." at the beginning of a name: what copies files often names those so that are not whole yet.
	Pattern string
	AtLeast int           // how many. 0: 1
	MinSize int64         // bytes that each must have
	Quiet   time.Duration // how long ago each must have been changed last
}

// A FoundFile is a file that was waited for.
type FoundFile struct {
	Path    string    `json:"path"`
	Size    int64     `json:"size"` // bytes
	Changed time.Time `json:"changed"`
}

// File waits for the file whose path wanted makes of the task's input. A folder of that name is a permanent error. See [Glob] for what is
// still being written.
func File[A any](wanted func(A) string) func(context.Context, A) (FoundFile, bool, error) {
	return func(_ context.Context, a A) (FoundFile, bool, error) {
		path := wanted(a)
		if path == "" {
			return FoundFile{}, false, engine.Permanent(errors.New("file sensor: the path is empty: name the file to wait for"))
		}
		f, err := look(path)
		if err != nil || f == nil {
			return FoundFile{}, false, err
		}
		return *f, true, nil
	}
}

// Glob waits until enough files fit what wanted makes of the task's input, and yields all that do, by path. Folders do not count. now is the
// clock of Quiet, of the machine that the files are on; time.Now where that is this one.
func Glob[A any](now func() time.Time, wanted func(A) Files) func(context.Context, A) ([]FoundFile, bool, error) {
	return func(_ context.Context, a A) ([]FoundFile, bool, error) {
		w := wanted(a)
		if w.Pattern == "" || w.AtLeast < 0 || w.MinSize < 0 || w.Quiet < 0 {
			return nil, false, engine.Permanent(fmt.Errorf("file sensor: %+v: Pattern must name files, and no number may be below 0", w))
		}
		found, err := glob(w.Pattern)
		if err != nil {
			return nil, false, err
		}
		var fit []FoundFile
		for _, f := range found {
			if f.Size >= w.MinSize && (w.Quiet == 0 || now().Sub(f.Changed) >= w.Quiet) {
				fit = append(fit, f)
			}
		}
		if len(fit) < max(1, w.AtLeast) {
			return nil, false, nil
		}
		return fit, true, nil
	}
}

// look returns the file of a path, or of what the path links to; nil when there is none.
func look(path string) (*FoundFile, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("file sensor: %w", err)
	}
	if info.IsDir() {
		return nil, engine.Permanent(fmt.Errorf("file sensor: %s is a folder: name a file in it, or use Glob with a pattern", path))
	}
	return &FoundFile{path, info.Size(), info.ModTime().UTC()}, nil
}

// glob lists the files that fit a pattern, by path. Unlike filepath.Glob it errs where a folder cannot be read.
func glob(pattern string) ([]FoundFile, error) {
	if err := readable(pattern); err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return nil, engine.Permanent(fmt.Errorf("file sensor: pattern %q: %w: close each [ by a ], or write \\[ for the character", pattern, err))
	}
	var found []FoundFile
	for _, path := range paths {
		if hidden(pattern, path) {
			continue
		}
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) { // gone, or a link to nothing
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("file sensor: %w", err)
		}
		if !info.IsDir() {
			found = append(found, FoundFile{path, info.Size(), info.ModTime().UTC()})
		}
	}
	return found, nil
}

// readable errs when the deepest folder that the pattern names without wildcards is there and cannot be read.
func readable(pattern string) error {
	dir := filepath.Dir(pattern)
	for strings.ContainsAny(dir, `*?[\`) {
		dir = filepath.Dir(dir)
	}
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = d.Readdirnames(1)
		_ = d.Close() // only read
		if err == nil || errors.Is(err, io.EOF) {
			return nil
		}
	}
	return fmt.Errorf("file sensor: %w", err)
}

// hidden tells whether a wildcard stands for a name that begins with a dot.
func hidden(pattern, path string) bool {
	patterns, names := split(pattern), split(path)
	for i := range names {
		if i < len(patterns) && strings.HasPrefix(names[i], ".") && !strings.HasPrefix(patterns[i], ".") && !strings.HasPrefix(patterns[i], `\.`) && !strings.HasPrefix(patterns[i], "[") {
			return true
		}
	}
	return false
}

func split(path string) []string {
	return strings.Split(filepath.Clean(path), string(filepath.Separator))
}
