package dbt_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tidemill/tidemill/tasks/dbt"
)

// killAll makes testKilled go through all points and victims, a matter of minutes, instead of a few.
const killAll = "TIDEMILL_DBT_KILL_ALL"

// few are the cells that are always tried: each victim, before, in and after a model's transaction.
var few = [][2]string{{"fct_daily_revenue before", "dbt"}, {"fct_transactions in", "us"}, {"gold_publications in", "PostgreSQL"}}

// TestGoldIsThatOfOneRun, whatever is killed, run twice at once, or cleared alone.
func TestGoldIsThatOfOneRun(t *testing.T) {
	t.Parallel()
	w, r := newWarehouse(t)
	w.checkGoldIsNew(t)
	t.Run("killed", func(t *testing.T) { testKilled(t, w, r) })
	t.Run("two runs at once", func(t *testing.T) { testTwoRuns(t, w, r) })
	t.Run("cleared alone", func(t *testing.T) { testClearedAlone(t, w, r) })
	t.Run("documented", func(t *testing.T) { testDocs(t, r) })
	t.Run("lineage", func(t *testing.T) { testLineage(t, r) })
}

// testKilled kills dbt, our process, or PostgreSQL at the edges of every model's transaction. Both tables of Gold are then those of one
// run, before or after; and the next run brings all that is there, although the killed one's query may still run and hold its locks.
func testKilled(t *testing.T, w *warehouse, r *dbt.Runner) {
	for _, point := range points {
		for _, victim := range []string{"dbt", "us", "PostgreSQL"} {
			if os.Getenv(killAll) == "" && !slices.Contains(few, [2]string{point, victim}) {
				continue
			}
			t.Run(point+"/"+victim, func(t *testing.T) {
				w.arrive(t)
				before := w.value(t, goldIs)
				holder := w.hold(t, point)
				defer holder.Close(context.Background()) //nolint:errcheck // it may be dead
				w.killAt(t, r, victim)
				w.exec(t, "UPDATE test.stop SET point = ''")
				w.checkGold(t, before)
				if _, err := r.Run(t.Context(), w.today()); err != nil {
					t.Fatalf("the next run: %v", err)
				}
				w.checkGoldIsNew(t)
				if n := w.value(t, stopped); n != "0" {
					t.Errorf("%s queries of the killed run wait on", n)
				}
			})
		}
	}
}

// killAt runs the day until it stops, kills the victim, and waits until the run is over.
func (w *warehouse) killAt(t *testing.T, r *dbt.Runner, victim string) {
	t.Helper()
	if victim == "us" {
		w.killUs(t)
		return
	}
	if err := r.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	server, ended := r.ServerPID(), make(chan error, 1)
	go func() {
		_, err := r.Run(t.Context(), w.today())
		ended <- err
	}()
	eventually(t, "the run stops", func() bool {
		select {
		case err := <-ended:
			t.Fatalf("the run ended before it stopped: %v", err)
		default:
		}
		return w.value(t, stopped) == "1"
	})
	switch victim {
	case "dbt":
		kill(t, server)
	case "PostgreSQL":
		w.killServer(t)
	}
	if err := <-ended; err == nil {
		t.Error("the killed run says that it succeeded")
	}
}

// killUs does the same in a process of its own, which is killed.
func (w *warehouse) killUs(t *testing.T) {
	t.Helper()
	today := w.today()
	arg := append([]string{w.database, w.project.Dir, w.project.Python}, w.project.Env...)
	for k, v := range today.Env {
		arg = append(arg, k+"="+v)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this test binary
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(arg, "\n"), childAll+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the child said %q: %v", line, err)
	}
	eventually(t, "the run stops", func() bool { return w.value(t, stopped) == "1" })
	kill(t, cmd.Process.Pid)
	_ = cmd.Wait() // it was killed
}

// killServer kills PostgreSQL's first process, which takes the others with it, and starts it again: it recovers as after a crash.
func (w *warehouse) killServer(t *testing.T) {
	t.Helper()
	data, _ := w.server.Data()
	text, err := os.ReadFile(data + "/postmaster.pid")
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
	<-w.server.Exited()
	if err := w.server.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.startServer(t)
}

// testTwoRuns: a second process's run does not begin, and opens no session in the target, before the first one's is over.
func testTwoRuns(t *testing.T, w *warehouse, first *dbt.Runner) {
	second := w.runner(t, dbt.Options{}) // a runner knows nothing of another: only the guard keeps them apart
	w.arrive(t)
	holder := w.hold(t, "fct_transactions in")
	ended := make(chan error, 2)
	run := func(r *dbt.Runner) {
		_, err := r.Run(t.Context(), w.today())
		ended <- err
	}
	go run(first)
	eventually(t, "the first run stops", func() bool { return w.value(t, stopped) == "1" })
	builds := w.value(t, "SELECT count(*)::text FROM metadata.stagings")
	go run(second)
	const asking = `SELECT count(*)::text FROM pg_stat_activity WHERE query LIKE 'SELECT pg_try_advisory_lock%' AND datname = current_database()`
	eventually(t, "the second asks for the lock", func() bool { return w.value(t, asking) == "2" }) // beside the session of the first, which has it
	if now := w.value(t, "SELECT count(*)::text FROM metadata.stagings"); now != builds {
		t.Errorf("there are %s stagings, want %s: the second run has begun", now, builds)
	}
	w.exec(t, "UPDATE test.stop SET point = ''")
	if err := holder.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	w.checkGoldIsNew(t)
}
