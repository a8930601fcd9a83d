package cli

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/internal/testkit"
)

// TestATrialLeavesOutWhatTheRuntimeSaysOnly has a body and a callback write the words of the runtime's own lines.
func TestATrialLeavesOutWhatTheRuntimeSaysOnly(t *testing.T) {
	d := engine.New[engine.NoParams]("doors", engine.OnSuccess(func(ctx context.Context, _ engine.CallbackEvent) error {
		engine.Log(ctx).Info("left", "who", "callback")
		return nil
	}))
	engine.Sink(d.Run(), "count", func(ctx context.Context, _ engine.Run[engine.NoParams]) error {
		engine.Log(ctx).Info("joined", "who", "body")
		return nil
	})
	env := map[string]string{"TIDEMILL_HOME": testkit.Home(t), "TIDEMILL_LOG_FORMAT": "json"}
	var out, log bytes.Buffer
	if code := run(t.Context(), []string{"dag", "test", "doors"}, &out, &log, func(name string) string { return env[name] }, DAGs(d)); code != exitDone {
		t.Fatalf("ended %d: %s", code, &log)
	}
	for _, line := range []string{`"msg":"joined"`, `"msg":"left"`} {
		if n := strings.Count(log.String(), line); n != 1 {
			t.Errorf("%s stands there %d times, not once: %s", line, n, &log)
		}
	}
	for _, who := range []string{`"who":"body"`, `"who":"callback"`} {
		if !strings.Contains(log.String(), who) {
			t.Errorf("%s is missing: %s", who, &log)
		}
	}
}

// TestATrialTellsAStateOfATryOnce has a sensor look many times before it fails and is tried anew.
func TestATrialTellsAStateOfATryOnce(t *testing.T) {
	d := engine.New[engine.NoParams]("port")
	looked := 0
	engine.Sensor(d.Run(), "ship", engine.Poke{Every: 5 * time.Second}, func(context.Context, engine.Run[engine.NoParams]) (int, bool, error) {
		looked++
		if looked == 20 {
			return 0, false, errors.New("fog")
		}
		return looked, looked == 40, nil
	}, engine.Retry{Max: 1})
	env := map[string]string{"TIDEMILL_HOME": testkit.Home(t)}
	var out, told bytes.Buffer
	if code := run(t.Context(), []string{"dag", "test", "port"}, &out, &told, func(name string) string { return env[name] }, DAGs(d)); code != exitDone || looked != 40 {
		t.Fatalf("ended %d after %d looks: %s", code, looked, &told)
	}
	for line, most := range map[string]int{"ship  up_for_reschedule  waits, looks again every 5s\n": 2, "ship  queued\n": 2, "ship  running\n": 2} {
		if n := strings.Count(told.String(), line); n > most {
			t.Errorf("%q stands there %d times, more than once a try: %s", line, n, &told)
		}
	}
	for _, line := range []string{"waits, looks again every 5s\n", "ship  success\n"} {
		if !strings.Contains(told.String(), line) {
			t.Errorf("%q is missing: %s", line, &told)
		}
	}
}

func TestATrialSaysWhereTransactionsWork(t *testing.T) {
	d := engine.New[engine.NoParams]("ledger")
	engine.Sink(d.Run(), "book", func(ctx context.Context, _ engine.Run[engine.NoParams]) error {
		_, err := engine.Tx[pgx.Tx](ctx)
		return err
	})
	env := map[string]string{"TIDEMILL_HOME": testkit.Home(t)}
	var out, told bytes.Buffer
	if code := run(t.Context(), []string{"dag", "test", "ledger"}, &out, &told, func(name string) string { return env[name] }, DAGs(d)); code != exitFailed {
		t.Fatalf("ended %d: %s", code, &told)
	}
	if want := "engine.Tx needs PostgreSQL; `dag test` and package enginetest have no database: run it with serve"; !strings.Contains(out.String(), want) {
		t.Errorf("it says %s; want %s", &out, want)
	}
}
