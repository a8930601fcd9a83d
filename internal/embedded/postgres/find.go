package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
)

// FindRunning returns the address of the server that another process runs in dir, or ok false.
func FindRunning(dir string) (address string, ok bool) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", false
	}
	data, err := filepath.EvalSymlinks(filepath.Join(dir, "data"))
	if err != nil {
		return "", false
	}
	p, running, err := readPostmaster(data)
	if err != nil || !running || !p.ready {
		return "", false
	}
	c := cluster{dir: dir, data: data}
	if _, pid := c.announced(); pid != p.pid {
		return "", false // it starts just now
	}
	password, err := c.password(true)
	if err != nil {
		return "", false
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)), Path: "/" + database, RawQuery: "sslmode=disable"}
	return u.String(), true
}

// announce notes where the server listens, when it can be used.
func (c cluster) announce(port, pid int) error {
	err := os.WriteFile(filepath.Join(c.dir, "server"), fmt.Appendf(nil, "%d %d\n", port, pid), 0o600)
	if err != nil {
		return fmt.Errorf("note where it listens: %w", err)
	}
	return nil
}

// announced returns the port and the process of the last server that could be used, or zeros.
func (c cluster) announced() (port, pid int) {
	text, err := os.ReadFile(filepath.Join(c.dir, "server"))
	if err != nil {
		return 0, 0
	}
	if _, err := fmt.Sscan(string(text), &port, &pid); err != nil {
		return 0, 0
	}
	return port, pid
}

// chooseBinaries returns the programs that fit the cluster: of its major version, or the best ones for a new cluster.
func chooseBinaries(ctx context.Context, o Options, c cluster, made bool) (Binaries, error) {
	major := 0
	if made {
		var err error
		if major, err = c.major(); err != nil {
			return Binaries{}, err
		}
	}
	var other []Binaries
	if o.Source != Fetched {
		for _, b := range systemBinaries(ctx, c.who) {
			if major == 0 || b.Major == major {
				return b, nil
			}
			other = append(other, b)
		}
	}
	var ferr error
	if o.Source != System && (major == 0 || major == fetchedMajor) {
		b, err := fetch(ctx, o, c)
		if err == nil {
			return b, nil
		}
		ferr = err
	}
	switch {
	case major != 0 && major != fetchedMajor && len(other) > 0:
		return Binaries{}, &VersionError{Data: c.data, Has: major, Found: other[0]}
	case ferr != nil:
		return Binaries{}, fmt.Errorf("%w: %w", ErrNoBinaries, ferr)
	default:
		return Binaries{}, fmt.Errorf("%w: install PostgreSQL %d or newer (Debian: apt install postgresql; macOS: brew install postgresql)", ErrNoBinaries, max(major, oldestMajor))
	}
}

// A VersionError says that the data folder belongs to another major version of PostgreSQL than what is installed.
type VersionError struct {
	Data  string   // the data folder
	Has   int      // the major version that made it
	Found Binaries // the best that there is instead
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("the data folder %s was made by PostgreSQL %d, but here is %s (%s): install PostgreSQL %d, or move the data over with pg_upgrade, or set TIDEMILL_HOME to another folder",
		e.Data, e.Has, e.Found.Version, e.Found.Dir, e.Has)
}

var errFetch = errors.New("not fetched")

const fetchedMajor = 18

func fetch(context.Context, Options, cluster) (Binaries, error) { return Binaries{}, errFetch }
