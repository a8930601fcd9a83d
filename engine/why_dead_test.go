package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// A worker whose process is dead, but not buried yet, is none that would take a task: the reason says so.
func TestDeadWorkersTakeNothing(t *testing.T) {
	store, clock := dated(t, "2024-01-01")
	d := engine.New[engine.NoParams]("d")
	engine.Sink(d.Run(), "task", func(context.Context, run) error { return nil })
	catalog, err := engine.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	def, _ := catalog.DAG("d")
	ctx := t.Context()
	if _, err := store.Register(ctx, []engine.DAGRecord{{ID: "d", Version: def.Version, Spec: def.Spec}}); err != nil {
		t.Fatal(err)
	}
	info := engine.WorkerInfo{Name: "host:1", Kind: "serve", Slots: 4, Queues: []string{engine.DefaultQueue}, DAGs: []string{"d"}, Versions: []string{def.Version}}
	id, err := store.Join(ctx, info)
	if err != nil {
		t.Fatal(err)
	}
	queued, err := engine.NewControl(store, catalog, "b").Trigger(ctx, engine.TriggerRequest{DAG: "d", RunID: "queued", By: "test"})
	if err != nil {
		t.Fatal(err)
	}
	why := func() string { return seen(t, store, queued).Tasks[0].Reason }
	if got, want := why(), "the run is queued: a scheduler starts it next"; !strings.HasSuffix(got, want) {
		t.Errorf("with a live worker: %q, want %q", got, want)
	}
	clock.Advance(engine.DefaultDeadAfter + time.Second)
	if got, want := why(), "no worker process is alive; host:1 was heard of last, at 2024-01-01T00:00:00Z"; !strings.HasSuffix(got, want) {
		t.Errorf("with a dead worker: %q, want %q", got, want)
	}
	if _, err := store.Beat(ctx, engine.Beat{Worker: id}); err != nil {
		t.Fatal(err)
	}
	if got := why(); !strings.Contains(got, "the run is queued") {
		t.Errorf("with a worker that is back: %q", got)
	}
}
