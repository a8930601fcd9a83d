package dbt_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tidemill/tidemill/tasks/dbt"
)

// unchecked lets PostgreSQL run on the query of a client that is gone, as servers do that cannot tell.
var unchecked = map[string]string{"PGOPTIONS": ""}

const sleeping = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"

// patience is how long a condition is waited for: a busy machine takes a minute to import dbt and parse the project.
const patience = 4 * time.Minute

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// whileSlow runs the slow model, calls act once its query is running in PostgreSQL, and returns how the run ended.
func whileSlow(t *testing.T, s site, r *dbt.Runner, env map[string]string, act func(cancel context.CancelFunc)) (dbt.Result, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type outcome struct {
		result dbt.Result
		err    error
	}
	ended := make(chan outcome, 1)
	go func() {
		result, err := r.Run(ctx, dbt.Invocation{Command: dbt.CommandRun, Select: []string{"tag:slow"}, Env: env})
		ended <- outcome{result, err}
	}()
	eventually(t, "the slow query runs", func() bool {
		select {
		case o := <-ended:
			t.Fatalf("ended before the slow query ran: %v", o.err)
		default:
		}
		return s.value(t, sleeping) == "1"
	})
	act(cancel)
	o := <-ended
	return o.result, o.err
}

// checkCut: the model that ran and the one that waited for it both failed, for that reason, and nothing runs on.
func checkCut(t *testing.T, s site, result dbt.Result, reason string) {
	t.Helper()
	slow, after := node(t, result.Nodes, "slow"), node(t, result.Nodes, "after_slow")
	if slow.State != dbt.Failed || after.State != dbt.Failed && after.State != dbt.Skipped {
		t.Errorf("states = %v", states(result.Nodes))
	}
	if !strings.Contains(after.Message, reason) {
		t.Errorf("messages = %q, %q; want %q", slow.Message, after.Message, reason)
	}
	if n := s.value(t, sleeping); n != "0" {
		t.Errorf("%s queries run on", n)
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.runner(t, dbt.Options{})
	t.Run("interrupt", func(t *testing.T) {
		result, err := whileSlow(t, s, r, unchecked, func(cancel context.CancelFunc) { cancel() })
		if !errors.Is(err, dbt.ErrInterrupted) || !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v, want interrupted by a cancelled context", err)
		}
		checkCut(t, s, result, "context canceled")
	})
	t.Run("killed from outside", func(t *testing.T) {
		if err := r.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		pid := r.ServerPID()
		result, err := whileSlow(t, s, r, unchecked, func(context.CancelFunc) { kill(t, pid) })
		var failure *dbt.InvocationError
		if !errors.As(err, &failure) || failure.ExitCode != -1 || errors.Is(err, dbt.ErrInterrupted) {
			t.Errorf("error = %v, want a dead process", err)
		}
		checkCut(t, s, result, "signal: killed")
	})
	t.Run("died while idle", func(t *testing.T) {
		if err := r.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		kill(t, r.ServerPID())
		if _, err := r.Run(t.Context(), dbt.Invocation{Command: dbt.CommandRun, Select: []string{"dated"}}); err != nil {
			t.Error(err)
		}
	})
	t.Run("lock lost", func(t *testing.T) {
		guard := &losingGuard{Postgres: dbt.Postgres{Connect: s.connect}}
		r := s.runner(t, dbt.Options{Guard: guard})
		result, err := whileSlow(t, s, r, nil, func(context.CancelFunc) { guard.lose(dbt.ErrLockLost) })
		if !errors.Is(err, dbt.ErrLockLost) {
			t.Errorf("error = %v, want the lost lock", err)
		}
		checkCut(t, s, result, "lock")
		if guard.terminated != 1 {
			t.Errorf("sessions were ended %d times, want once: the name may be another's now", guard.terminated)
		}
	})
	t.Run("kill", func(t *testing.T) {
		r := s.runner(t, dbt.Options{Grace: time.Nanosecond})
		result, err := whileSlow(t, s, r, unchecked, func(cancel context.CancelFunc) { cancel() })
		if !errors.Is(err, dbt.ErrInterrupted) {
			t.Errorf("error = %v, want interrupted", err)
		}
		checkCut(t, s, result, "context canceled")
	})
}

