package pyenv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pythons makes a PATH of folders, each with one program that answers our question as an interpreter would.
func pythons(t *testing.T, answers ...string) {
	t.Helper()
	var dirs []string
	for i, answer := range answers {
		name, says, _ := strings.Cut(answer, " ")
		dir := filepath.Join(t.TempDir(), fmt.Sprint(i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		script := fmt.Sprintf("#!/bin/sh\necho '%s'\n", says)
		if says == "" {
			script = "#!/bin/sh\nexit 127\n"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, dir)
	}
	t.Setenv("PATH", strings.Join(dirs, string(os.PathListSeparator)))
}

func TestFindPython(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []string
		want    string // path, or empty for ErrNoPython
	}{
		{"none", nil, ""},
		{"a shim without an interpreter", []string{"python3"}, ""},
		{"too old", []string{"python3 3|9|/old|True|True"}, ""},
		{"the first that serves", []string{"python3 3|12|/a|True|True", "python3 3|13|/b|True|True"}, "/a"},
		{"behind a broken shim", []string{"python3", "python3 3|12|/b|True|True"}, "/b"},
		{"a preferred version behind an older one", []string{"python3 3|10|/a|True|True", "python3.12 3|12|/b|True|True"}, "/b"},
		{"a preferred version behind a newer one", []string{"python3 3|15|/a|True|True", "python3.11 3|11|/b|True|True"}, "/b"},
		{"one with venv behind one without", []string{"python3 3|11|/a|False|True", "python3.10 3|10|/b|True|True"}, "/b"},
		{"only one without venv", []string{"python3 3|11|/a|False|True"}, "/a"},
		{"only an older one", []string{"python3 3|9|/a|True|True", "python3.10 3|10|/b|True|True"}, "/b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pythons(t, c.answers...)
			p, err := FindPython(t.Context())
			if p.Path != c.want || (c.want == "") != errors.Is(err, ErrNoPython) {
				t.Errorf("got %+v, %v; want %q", p, err, c.want)
			}
		})
	}
}

func TestWhatIsMissingIsOneLineWithTheMend(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers []string
		is      error
		says    string
	}{
		{"no python", nil, ErrNoPython, "apt install python3 python3-venv"},
		{"Debian's python without ensurepip", []string{"python3 3|11|/usr/bin/python3|False|False"}, ErrNoVenv, "apt install python3.11-venv"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pythons(t, c.answers...)
			o := Options{Dir: t.TempDir(), Lock: "dbt-core==1"}
			_, ensured := Ensure(t.Context(), o)
			_, checked := Check(t.Context(), o)
			for _, err := range []error{ensured, checked} {
				if !errors.Is(err, c.is) || !strings.Contains(fmt.Sprint(err), c.says) || strings.Contains(fmt.Sprint(err), "\n") {
					t.Errorf("got %v, want one line with %q", err, c.says)
				}
			}
		})
	}
}

func TestExplain(t *testing.T) {
	cause := errors.New("exit status 1")
	for _, c := range []struct{ name, out, says string }{
		{"Debian's venv", "The virtual environment was not created successfully because ensurepip is not\navailable.\n", "apt install python3.12-venv"},
		{"pip without network", "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(': Failed to establish a new connection: [Errno -2] Name or service not known')': /simple/uv/\nERROR: Could not find a version that satisfies the requirement uv==1\n", "cannot be reached"},
		{"pip without network, told not to retry", "ERROR: Could not find a version that satisfies the requirement uv==1 (from versions: none)\nERROR: No matching distribution found for uv==1\n", "cannot be reached"},
		{"uv without network", "error: Failed to fetch: `x`\n  Caused by: error sending request\n  Caused by: client error (Connect)\n", "cannot be reached"},
		{"a proxy's certificate", "error: Failed to fetch: `x`\n  Caused by: client error (Connect)\n  Caused by: invalid peer certificate: UnknownIssuer\n", "PIP_CERT"},
		{"another package than the pinned one", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n    Got 12\n", "its hash differs"},
		{"full disk", "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n", "disk is full"},
		{"anything else", "some\nERROR: what went wrong\n[notice] a new pip\n", "exit status 1: ERROR: what went wrong"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := explain(cause, c.out, Python{Path: "/p", Minor: 12})
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, c.says)
			}
		})
	}
}
