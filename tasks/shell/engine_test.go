package shell_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/quartz"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/tasks/shell"
)

type run = engine.Run[engine.NoParams]

// script is a task that runs a text of the test.
func script(text string) func(context.Context, run) (shell.Result, error) {
	return shell.Task(func(run) shell.Command { return shell.Command{Script: text} })
}

func TestExitCodesAsTasks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := engine.New[engine.NoParams]("d")
	retry := engine.Retry{Max: 2}
	engine.After(d.Run(), "skips", script("exit 99"), retry)
	engine.After(d.Run(), "fails", script(`echo x >> `+dir+`/fails; exit 1`), retry)
	engine.After(d.Run(), "for_good", shell.Task(func(run) shell.Command {
		return shell.Command{Dir: dir, Script: "echo x >> for_good; exit 2", Codes: map[int]shell.Meaning{2: shell.Permanent}}
	}), retry)
	engine.After(d.Run(), "recovers", script(`echo $TIDEMILL_TRY $TIDEMILL_KEY >> `+dir+`/recovers; [ $TIDEMILL_TRY = 2 ]`), retry)
	o := enginetest.Run(t, d, nil)
	for task, want := range map[string]engine.State{"skips": engine.Skipped, "fails": engine.Failed, "for_good": engine.Failed, "recovers": engine.Success} {
		if got := o.State(task); got != want {
			t.Errorf("%s is %s, want %s", task, got, want)
		}
	}
	key := "d/" + o.Run.RunID + "/recovers/-1"
	for file, want := range map[string]string{"fails": "x\nx\nx\n", "for_good": "x\n", "recovers": "1 " + key + "\n2 " + key + "\n"} {
		got, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || string(got) != want {
			t.Errorf("%s ran as %q (%v), want %q", file, got, err, want)
		}
	}
}

// The canary is in the command's arguments, environment and output; it must not be in what the engine keeps or logs.
func TestTheEngineKeepsNoSecret(t *testing.T) {
	t.Parallel()
	var process buffer
	store := enginetest.NewStore(quartz.NewReal())
	d := engine.New[engine.NoParams]("d")
	engine.After(d.Run(), "leaky", shell.Task(func(run) shell.Command {
		return shell.Command{Script: `echo "it is $KEY"; echo "and $1" >&2; exit $2`, Args: []string{"canary-argument", "0"}, Secrets: []string{"canary-argument"}, SecretEnv: map[string]string{"KEY": "canary-key"}}
	}))
	engine.After(d.Run(), "leaky_failure", shell.Task(func(run) shell.Command {
		return shell.Command{Script: `echo "it is $KEY" >&2; exit 1`, SecretEnv: map[string]string{"KEY": "canary-key"}}
	}))
	row := runOn(t, store, d, slog.New(slog.NewJSONHandler(&process, nil)))
	kept := process.String()
	for _, task := range []string{"leaky", "leaky_failure"} {
		key := engine.TaskKey{Run: row.Key, Task: task, MapIndex: -1}
		a, err := store.Attempt(t.Context(), key, -1)
		if err != nil {
			t.Fatal(err)
		}
		kept += a.Error + string(a.Output)
		chunks, err := store.ReadLog(t.Context(), key, a.Try, 0, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range chunks {
			kept += string(c.Lines)
		}
	}
	if strings.Contains(kept, "canary") {
		t.Errorf("a secret was kept:\n%s", kept)
	}
	if n := strings.Count(kept, "it is *****"); n < 5 { // output, error, and a line in the log of the task and of the process for each
		t.Errorf("only %d of the places have what was printed:\n%s", n, kept)
	}
}

// A task that takes too long is ended with its process group, and its run is over.
func TestATimeoutEndsTheCommand(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	d := engine.New[engine.NoParams]("d")
	engine.After(d.Run(), "slow", script("echo $$ > "+file+"; while :; do sleep 0.01; done"), engine.Timeout(300*time.Millisecond))
	o := enginetest.Run(t, d, nil)
	if o.State("slow") != engine.Failed || !strings.Contains(o.Tasks[0].Error, "timed out") {
		t.Errorf("%+v", o.Tasks[0])
	}
	if raw, err := os.ReadFile(file); err == nil && len(raw) > 0 && alive(pidIn(t, file)) {
		t.Error("the command runs on")
	}
}

// runOn runs a DAG once on a store, to its end.
func runOn(t *testing.T, store *enginetest.Store, d engine.AnyDAG, log *slog.Logger) engine.RunRow {
	t.Helper()
	catalog, err := engine.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	r, err := engine.NewRuntime(engine.Config{Store: store, Catalog: catalog, Log: log, Poll: 2 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	<-r.Ready()
	row, err := r.Control().Trigger(ctx, engine.TriggerRequest{DAG: catalog.IDs()[0]})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the run is over", func() bool {
		rows, err := store.RunsByKey(ctx, []int64{row.Key})
		return err == nil && rows[0].State.Terminal()
	})
	stop()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return row
}
