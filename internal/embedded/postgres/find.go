package postgres

import (
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