// losingGuard loses its lock when told to.
type losingGuard struct {
	dbt.Postgres
	lose       context.CancelCauseFunc
	terminated int
}

func (g *losingGuard) Lock(ctx context.Context, _ string) (context.Context, func(), error) {
	ctx, g.lose = context.WithCancelCause(ctx)
	return ctx, func() {}, nil
}

func (g *losingGuard) Terminate(ctx context.Context, name string) (int, error) {
	g.terminated++
	return g.Postgres.Terminate(ctx, name)
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// childEnv names, for a test binary that is to run the slow model until it is killed, the project and the database. With childAll it runs all models.
const (
	childEnv = "TIDEMILL_DBT_TEST_CHILD"
	childAll = "TIDEMILL_DBT_TEST_CHILD_ALL"
)

func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(childEnv); ok {
		fmt.Fprintln(os.Stderr, child(strings.Split(text, "\n")))
		os.Exit(1) // a child is killed, it never ends
	}
	os.Exit(m.Run())
}

func child(arg []string) error {
	database, p := arg[0], dbt.Project{Dir: arg[1], Python: arg[2], Env: arg[3:]}
	connect := func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, database) }
	r, err := dbt.NewRunner(p, dbt.Options{Guard: dbt.Postgres{Connect: connect}})
	if err != nil {
		return err
	}
	if err := r.Warm(context.Background()); err != nil {
		return err
	}
	fmt.Println(r.ServerPID())
	inv := dbt.Invocation{Command: dbt.CommandRun, Select: []string{"slow"}}
	if os.Getenv(childAll) != "" {
		inv.Select = nil
	}
	_, err = r.Run(context.Background(), inv)
	return err
}

// TestOurDeath: when we are killed, dbt goes with us; its query ends by PostgreSQL's own check of its client, or else
// before the next run. dbt hears of our death in two ways at once, a signal and the end of its input: which of them it
// acts on first decides whether it interrupts its query. The second part takes that choice away: dbt dies first, while we
// are frozen and cannot help.
func TestOurDeath(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	die := func(t *testing.T, end func(us, dbt int), env ...string) {
		t.Helper()
		arg := append(append([]string{s.database, s.project.Dir, s.project.Python}, s.project.Env...), env...)
		cmd := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this test binary
		cmd.Env = append(os.Environ(), childEnv+"="+strings.Join(arg, "\n"))
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatalf("the child said nothing: %v", err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the slow query runs", func() bool { return s.value(t, sleeping) == "1" })
		end(cmd.Process.Pid, pid)
		_ = cmd.Wait() // it was killed
		eventually(t, "dbt is gone", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
	}
	t.Run("PostgreSQL ends the query", func(t *testing.T) {
		die(t, func(us, _ int) { kill(t, us) })
		eventually(t, "the query is gone", func() bool { return s.value(t, sleeping) == "0" })
	})
	t.Run("the next run ends the query", func(t *testing.T) {
		die(t, func(us, dbt int) {
			if err := syscall.Kill(us, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			kill(t, dbt)
			kill(t, us)
		}, "PGOPTIONS=-c client_connection_check_interval=0") // the embedded server has a check of its own
		if n := s.value(t, sleeping); n != "1" {
			t.Fatalf("%s queries run on, want 1: the test shows nothing", n)
		}
		r := s.runner(t, dbt.Options{})
		if _, err := r.Run(t.Context(), dbt.Invocation{Command: dbt.CommandRun, Select: []string{"dated"}}); err != nil {
			t.Error(err)
		}
		if n := s.value(t, sleeping); n != "0" {
			t.Errorf("%s queries run on", n)
		}
	})
}
