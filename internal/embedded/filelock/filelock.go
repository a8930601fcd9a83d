// Package filelock locks files between processes. A lock ends with the process that holds it, however it dies, so a
// lock never has to be broken.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked says that another holder keeps a lock from being taken.
var ErrLocked = errors.New("locked by another process")

// pollInterval is how often [Acquire] tries again: flock cannot wait with a context.
const pollInterval = 20 * time.Millisecond

// A Mode is what a lock excludes.
type Mode int

// The modes of a lock.
const (
	Exclusive Mode = unix.LOCK_EX // no other holder
	Shared    Mode = unix.LOCK_SH // other shared holders, no exclusive one
)

// A Lock is held until Release or the end of the process.
type Lock struct{ f *os.File }

// Try takes the lock on the file path, which it makes if need be (mode 0600, like its folder 0700). It returns an
// error that wraps [ErrLocked], without waiting, when another holder excludes it.
func Try(path string, mode Mode) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make folder of lock: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), int(mode)|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err == nil {
		return &Lock{f}, nil
	}
	_ = f.Close() // only read: nothing is lost
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrLocked
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// Acquire is [Try] that waits for the lock until ctx ends; it then returns ctx's error beside [ErrLocked].
func Acquire(ctx context.Context, path string, mode Mode) (*Lock, error) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		l, err := Try(path, mode)
		if !errors.Is(err, ErrLocked) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, ctx.Err())
		case <-tick.C:
		}
	}
}

// Release gives the lock back. The file stays, so that nobody locks a file that has gone.
func (l *Lock) Release() error { return l.f.Close() }
