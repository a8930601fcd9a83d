package postgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/postgres"
)

type txRun = engine.Run[engine.NoParams]

// ledger is a DAG of so many tasks that each write one line into a table through the transaction of their success.
func ledger(tasks int, body func(ctx context.Context, tx pgx.Tx, task string) error) *engine.DAG[engine.NoParams] {
	d := engine.New[engine.NoParams]("ledger", engine.MaxActiveTasks(engine.Unlimited), engine.DefaultRetry(engine.Retry{Max: 1000}))
	for i := range tasks {
		engine.After(d.Run(), fmt.Sprint("t", i), func(ctx context.Context, _ txRun) (int, error) {
			tx, err := engine.Tx[pgx.Tx](ctx)
			if err != nil {
				return 0, err
			}
			return i, body(ctx, tx, fmt.Sprint("t", i))
		})
	}
	return d
}

func writeLine(ctx context.Context, tx pgx.Tx, task string) error {
	info, _ := engine.Info(ctx)
	_, err := tx.Exec(ctx, `INSERT INTO lines (run, task, try) VALUES ($1, $2, $3)`, info.Run, task, info.Try)
	return err
}

// lines opens a store with a table of lines beside the engine's.
func lines(t *testing.T) (*postgres.Store, string, *pgx.Conn) {
	t.Helper()
	s, url := open(t, postgres.Options{MaxConns: 16})
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), `CREATE TABLE lines (run bigint, task text, try int)`); err != nil {
		t.Fatal(err)
	}
	return s, url, conn
}

func txRuntime(t *testing.T, s engine.Store, d engine.AnyDAG) *engine.Runtime {
	t.Helper()
	catalog, err := engine.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	r, err := engine.NewRuntime(engine.Config{Store: s, Catalog: catalog, Log: slog.New(slog.DiscardHandler), Poll: 20 * time.Millisecond, Heartbeat: 100 * time.Millisecond, DeadAfter: time.Second, Name: uuid.NewString()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := r.Repairs(); n != 0 {
			t.Errorf("%d runs had to be pushed on", n)
		}
	})
	<-r.Ready()
	return r
}

