package pyenv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Versions of Python: dbt 1.11 needs 3.10; it is tried most on 3.11 and newer.
const (
	oldestMinor    = 10
	preferredMinor = 11
	newestMinor    = 13 // the newest that dbt 1.11 names
)

// Errors that name what the user has to install.
var (
	ErrNoPython = errors.New("no Python 3.10 or newer found: install one (Debian, Ubuntu: apt install python3 python3-venv; Fedora: dnf install python3; macOS: brew install python)")
	ErrNoVenv   = errors.New("Python cannot make virtual environments")
)

// A Python is an interpreter on the system.
type Python struct {
	Path  string // of the program
	Minor int    // 11 for Python 3.11
	Venv  bool   // whether it can make a virtual environment with pip in it
	Pip   bool   // whether it has pip itself
}

// probe prints what we need to know of an interpreter; ensurepip is what Debian splits off into python3.11-venv.
const probe = `import sys, importlib.util as u
print(sys.version_info[0], sys.version_info[1], sys.executable, all(u.find_spec(m) for m in ("venv", "ensurepip", "ssl")), u.find_spec("pip") is not None, sep="|")`

// FindPython returns the interpreter on PATH to make an environment with, or [ErrNoPython]. It prefers one that can make
// environments, then 3.11 to 3.13, then what PATH names first.
func FindPython(ctx context.Context) (Python, error) {
	var found []Python
	for _, program := range programs() {
		p, err := ask(ctx, program)
		if err != nil {
			continue // a shim without an interpreter behind it, or an old one
		}
		if p.rank() == 0 {
			return p, nil
		}
		found = append(found, p)
	}
	if err := ctx.Err(); err != nil {
		return Python{}, err
	}
	if len(found) == 0 {
		return Python{}, ErrNoPython
	}
	slices.SortStableFunc(found, func(a, b Python) int { return cmp.Compare(a.rank(), b.rank()) })
	return found[0], nil
}

// programs lists the paths of what is called python3 or python3.N on PATH, in its order.
func programs() []string {
	names := []string{"python3"}
	for minor := newestMinor; minor >= oldestMinor; minor-- {
		names = append(names, fmt.Sprintf("python3.%d", minor))
	}
	var all []string
	for _, name := range names {
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil && filepath.IsAbs(path) {
				all = append(all, path)
			}
		}
	}
	return all
}

// ask returns what the interpreter says of itself, or why it does not serve.
func ask(ctx context.Context, program string) (Python, error) {
	out, err := exec.CommandContext(ctx, program, "-I", "-c", probe).Output()
	if err != nil {
		return Python{}, fmt.Errorf("ask %s what it is: %w", program, err)
	}
	fields := strings.Split(strings.TrimSpace(string(out)), "|")
	if len(fields) != 5 {
		return Python{}, fmt.Errorf("%s says %q of itself", program, out)
	}
	minor, err := strconv.Atoi(fields[1])
	if err != nil || fields[0] != "3" || minor < oldestMinor {
		return Python{}, fmt.Errorf("%s is Python %s.%s", program, fields[0], fields[1])
	}
	return Python{Path: fields[2], Minor: minor, Venv: fields[3] == "True", Pip: fields[4] == "True"}, nil
}

// rank orders interpreters, best first.
func (p Python) rank() int {
	r := 0
	if !p.Venv {
		r += 4
	}
	if p.Minor < preferredMinor {
		r++
	}
	if p.Minor > newestMinor {
		r += 2
	}
	return r
}
