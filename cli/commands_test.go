package cli

import (
	"bytes"
	"context"
	"io"
	"os/user"
	"strings"
	"sync"
	"testing"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/internal/testkit"
)

// command runs a command beside the process of the cage.
func (c *cage) command(opts []Option, args ...string) (code int, out, errOut string) {
	c.Helper()
	env := map[string]string{"TIDEMILL_HOME": c.TempDir(), "TIDEMILL_DATABASE_URL": c.database}
	var o, e bytes.Buffer
	code = run(c.Context(), args, &o, &e, func(name string) string { return env[name] }, opts...)
	return code, o.String(), e.String()
}

func TestATryThatNeverWasIsRefused(t *testing.T) {
	d := engine.New[engine.NoParams]("sales")
	files := engine.After(d.Run(), "list", func(ctx context.Context, r engine.Run[engine.NoParams]) ([]string, error) {
		engine.Log(ctx).Info("listed")
		return []string{"a", "b"}, nil
	})
	engine.Map(files, "load", func(ctx context.Context, file string) (string, error) {
		engine.Log(ctx).Info("loaded", "file", file)
		return file, nil
	})
	engine.Sink(engine.Map(engine.After(files, "none", func(context.Context, []string) ([]string, error) { return nil, engine.Skip("nothing new") }), "each",
		func(_ context.Context, s string) (string, error) { return s, nil }), "report", func(context.Context, []string) error { return nil })
	opts := []Option{DAGs(d)}
	c := newCage(t, opts...)
	if code, _, errOut := c.command(opts, "dag", "trigger", "sales", "--run-id", "r", "--wait"); code != exitDone {
		t.Fatalf("the run ended %d: %s", code, errOut)
	}
	for _, l := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"list"}, exitDone, "listed"},
		{[]string{"list", "--try", "1"}, exitDone, "listed"},
		{[]string{"list", "--try", "9"}, exitFailed, "there is no try 9 of list; it has 1"},
		{[]string{"load[1]"}, exitDone, `"file":"b"`},
		{[]string{"load[1]", "--try", "2"}, exitFailed, "there is no try 2 of load[1]; it has 1"},
		{[]string{"report"}, exitDone, ""}, // decided without a try
		{[]string{"report", "--try", "1"}, exitFailed, "there is no try 1 of report; it has none yet"},
	} {
		c.wait("the log of "+strings.Join(l.args, " "), func() bool { // lines come a moment after the end
			code, out, errOut := c.command(opts, append([]string{"task", "log", "sales", "r"}, l.args...)...)
			if code != l.code {
				t.Fatalf("task log %v ended %d: %s%s", l.args, code, out, errOut)
			}
			return strings.Contains(out+errOut, l.want)
		})
	}
}

func TestACommandTellsWhoActed(t *testing.T) {
	opts := []Option{ownProgram()}
	c := newCage(t, opts...)
	if code, _, errOut := c.command(opts, "dag", "trigger", "sales", "--run-id", "r", "--wait"); code != exitDone {
		t.Fatalf("ended %d: %s", code, errOut)
	}
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	_, answer := c.ask("GET", "/api/v2/dags/sales/dagRuns/r", "")
	for _, want := range []string{`"triggering_user_name":"cli:` + u.Username + `"`, `"triggered_by":"cli"`} {
		if !strings.Contains(answer, want) {
			t.Errorf("the run is %s; want %s", answer, want)
		}
	}
}

func TestADAGThatNoProcessHasRegisteredIsKnown(t *testing.T) {
	c := newCage(t, ownProgram())
	other := []Option{DAGs(func() engine.AnyDAG {
		d := engine.New[engine.NoParams]("later")
		engine.Sink(d.Run(), "t", func(context.Context, engine.Run[engine.NoParams]) error { return nil })
		return d
	}())}
	for _, verb := range []string{"show", "graph"} {
		if code, _, errOut := c.command(other, "dag", verb, "later"); code != exitFailed || !strings.Contains(errOut, "this program has it: `serve` registers it") {
			t.Errorf("dag %s ended %d: %s", verb, code, errOut)
		}
		if _, _, errOut := c.command(other, "dag", verb, "never"); strings.Contains(errOut, "this program has it") {
			t.Errorf("dag %s: %s", verb, errOut)
		}
	}
}

// A process that is ended while a task runs says what it waits for, and how it ends at once.
func TestADrainTellsOfASecondCtrlC(t *testing.T) {
	d := engine.New[engine.NoParams]("slow")
	begun, end := make(chan struct{}), make(chan struct{})
	let := sync.OnceFunc(func() { close(end) })
	defer let()
	engine.Sink(d.Run(), "sleep", func(context.Context, engine.Run[engine.NoParams]) error {
		close(begun)
		<-end
		return nil
	})
	env := map[string]string{"TIDEMILL_HOME": testkit.Home(t), "TIDEMILL_DATABASE_URL": testkit.Postgres(t), "TIDEMILL_LISTEN": "127.0.0.1:0", "TIDEMILL_LOG_FORMAT": "json"}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := &cage{TB: t, database: env["TIDEMILL_DATABASE_URL"], log: &syncBuffer{}}
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"serve"}, io.Discard, c.log, func(name string) string { return env[name] }, DAGs(d))
	}()
	c.wait("serve to join", func() bool { return strings.Contains(c.log.String(), `"msg":"joined"`) })
	if code, _, errOut := c.command([]Option{DAGs(d)}, "dag", "trigger", "slow"); code != exitDone {
		t.Fatalf("ended %d: %s", code, errOut)
	}
	c.wait("the task to run", func() bool {
		select {
		case <-begun:
			return true
		default:
			return false
		}
	})
	cancel()
	c.wait("serve to tell", func() bool {
		return strings.Contains(c.log.String(), "at most 30s for 1 running task; a second Ctrl-C ends at once")
	})
	let()
	if code := <-done; code != exitDone {
		t.Errorf("serve ended %d", code)
	}
}

func TestADrainOfNothingSaysSo(t *testing.T) {
	if got := draining(0, drainGrace); got != "no task runs" {
		t.Errorf("told as %q", got)
	}
}