func triggerAndWait(t *testing.T, r *engine.Runtime) engine.RunRow {
	t.Helper()
	row, err := r.Control().Trigger(t.Context(), engine.TriggerRequest{DAG: "ledger", RunID: uuid.NewString(), By: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return waitOver(t, r.Control().Store(), row.Key, 60*time.Second)
}

func waitOver(t *testing.T, s engine.Store, key int64, limit time.Duration) engine.RunRow {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		rows, err := s.RunsByKey(t.Context(), []int64{key})
		if err == nil && len(rows) == 1 && rows[0].State.Terminal() {
			return rows[0]
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("the run is not over in time: %v", err)
		}
	}
}

func count(t *testing.T, conn *pgx.Conn, sql string) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTxCommitsWithTheTask(t *testing.T) {
	s, _, conn := lines(t)
	r := txRuntime(t, s, ledger(20, writeLine))
	if row := triggerAndWait(t, r); row.State != engine.RunSuccess {
		t.Fatalf("the run is %s", row.State)
	}
	if n := count(t, conn, `SELECT count(*) FROM lines`); n != 20 {
		t.Errorf("%d lines, want 20", n)
	}
}

func TestTxOfAFailureIsRolledBack(t *testing.T) {
	s, _, conn := lines(t)
	var tries atomic.Int32
	r := txRuntime(t, s, ledger(1, func(ctx context.Context, tx pgx.Tx, task string) error {
		if err := writeLine(ctx, tx, task); err != nil {
			return err
		}
		if err := tx.Commit(ctx); err == nil {
			return engine.Permanent(errors.New("a body may commit"))
		}
		if tries.Add(1) < 3 {
			return errors.New("not yet")
		}
		return nil
	}))
	if row := triggerAndWait(t, r); row.State != engine.RunSuccess {
		t.Fatalf("the run is %s", row.State)
	}
	if n := count(t, conn, `SELECT count(*) FROM lines`); n != 1 || tries.Load() != 3 {
		t.Errorf("%d lines after %d tries, want 1 after 3", n, tries.Load())
	}
}

// A task that is cleared while it runs starts anew, and what it had written by then is rolled back, although its body succeeds.
func TestTxOfAClearedAttemptIsRolledBack(t *testing.T) {
	s, _, conn := lines(t)
	begun, release := make(chan struct{}), make(chan struct{})
	var tries atomic.Int32
	r := txRuntime(t, s, ledger(1, func(ctx context.Context, tx pgx.Tx, task string) error {
		if err := writeLine(ctx, tx, task); err != nil {
			return err
		}
		if tries.Add(1) == 1 {
			close(begun)
			<-release // and then succeeds, whatever its context says
		}
		return nil
	}))
	row, err := r.Control().Trigger(t.Context(), engine.TriggerRequest{DAG: "ledger", RunID: "r", By: "test"})
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	if _, err := r.Control().Clear(t.Context(), "ledger", "r", engine.Selection{}, false, "ann"); err != nil {
		t.Fatal(err)
	}
	close(release)
	if row := waitOver(t, s, row.Key, 60*time.Second); row.State != engine.RunSuccess {
		t.Fatalf("the run is %s", row.State)
	}
	if n := count(t, conn, `SELECT count(*) FROM lines`); n != 1 || tries.Load() != 2 {
		t.Errorf("%d lines after %d tries, want 1 after 2", n, tries.Load())
	}
	if try := count(t, conn, `SELECT try FROM lines`); try != 2 {
		t.Errorf("the line is of try %d, want 2", try)
	}
}

func TestTxThatACheckRefusesFailsTheTask(t *testing.T) {
	s, _, conn := lines(t)
	if _, err := conn.Exec(t.Context(), `CREATE TABLE parents (id int PRIMARY KEY);
		ALTER TABLE lines ADD COLUMN parent int REFERENCES parents DEFERRABLE INITIALLY DEFERRED`); err != nil {
		t.Fatal(err)
	}
	d := engine.New[engine.NoParams]("ledger")
	engine.Sink(d.Run(), "t", func(ctx context.Context, _ txRun) error {
		tx, err := engine.Tx[pgx.Tx](ctx)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO lines (parent) VALUES (7)`) // refused at the commit
		return err
	})
	r := txRuntime(t, s, d)
	row := triggerAndWait(t, r)
	if row.State != engine.RunFailed {
		t.Fatalf("the run is %s, want failed: its commit was refused", row.State)
	}
	if n := count(t, conn, `SELECT count(*) FROM lines`); n != 0 {
		t.Errorf("%d lines, want none", n)
	}
	a, err := s.Attempt(t.Context(), engine.TaskKey{Run: row.Key, Task: "t", MapIndex: -1}, -1)
	if err != nil || !strings.Contains(a.Error, "lines_parent_fkey") {
		t.Errorf("its error is %q, %v", a.Error, err)
	}
}

// A task whose session ends before its success is stored has done nothing: it runs again, whatever it says of retries.
func TestTxWhoseConnectionIsLostRunsAgain(t *testing.T) {
	s, _, conn := lines(t)
	d := engine.New[engine.NoParams]("ledger")
	var tries atomic.Int32
	engine.After(d.Run(), "t", func(ctx context.Context, _ txRun) (int, error) {
		tx, err := engine.Tx[pgx.Tx](ctx)
		if err != nil {
			return 0, err
		}
		var pid int
		if err := errors.Join(writeLine(ctx, tx, "t"), tx.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&pid)); err != nil {
			return 0, err
		}
		if tries.Add(1) == 1 {
			_, err = conn.Exec(ctx, `SELECT pg_terminate_backend($1, 10000)`, pid)
		}
		return 0, err
	})
	r := txRuntime(t, s, d)
	if row := triggerAndWait(t, r); row.State != engine.RunSuccess {
		t.Fatalf("the run is %s", row.State)
	}
	if n := count(t, conn, `SELECT count(*) FROM lines`); n != 1 || tries.Load() != 2 {
		t.Errorf("%d lines after %d tries, want 1 after 2", n, tries.Load())
	}
}

// A session that ends in the middle of the body is no failure of the task: the body runs again, in the same attempt.
func TestTxWhoseConnectionIsLostInMidBodyRunsAgain(t *testing.T) {
	s, _, conn := lines(t)
	var runs atomic.Int32
	r := txRuntime(t, s, endingSessions(conn, &runs, 3))
	row := triggerAndWait(t, r)
	if row.State != engine.RunSuccess {
		t.Fatalf("the run is %s", row.State)
	}
	if n := count(t, conn, `SELECT count(*) FROM lines`); n != 1 || runs.Load() != 4 {
		t.Errorf("%d lines after %d runs of the body, want 1 after 4", n, runs.Load())
	}
	attempts, err := s.Attempts(t.Context(), []int64{row.Key}, "t")
	if err != nil || len(attempts) != 1 {
		t.Errorf("%d attempts (%v), want one", len(attempts), err)
	}
}

// A transaction that comes to nothing every time is not tried without end: the attempt fails and says why.
func TestTxThatComesToNothingFails(t *testing.T) {
	t.Parallel() // it waits most of the time
	s, _, conn := lines(t)
	var runs atomic.Int32
	r := txRuntime(t, s, endingSessions(conn, &runs, 1<<30))
	row := triggerAndWait(t, r)
	if row.State != engine.RunFailed {
		t.Fatalf("the run is %s", row.State)
	}
	a, err := s.Attempt(t.Context(), engine.TaskKey{Run: row.Key, Task: "t", MapIndex: -1}, -1)
	if err != nil || !strings.Contains(a.Error, "its transaction came to nothing 10 times in a row") || runs.Load() != 10 {
		t.Errorf("after %d runs of the body its error is %q, %v", runs.Load(), a.Error, err)
	}
}

// endingSessions is a DAG of one task, without retries, whose session is ended in mid-body the first times that it runs.
func endingSessions(conn *pgx.Conn, runs *atomic.Int32, times int32) *engine.DAG[engine.NoParams] {
	d := engine.New[engine.NoParams]("ledger")
	engine.Sink(d.Run(), "t", func(ctx context.Context, _ txRun) error {
		tx, err := engine.Tx[pgx.Tx](ctx)
		if err != nil {
			return err
		}
		var pid int
		if err := errors.Join(writeLine(ctx, tx, "t"), tx.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&pid)); err != nil {
			return err
		}
		if runs.Add(1) <= times {
			if _, err := conn.Exec(ctx, `SELECT pg_terminate_backend($1, 10000)`, pid); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `SELECT 1`) // which a lost connection fails
		return err
	})
	return d
}

// A body that asks for its transaction while the database is away gets it when that is back.
func TestTxWaitsForTheDatabase(t *testing.T) {
	s, url, conn := lines(t)
	var name string
	if err := conn.QueryRow(t.Context(), `SELECT current_database()`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	shut := func(yes bool) { // to new sessions; ours stays
		t.Helper()
		if _, err := conn.Exec(t.Context(), fmt.Sprintf(`UPDATE pg_database SET datallowconn = %t WHERE datname = '%s'`, !yes, name)); err != nil {
			t.Fatal(err)
		}
	}
	shut(true)
	if _, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
		t.Fatal(err)
	}
	if c, err := pgx.Connect(t.Context(), url); err == nil {
		_ = c.Close(t.Context())
		t.Fatal("the database takes sessions: the test shows nothing")
	}
	limited, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.BeginTask(limited); err == nil || limited.Err() == nil {
		t.Fatalf("a transaction of a database that is away: %v", err)
	}
	type begun struct {
		tx  engine.TaskTx
		err error
	}
	done := make(chan begun, 1)
	go func() {
		tx, err := s.BeginTask(t.Context())
		done <- begun{tx, err}
	}()
	select {
	case b := <-done:
		t.Fatalf("it did not wait: %v", b.err)
	case <-time.After(50 * time.Millisecond):
	}
	shut(false)
	b := <-done
	if b.err != nil {
		t.Fatal(b.err)
	}
	b.tx.Rollback(t.Context())
}

// txChild, when set, is the database on which this test binary runs the ledger until it is killed.
const txChild = "TIDEMILL_TX_TEST_CHILD"

func TestMain(m *testing.M) {
	if url, ok := os.LookupEnv(txChild); ok {
		if err := workLedger(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1) // a child is killed, it never ends
	}
	os.Exit(m.Run())
}

const ledgerTasks = 60

func workLedger(url string) error {
	ctx := context.Background()
	s, err := postgres.Open(ctx, url, postgres.Options{MaxConns: 8})
	if err != nil {
		return err
	}
	catalog, err := engine.Compile(ledger(ledgerTasks, writeLine))
	if err != nil {
		return err
	}
	r, err := engine.NewRuntime(engine.Config{Store: s, Catalog: catalog, Log: slog.New(slog.DiscardHandler), Poll: 10 * time.Millisecond,
		Heartbeat: 50 * time.Millisecond, DeadAfter: 400 * time.Millisecond, Name: uuid.NewString()})
	if err != nil {
		return err
	}
	go func() {
		<-r.Ready()
		fmt.Println("ready")
	}()
	return r.Run(ctx)
}

// Processes are killed at random moments, again and again, while they work: each task's line is there exactly once at the end.
func TestTxUnderKills(t *testing.T) {
	s, url, conn := lines(t)
	catalog, err := engine.Compile(ledger(ledgerTasks, writeLine))
	if err != nil {
		t.Fatal(err)
	}
	control := engine.NewControl(s, catalog, "test")
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // where to kill
	start := func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this test binary
		cmd.Env = append(os.Environ(), txChild+"="+url)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
			t.Fatalf("the child said %q, %v", line, err)
		}
		return cmd
	}
	first, second := start(), start() // one is always there
	var keys []int64
	for i := range 12 {
		row, err := control.Trigger(t.Context(), engine.TriggerRequest{DAG: "ledger", RunID: fmt.Sprint("r", i), By: "test"})
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, row.Key)
		if err := s.Wake(t.Context()); err != nil {
			t.Fatal(err)
		}
		pause := time.NewTimer(time.Duration(rng.IntN(60)) * time.Millisecond) // somewhere in the middle of its work
		<-pause.C
		if err := first.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = first.Wait() // it was killed
		first, second = second, start()
	}
	for _, k := range keys {
		if row := waitOver(t, s, k, 120*time.Second); row.State != engine.RunSuccess {
			t.Errorf("run %s is %s", row.RunID, row.State)
		}
	}
	for _, cmd := range []*exec.Cmd{first, second} {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if n := count(t, conn, `SELECT count(*) FROM lines`); n != 12*ledgerTasks {
		t.Errorf("%d lines, want %d", n, 12*ledgerTasks)
	}
	if n := count(t, conn, `SELECT count(DISTINCT (run, task)) FROM lines`); n != 12*ledgerTasks {
		t.Errorf("%d tasks have a line, want %d", n, 12*ledgerTasks)
	}
	t.Logf("attempts lost: %d", count(t, conn, `SELECT count(*) FROM tidemill.attempts WHERE ending = 'lost'`))
}
