package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldestMajor is the first major version that everything here has been tried on.
const oldestMajor = 15

// ErrNoBinaries says that PostgreSQL's programs are nowhere to be found.
var ErrNoBinaries = errors.New("no PostgreSQL programs")

// Binaries is a folder with PostgreSQL's programs.
type Binaries struct {
	Dir     string // holds postgres, initdb
	Version string // such as "15.14"
	Major   int    // such as 15
}

func (b Binaries) program(name string) string { return filepath.Join(b.Dir, name) }

// SystemBinaries returns what is installed on the system, version 15 or newer, best first: what PATH and pg_config name, then the
// usual folders, newest first.
func SystemBinaries(ctx context.Context) []Binaries { return systemBinaries(ctx, account{}) }

func systemBinaries(ctx context.Context, who account) []Binaries {
	var dirs []string
	if p, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(p))
	}
	if p, err := exec.LookPath("pg_config"); err == nil {
		if out, err := exec.CommandContext(ctx, p, "--bindir").Output(); err == nil {
			dirs = append(dirs, strings.TrimSpace(string(out)))
		}
	}
	named := len(dirs)
	for _, glob := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/usr/local/bin",
		"/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin", "/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		found, _ := filepath.Glob(glob) //nolint:errcheck // the patterns are constants
		dirs = append(dirs, found...)
	}
	all := inspectAll(ctx, dirs[:named], who, nil)
	named = len(all)
	all = inspectAll(ctx, dirs, who, all)
	slices.SortStableFunc(all[named:], func(a, b Binaries) int { return cmp.Compare(b.Major, a.Major) })
	return all
}

// inspectAll appends to known what serves in dirs and is not known yet.
func inspectAll(ctx context.Context, dirs []string, who account, known []Binaries) []Binaries {
	for _, dir := range dirs {
		b, err := inspect(ctx, dir, who)
		if err == nil && !slices.Contains(known, b) {
			known = append(known, b)
		}
	}
	return known
}

var versionLine = regexp.MustCompile(`^postgres \(PostgreSQL\) (([0-9]+)[^ \n]*)`)

// inspect returns what dir holds, or why it does not serve: a program missing, out of who's reach, or too old.
func inspect(ctx context.Context, dir string, who account) (Binaries, error) {
	real, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres")) // Debian links single programs into a bin folder
	if err != nil {
		return Binaries{}, fmt.Errorf("look for postgres: %w", err)
	}
	b := Binaries{Dir: filepath.Dir(real)}
	for _, name := range []string{"postgres", "initdb"} {
		if info, err := os.Stat(b.program(name)); err != nil || info.Mode()&0o111 == 0 {
			return Binaries{}, fmt.Errorf("%s has no program %s", b.Dir, name)
		}
	}
	if !who.reaches(b.Dir) {
		return Binaries{}, fmt.Errorf("user %s cannot reach %s", who.name, b.Dir)
	}
	out, err := exec.CommandContext(ctx, b.program("postgres"), "--version").Output()
	if err != nil {
		return Binaries{}, fmt.Errorf("ask %s for its version: %w", b.program("postgres"), err)
	}
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return Binaries{}, fmt.Errorf("%s names no version: %q", b.program("postgres"), out)
	}
	b.Version = string(m[1])
	if b.Major, err = strconv.Atoi(string(m[2])); err != nil {
		return Binaries{}, fmt.Errorf("version of %s: %w", b.program("postgres"), err)
	}
	if b.Major < oldestMajor {
		return Binaries{}, fmt.Errorf("%s is PostgreSQL %s, older than %d", b.Dir, b.Version, oldestMajor)
	}
	return b, nil
}
