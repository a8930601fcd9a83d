package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pollInterval is how often we look whether a server has come up or gone: it tells nobody.
const pollInterval = 5 * time.Millisecond

// A postmaster is what a server's postmaster.pid says: pid, data folder, start time, port, socket folder, address,
// shared memory key, status, one a line; the lines appear while it starts.
type postmaster struct {
	pid   int
	port  int
	ready bool
}

func parsePostmaster(text string) (postmaster, error) {
	line := strings.Split(text, "\n")
	at := func(i int) string {
		if i < len(line) {
			return strings.TrimSpace(line[i])
		}
		return ""
	}
	var p postmaster
	var err error
	if p.pid, err = strconv.Atoi(strings.TrimPrefix(at(0), "-")); err != nil || p.pid <= 0 { // negative: single-user mode
		return postmaster{}, fmt.Errorf("postmaster.pid starts with %q, not with a process id", at(0))
	}
	if s := at(3); s != "" {
		if p.port, err = strconv.Atoi(s); err != nil {
			return postmaster{}, fmt.Errorf("postmaster.pid has port %q", s)
		}
	}
	p.ready = at(7) == "ready"
	return p, nil
}

// readPostmaster returns the server that runs on the cluster in data; ok is false when none does, also when a killed
// server or machine left its file and another program has its process id now.
func readPostmaster(data string) (p postmaster, ok bool, err error) {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return p, false, nil
	}
	if err != nil {
		return p, false, fmt.Errorf("read postmaster.pid: %w", err)
	}
	p, err = parsePostmaster(string(text))
	return p, err == nil && serves(p.pid, data), nil
}

// serves tells whether the process pid is a server that we started on data: its command line says -D data.
func serves(pid int, data string) bool {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err == nil {
		return strings.Contains("\x00"+string(args), "\x00-D\x00"+data+"\x00")
	}
	out, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(out), "-D "+data+" ")
}

// awaitGone waits until no server runs on data.
func awaitGone(ctx context.Context, data string) error {
	return poll(ctx, func() (bool, error) {
		_, running, err := readPostmaster(data)
		return !running, err
	})
}

// stopLeftover ends a server that a killed owner left on data, keeping what it committed, and removes the file of one
// that is no more: PostgreSQL would take any process with that id for it.
func stopLeftover(ctx context.Context, data string, progress func(string)) error {
	p, running, err := readPostmaster(data)
	if err != nil {
		return err
	}
	if running {
		progress("stopping the PostgreSQL that a killed process left running")
		if err := syscall.Kill(p.pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the server that runs on %s (process %d): %w", data, p.pid, err)
		}
		if err := awaitGone(ctx, data); err != nil {
			return fmt.Errorf("wait for the server that runs on %s (process %d) to stop: %w", data, p.pid, err)
		}
	}
	if err := os.Remove(filepath.Join(data, "postmaster.pid")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove stale postmaster.pid: %w", err)
	}
	return nil
}

// poll calls done until it says so, errs, or ctx ends.
func poll(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
