package engine_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/secret"
)

const hushed = "correct-horse"

func hush(t *testing.T) *secret.Redactor {
	t.Helper()
	var r secret.Redactor
	if _, err := r.Keep("PASSWORD", hushed); err != nil {
		t.Fatal(err)
	}
	return &r
}

// written is text that goroutines write and a test reads.
type written struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

type login struct {
	User     string
	Password secret.Value
}

type ownJSON struct{ password secret.Value } //nolint:unused // that it is there is its point

func (ownJSON) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }
func (*ownJSON) UnmarshalJSON([]byte) error  { return nil }

func TestTypesThatHoldSecretsAreRefused(t *testing.T) {
	refused := func(what string, d engine.AnyDAG, want string) {
		t.Helper()
		if _, err := engine.Compile(d); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "engine/secrets_test.go:") {
			t.Errorf("%s: %v; want %q with its line", what, err, want)
		}
	}
	p := engine.New[login]("params")
	engine.Sink(p.Run(), "t", func(context.Context, engine.Run[login]) error { return nil })
	refused("params", p, "params of DAG params: type engine_test.login holds a secret (field Password)")
	output := func(write func(d dag)) engine.AnyDAG {
		d := engine.New[engine.NoParams]("d")
		write(d)
		return d
	}
	refused("output", output(func(d dag) { engine.After(d.Run(), "t", yields[secret.Value]) }), "output of task t: type secret.Value holds a secret, which")
	refused("slice", output(func(d dag) { engine.After(d.Run(), "t", yields[[]*login]) }), "(field Password)")
	refused("map", output(func(d dag) { engine.After(d.Run(), "t", yields[map[string][]struct{ Of login }]) }), "(field Of.Password)")
	refused("own JSON", output(func(d dag) { engine.After(d.Run(), "t", yields[ownJSON]) }), "(field password)")
	refused("mapped", output(func(d dag) {
		engine.Map(engine.After(d.Run(), "l", list), "t", func(context.Context, int) (login, error) { return login{}, nil })
	}), "(field Password)")
	refused("sensor", output(func(d dag) {
		engine.Sensor(d.Run(), "t", engine.Poke{}, func(context.Context, run) (login, bool, error) { return login{}, true, nil })
	}), "(field Password)")
	type left struct {
		Password secret.Value `json:"-"`
		User     string
	}
	compiled(t, output(func(d dag) { engine.After(d.Run(), "t", yields[left]) }))
}

func TestDefinitionsThatShowSecretsAreNotRegistered(t *testing.T) {
	d := engine.New[engine.NoParams]("d", engine.Doc("log in with "+hushed))
	engine.After(d.Run(), "t", one)
	stream := engine.NewStream("s", func(ctx context.Context, _ func(int)) error { <-ctx.Done(); return nil }, engine.StreamDoc("with "+hushed))
	r, err := engine.NewRuntime(engine.Config{Store: memory(), Catalog: compiled(t, d), Streams: []*engine.Stream{stream}, Log: slog.New(slog.DiscardHandler), Secrets: hush(t)})
	if err != nil {
		t.Fatal(err)
	}
	err = r.Run(t.Context())
	if !errors.Is(err, engine.ErrSecret) || strings.Contains(err.Error(), hushed) || !strings.Contains(err.Error(), "DAG d") || !strings.Contains(err.Error(), "stream s") || !strings.Contains(err.Error(), "PASSWORD") {
		t.Errorf("registered: %v", err)
	}
}

