package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
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

// systemBinaries yields what is installed on the system, who can reach and is version 15 or newer, best first: what PATH and
// pg_config name, then the usual folders, newest first. Each is asked for its version only when it is its turn.
func systemBinaries(ctx context.Context, who account) iter.Seq[Binaries] {
	return func(yield func(Binaries) bool) {
		var seen []string
		for dir := range systemDirs(ctx) {
			b, err := inspect(ctx, dir, who)
			if err != nil || slices.Contains(seen, b.Dir) {
				continue
			}
			seen = append(seen, b.Dir)
			if !yield(b) {
				return
			}
		}
	}
}

// systemDirs yields folders where PostgreSQL's programs may be.
func systemDirs(ctx context.Context) iter.Seq[string] {
	return func(yield func(string) bool) {
		if p, err := exec.LookPath("postgres"); err == nil && !yield(filepath.Dir(p)) {
			return
		}
		if p, err := exec.LookPath("pg_config"); err == nil {
			if out, err := exec.CommandContext(ctx, p, "--bindir").Output(); err == nil && !yield(strings.TrimSpace(string(out))) {
				return
			}
		}
		for _, pattern := range []string{
			"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
			"/Applications/Postgres.app/Contents/Versions/*/bin", "/opt/homebrew/opt/postgresql/bin", "/usr/local/pgsql/bin", "/usr/local/bin",
		} {
			dirs, err := filepath.Glob(pattern)
			if err != nil {
				panic(err) // the patterns are constants
			}
			for _, dir := range newestFirst(dirs) {
				if !yield(dir) {
					return
				}
			}
		}
	}
}

var number = regexp.MustCompile(`[0-9]+`)

// newestFirst sorts folders by the last number in their names, highest first.
func newestFirst(dirs []string) []string {
	version := func(dir string) int {
		n := 0
		if all := number.FindAllString(dir, -1); all != nil {
			n, _ = strconv.Atoi(all[len(all)-1]) //nolint:errcheck // digits; 0 if too many of them
		}
		return n
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	return dirs
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
