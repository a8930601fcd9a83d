package postgres

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// superuser is the server's only role, database the one that URL names.
const (
	superuser = "tidemill"
	database  = "tidemill"
)

// sharedRoot holds what a server started by root needs when its user cannot reach the home folder.
func sharedRoot() string {
	if runtime.GOOS == "darwin" {
		return "/usr/local/var/tidemill"
	}
	return "/var/lib/tidemill"
}

// A cluster is a PostgreSQL data folder and what belongs to it.
type cluster struct {
	dir  string  // ours: lock, password, port, log
	data string  // PostgreSQL's, links resolved
	who  account // whose data is
}

// openCluster finds the cluster that dir holds; made is false when there is none yet.
func openCluster(dir string) (c cluster, made bool, err error) {
	c.dir = dir
	link := filepath.Join(dir, "data")
	c.data, err = filepath.EvalSymlinks(link)
	if errors.Is(err, fs.ErrNotExist) {
		if target, lerr := os.Readlink(link); lerr == nil {
			return c, false, fmt.Errorf("%s links to %s, which has gone: put that folder back, or remove the link to start with an empty database", link, target)
		}
		c.who, err = chooseAccount(link)
		return c, false, err
	}
	if err != nil {
		return c, false, fmt.Errorf("find data folder: %w", err)
	}
	c.who, err = chooseAccount(c.data)
	return c, true, err
}

// major is the major version of the PostgreSQL that made the cluster.
func (c cluster) major() (int, error) {
	text, err := os.ReadFile(filepath.Join(c.data, "PG_VERSION"))
	if err != nil {
		return 0, fmt.Errorf("find the version of the data folder %s: %w", c.data, err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("find the version of the data folder %s: %w", c.data, err)
	}
	return n, nil
}

// create makes the cluster with bin's initdb, beside its place, and then moves it there: a data folder that exists is
// whole.
func (c *cluster) create(ctx context.Context, bin Binaries, password string) error {
	place := filepath.Join(c.dir, "data")
	home := c.dir // what the data folder lies in
	if !c.who.reaches(c.dir) {
		if err := os.MkdirAll(sharedRoot(), 0o755); err != nil { //nolint:gosec // the server's user must enter it
			return fmt.Errorf("make a folder that user %s can reach (%s is closed to it; another TIDEMILL_HOME would do): %w", c.who.name, c.dir, err)
		}
		var err error
		if home, err = os.MkdirTemp(sharedRoot(), "postgres-"); err != nil {
			return fmt.Errorf("make a folder that user %s can reach: %w", c.who.name, err)
		}
		if err := os.Chmod(home, 0o755); err != nil { //nolint:gosec // the data folder in it has 0700
			return fmt.Errorf("open the folder of the cluster: %w", err)
		}
		if err := os.WriteFile(filepath.Join(home, "HOME"), []byte(c.dir+"\n"), 0o600); err != nil {
			return fmt.Errorf("note whose the cluster is: %w", err)
		}
	}
	aside, err := os.MkdirTemp(home, "data.new-")
	if err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	defer os.RemoveAll(aside) //nolint:errcheck // gone by rename, or only half made
	if err := c.who.own(aside); err != nil {
		return fmt.Errorf("give data folder to user %s: %w", c.who.name, err)
	}
	pwfile, err := os.CreateTemp(home, "password-")
	if err != nil {
		return fmt.Errorf("hand over password: %w", err)
	}
	defer os.Remove(pwfile.Name()) //nolint:errcheck // it is in our folder
	_, err = pwfile.WriteString(password + "\n")
	if err = errors.Join(err, pwfile.Close(), c.who.own(pwfile.Name())); err != nil {
		return fmt.Errorf("hand over password: %w", err)
	}
	// --no-sync: a cluster that a power cut damages here is not in its place yet in all but the last instant, and is empty.
	cmd := exec.CommandContext(ctx, bin.program("initdb"), "-D", aside, "-U", superuser, "--pwfile="+pwfile.Name(),
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
	cmd.SysProcAttr, cmd.Env, cmd.Dir = c.who.processAttr(), serverEnv(), "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make the database cluster as user %s: %w: %s", c.who.name, err, lastLines(out, 3))
	}
	c.data = filepath.Join(home, "data")
	if err := os.Rename(aside, c.data); err != nil {
		return fmt.Errorf("put data folder in its place: %w", err)
	}
	if c.data != place {
		if err := os.Symlink(c.data, place); err != nil {
			return fmt.Errorf("link data folder: %w", err)
		}
	}
	c.data, err = filepath.EvalSymlinks(c.data)
	return err
}

// PasswordFile is where the superuser's password of the server in the folder dir is, for its owner's eyes only.
func PasswordFile(dir string) string { return filepath.Join(dir, "password") }

// password reads the superuser's password, or makes one when there is no cluster yet.
func (c cluster) password(made bool) (string, error) {
	path := PasswordFile(c.dir)
	text, err := os.ReadFile(path) //nolint:gosec // in our folder
	if err == nil && len(bytes.TrimSpace(text)) > 0 {
		return string(bytes.TrimSpace(text)), nil
	}
	if made {
		return "", fmt.Errorf("read the password of the database in %s: %w", c.data, cmp.Or(err, errors.New("the file is empty")))
	}
	b := make([]byte, 18)
	rand.Read(b) //nolint:errcheck // never errs
	pw := hex.EncodeToString(b)
	if err := os.WriteFile(path, []byte(pw+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep the database's password: %w", err)
	}
	return pw, nil
}

// serverEnv is what PostgreSQL's programs get to see: nothing of PGDATA, PGPORT and their like.
func serverEnv() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// lastLines makes one line of the last n lines of out that say something.
func lastLines(out []byte, n int) string {
	var said []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" {
			said = append(said, line)
		}
	}
	return strings.Join(said[max(0, len(said)-n):], "; ")
}
