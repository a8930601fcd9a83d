package pyenv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
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

// FindPython returns the interpreter on PATH to make an environment with, or [ErrNoPython]. It prefers 3.11 to 3.13,
// then others, among them what can make environments, and among those what PATH calls python3.
func FindPython(ctx context.Context) (Python, error) {
	var found []Python
	names := []string{"python3"}
	for minor := newestMinor + 1; minor >= oldestMinor; minor-- {
		names = append(names, fmt.Sprintf("python3.%d", minor))
	}
	for _, name := range append(names, "/usr/bin/python3") {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, path, "-I", "-c", probe).Output()
		if err != nil {
			continue // a shim without an interpreter behind it
		}
		var p Python
		var major int
		fields := strings.Split(strings.TrimSpace(string(out)), "|")
		if len(fields) != 5 {
			continue
		}
		if _, err := fmt.Sscan(fields[0]+" "+fields[1], &major, &p.Minor); err != nil || major != 3 || p.Minor < oldestMinor {
			continue
		}
		p.Path, p.Venv = fields[2], fields[3] == "True"
		p.Pip = fields[4] == "True"
		if !slices.Contains(found, p) {
			found = append(found, p)
		}
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
