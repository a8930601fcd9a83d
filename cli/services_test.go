package cli

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A process whose embedded database was killed must end and say so, not look as if it ran.
func TestTheDeathOfTheEmbeddedDatabaseIsNoticed(t *testing.T) {
	home := t.TempDir()
	c := &Config{Home: home, Brokers: "127.0.0.1:1"}
	s, err := startServices(t.Context(), c, needs{}, func(string) {}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.stop(context.Background()) }) // it is dead already
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.watch(ended, home); err != nil {
		t.Errorf("at an orderly end: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(home, "postgres", "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.watch(ctx, home); err == nil || !strings.Contains(err.Error(), "postgres.log") {
		t.Errorf("after its death: %v", err)
	}
}

func TestDoctorFindsALakeThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if err := writable(filepath.Join(dir, "not", "made", "yet")); err != nil {
		t.Errorf("a folder that can be made: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if err := writable("/proc/lake"); err == nil { // nobody can write there, root included
		t.Error("/proc counts as writable")
	}
}

// A cluster is an embedded PostgreSQL as what tells of it sees it.
type cluster struct{ data, user string }

func (c cluster) Data() (dir, user string) { return c.data, c.user }

func TestDataThatIsNotInTheHomeFolderIsToldOf(t *testing.T) {
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if text := elsewhere(home, cluster{filepath.Join(home, "data"), "me"}); text != "" {
		t.Errorf("in its folder it says %q", text)
	}
	text := elsewhere(home, cluster{"/var/lib/tidemill/postgres-1/data", "postgres"})
	for _, want := range []string{"/var/lib/tidemill/postgres-1/data", "refuses to run as root", "user postgres", home, "TIDEMILL_HOME"} { // where, why, and how it is changed
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %s: %q", want, text)
		}
	}
	if strings.Contains(text, "\n") {
		t.Error("it is more than a line")
	}
}
