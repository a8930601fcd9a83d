package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/tidemill/tidemill/internal/embedded/filelock"
	"github.com/tidemill/tidemill/internal/embedded/postgres"
)

// guardEnv names, for a test binary that was started to be the guard, the folder of the server.
const guardEnv = "TIDEMILL_TESTKIT_GUARD"

const (
	idleLimit = 3 * time.Minute // how long the server outlives its last user: more than the pause between two packages' tests
	idleProbe = 5 * time.Second
	startWait = 3 * time.Minute // packages may have to be fetched
)

// init turns a test binary into the guard. There is no other program that is sure to be there.
func init() {
	dir, ok := os.LookupEnv(guardEnv)
	if !ok {
		return
	}
	if err := guard(dir, idleProbe, idleLimit); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// guard runs the shared server of dir until nobody has used it for limit, which it looks at each probe. Users hold a
// shared lock; the guard has an exclusive one while it stops the server, so that nobody comes to a server that goes.
func guard(dir string, probe, limit time.Duration) error {
	ctx := context.Background()
	s, err := postgres.Start(ctx, postgres.Options{Dir: filepath.Join(dir, "postgres"), Settings: map[string]string{
		"fsync":              "off", // the one place where speed is worth more than the data
		"synchronous_commit": "off",
		"full_page_writes":   "off",
		"max_connections":    "400",
		"max_wal_size":       "256MB", // it may lie in memory
	}})
	if err != nil {
		return err
	}
	tick := time.NewTicker(probe)
	defer tick.Stop()
	for idle := time.Duration(0); ; {
		select {
		case <-s.Exited():
			return s.Stop(ctx)
		case <-tick.C:
		}
		l, err := filelock.Try(usersLockPath(dir), filelock.Exclusive)
		if errors.Is(err, filelock.ErrLocked) {
			idle = 0
			continue
		}
		if err != nil {
			return errors.Join(err, s.Stop(ctx))
		}
		if idle += probe; idle >= limit {
			return errors.Join(s.Stop(ctx), l.Release())
		}
		if err := l.Release(); err != nil {
			return errors.Join(err, s.Stop(ctx))
		}
	}
}

func usersLockPath(dir string) string { return filepath.Join(dir, "users") }

// sharedServer returns the address of the shared server, which runs as long as this process does.
var sharedServer = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	dir, err := ownDir(serverParent(memoryDisk, os.TempDir()))
	if err != nil {
		return "", err
	}
	// One process at a time looks whether there is a server and starts one.
	starting, err := filelock.Acquire(ctx, filepath.Join(dir, "starting"), filelock.Exclusive)
	if err != nil {
		return "", err
	}
	defer starting.Release() //nolint:errcheck // its file is only read
	// Held until the process ends: the guard stops no server with users.
	if usersLock, err = filelock.Acquire(ctx, usersLockPath(dir), filelock.Shared); err != nil {
		return "", err
	}
	url, ok := postgres.FindRunning(filepath.Join(dir, "postgres"))
	if !ok {
		if url, err = startGuard(ctx, dir); err != nil {
			return "", err
		}
	}
	return url, sweep(ctx, url)
})

var usersLock *filelock.Lock //nolint:unused // kept from the garbage collector, which would close it

// startGuard starts this very test binary as the guard and waits for its server.
func startGuard(ctx context.Context, dir string) (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the test binary: %w", err)
	}
	said, err := os.OpenFile(filepath.Join(dir, "guard.log"), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("open the guard's log: %w", err)
	}
	defer said.Close() //nolint:errcheck // only read here
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), guardEnv+"="+dir)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start the guard of the test database: %w", err)
	}
	for {
		if url, ok := postgres.FindRunning(filepath.Join(dir, "postgres")); ok {
			return url, cmd.Process.Release()
		}
		var status syscall.WaitStatus
		if pid, _ := syscall.Wait4(cmd.Process.Pid, &status, syscall.WNOHANG, nil); pid == cmd.Process.Pid { //nolint:errcheck // pid tells
			why, _ := os.ReadFile(said.Name()) //nolint:errcheck // empty then
			return "", fmt.Errorf("the guard of the test database ended: %s", why)
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("wait for the test database: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
