package filelock_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/embedded/filelock"
)

func TestModesExclude(t *testing.T) {
	for _, c := range []struct {
		name        string
		held, asked filelock.Mode
		free        bool
	}{
		{"exclusive after exclusive", filelock.Exclusive, filelock.Exclusive, false},
		{"shared after exclusive", filelock.Exclusive, filelock.Shared, false},
		{"exclusive after shared", filelock.Shared, filelock.Exclusive, false},
		{"shared after shared", filelock.Shared, filelock.Shared, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sub", "lock")
			held, err := filelock.Try(path, c.held)
			if err != nil {
				t.Fatal(err)
			}
			asked, err := filelock.Try(path, c.asked)
			if c.free != (err == nil) || (err != nil && !errors.Is(err, filelock.ErrLocked)) {
				t.Fatalf("second lock: %v, want free = %v", err, c.free)
			}
			if asked != nil {
				if err := asked.Release(); err != nil {
					t.Fatal(err)
				}
			}
			if err := held.Release(); err != nil {
				t.Fatal(err)
			}
			if _, err := filelock.Try(path, c.asked); err != nil {
				t.Fatalf("after release: %v", err)
			}
		})
	}
}

func TestAcquireWaitsForReleaseAndContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	held, err := filelock.Try(path, filelock.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := filelock.Acquire(ctx, path, filelock.Shared); !errors.Is(err, filelock.ErrLocked) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want ErrLocked and DeadlineExceeded", err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := filelock.Acquire(t.Context(), path, filelock.Exclusive)
		got <- err
	}()
	if err := held.Release(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}