func TestPeopleCannotStoreSecrets(t *testing.T) {
	d := engine.New[struct{ X string }]("d", engine.Schedule("@daily", "UTC"))
	engine.After(d.Run(), "t", func(context.Context, engine.Run[struct{ X string }]) (string, error) { return "", nil })
	r := running(t, memory(), func(c *engine.Config) { c.Secrets = hush(t) }, d)
	c, ctx := r.Control(), t.Context()
	row := triggered(t, r, "d")
	over(t, r, row)
	encoded := base64.StdEncoding.EncodeToString([]byte("user:" + hushed))
	params := []byte(fmt.Sprintf(`{"X": %q}`, encoded))
	trigger := func(req engine.TriggerRequest) error {
		req.DAG = "d"
		_, err := c.Trigger(ctx, req)
		return err
	}
	_, marked := c.Mark(ctx, "d", row.RunID, engine.MarkRequest{Selection: engine.Selection{Tasks: []string{"t"}}, State: engine.Success, Output: []byte(`"` + hushed + `"`)})
	_, filled := c.Backfill(ctx, engine.BackfillRequest{DAG: "d", BackfillOrder: engine.BackfillOrder{BackfillRange: engine.BackfillRange{From: day("2024-01-01"), To: day("2024-01-02")}, MaxActiveRuns: 1}, Params: params}, false)
	for field, err := range map[string]error{
		"dag_run_id": trigger(engine.TriggerRequest{RunID: "of-" + hushed}), "params": trigger(engine.TriggerRequest{Params: params}), "note": trigger(engine.TriggerRequest{Note: hushed}),
		"output": marked, "params ": filled, "extra": c.UpdateAsset(ctx, "a", []byte(`{"x": "`+hushed+`"}`), "me"),
		"note ": c.NoteRun(ctx, "d", row.RunID, hushed, "me"), "note  ": c.NoteTask(ctx, "d", row.RunID, "t", -1, "so: "+hushed, "me"),
	} {
		var invalid *engine.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != strings.TrimSpace(field) || !strings.Contains(err.Error(), "PASSWORD") || strings.Contains(err.Error(), hushed) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := errors.Join(trigger(engine.TriggerRequest{Note: "harmless"}), c.NoteRun(ctx, "d", row.RunID, "harmless", "me")); err != nil {
		t.Errorf("without a secret: %v", err)
	}
}

func TestAnAttemptThatYieldsASecretIsNotTriedAgain(t *testing.T) {
	var log written
	d := engine.New[engine.NoParams]("d", engine.OnFailure(func(ctx context.Context, e engine.CallbackEvent) error {
		engine.Log(ctx).Warn("callback with "+hushed, "type", e.Type)
		return nil
	}))
	engine.After(d.Run(), "yields", func(ctx context.Context, _ run) (string, error) {
		engine.Log(ctx).Info("as " + hushed)
		return "it is " + hushed, nil
	}, engine.Retry{Max: 3})
	engine.After(d.Run(), "fails", func(context.Context, run) (string, error) { return "", errors.New("refused: " + hushed) }, engine.Retry{Max: 1, Initial: time.Millisecond})
	store := memory()
	r, stop := started(t, store, compiled(t, d), func(c *engine.Config) { c.Secrets, c.Log = hush(t), slog.New(slog.NewTextHandler(&log, nil)) })
	row := triggered(t, r, "d")
	for _, tv := range over(t, r, row).Tasks {
		want := map[string]string{"yields": "its output: it contains a secret, PASSWORD", "fails": "refused: ***"}[tv.Task]
		if tv.State != engine.Failed || !strings.HasPrefix(tv.Error, want) {
			t.Errorf("%s is %s: %s; want %s", tv.Task, tv.State, tv.Error, want)
		}
	}
	if got := endings(t, store, row, "yields"); got != "[failed]" {
		t.Errorf("yields ended %s", got)
	}
	if got := endings(t, store, row, "fails"); got != "[failed failed]" {
		t.Errorf("fails ended %s", got)
	}
	eventually(t, "the callback was called", func() bool { return strings.Contains(log.String(), "callback with ***") })
	stop()
	if strings.Contains(log.String(), hushed) || !strings.Contains(log.String(), "as ***") {
		t.Errorf("the log of the process: %s", log.String())
	}
}

func TestProgressWithASecretFailsTheStream(t *testing.T) {
	type progress struct{ At string }
	store := memory()
	s := engine.NewStream("s", func(ctx context.Context, report func(progress)) error {
		report(progress{"at " + hushed})
		<-ctx.Done()
		return ctx.Err()
	}, engine.RestartBackoff(time.Hour, time.Hour))
	d := engine.New[engine.NoParams]("d")
	engine.After(d.Run(), "t", one)
	running(t, store, func(c *engine.Config) { c.Secrets, c.Streams = hush(t), []*engine.Stream{s} }, d)
	eventually(t, "the stream has failed", func() bool { return streamStatus(t, store).Replicas[0].Error != "" })
	if got := streamStatus(t, store).Replicas[0]; !strings.Contains(got.Error, "its progress: it contains a secret, PASSWORD") || bytes.Contains(got.Progress, []byte(hushed)) {
		t.Errorf("it is %+v", got)
	}
}

// Few encoders write these escapes, but JSON allows them: PHP's json_encode writes the first.
func TestSecretsInEscapedJSONAreRefused(t *testing.T) {
	known := &secret.Redactor{}
	const password = "s3cr3t/of+keys==" // as keys in base64 have
	if _, err := known.Keep("PASSWORD", password); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{strings.ReplaceAll(password, "/", `\/`), `\u0073` + password[1:]} {
		d := engine.New[struct{ X string }]("d")
		engine.After(d.Run(), "t", func(context.Context, engine.Run[struct{ X string }]) (json.RawMessage, error) {
			return json.RawMessage(`{"key":"` + text + `"}`), nil
		})
		store := memory()
		r := running(t, store, func(c *engine.Config) { c.Secrets = known }, d)
		if err := r.Control().UpdateAsset(t.Context(), "a", []byte(`{"X":"`+text+`"}`), "me"); err == nil {
			t.Errorf("%s is attached to an asset", text)
		}
		if row, err := r.Control().Trigger(t.Context(), engine.TriggerRequest{DAG: "d", Params: []byte(`{"X":"` + text + `"}`)}); err == nil {
			t.Errorf("%s is in the params %s", text, row.Params)
		}
		row, err := r.Control().Trigger(t.Context(), engine.TriggerRequest{DAG: "d", Params: []byte(`{"X":"x"}`)})
		if err != nil {
			t.Fatal(err)
		}
		if v := over(t, r, row); v.Run.State == engine.RunSuccess {
			t.Errorf("%s is kept as an output", text)
		}
	}
}
