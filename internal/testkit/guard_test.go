package testkit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tidemill/tidemill/internal/embedded/filelock"
	"github.com/tidemill/tidemill/internal/embedded/postgres"
)

func TestGuardStopsTheServerWhenItsLastUserHasGone(t *testing.T) {
	t.Parallel()
	dir := Home(t)
	user, err := filelock.Try(usersLockPath(dir), filelock.Shared)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- guard(dir, time.Millisecond, 2*time.Millisecond) }()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for running := false; !running; _, running = postgres.FindRunning(filepath.Join(dir, "postgres")) {
		select {
		case err := <-ended:
			t.Fatalf("the guard ended with a user there: %v", err)
		case <-deadline:
			t.Fatal("no server")
		case <-tick.C:
		}
	}
	if err := user.Release(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-deadline:
		t.Fatal("the guard goes on without users")
	}
	if url, ok := postgres.FindRunning(filepath.Join(dir, "postgres")); ok {
		t.Errorf("the server runs on at %s", url)
	}
}

func TestSweepDropsWhatEndedProcessesLeft(t *testing.T) {
	t.Parallel()
	server, err := sharedServer()
	if err != nil {
		t.Fatal(err)
	}
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	left := fmt.Sprintf("t_%d_left", ended.Process.Pid)
	mine := fmt.Sprintf("t_%d_mine", os.Getpid())
	for _, name := range []string{left, mine} {
		if err := execute(t.Context(), server, "CREATE DATABASE "+name); err != nil {
			t.Fatal(err)
		}
	}
	if err := sweep(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var there []string
	if err := conn.QueryRow(t.Context(), "SELECT array_agg(datname::text) FROM pg_database WHERE datname IN ($1, $2)", left, mine).Scan(&there); err != nil {
		t.Fatal(err)
	}
	if len(there) != 1 || there[0] != mine {
		t.Errorf("after the sweep there are %q, want %q alone", there, mine)
	}
	if err := execute(t.Context(), server, "DROP DATABASE "+mine); err != nil {
		t.Error(err)
	}
}
