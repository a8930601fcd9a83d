package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// A task that runs on a worker that is silent is told to do so, before that is taken for dead.
func TestWhyOfASilentWorker(t *testing.T) {
	store, clock := dated(t, "2024-01-01")
	ctx := t.Context()
	begun, end := make(chan struct{}), make(chan struct{})
	d := engine.New[engine.NoParams]("d")
	engine.Sink(d.Run(), "task", func(context.Context, run) error { close(begun); <-end; return nil })
	silent := func(c *engine.Config) { c.Heartbeat, c.DeadAfter = time.Hour, 4*time.Hour } // it does not beat within this test
	r := running(t, store, silent, d)
	defer close(end)
	row := triggered(t, r, "d")
	<-begun
	why := func() string { return seen(t, store, row).Tasks[0].Reason }
	if got := why(); got != "" {
		t.Errorf("of a worker that is heard of: %q, want nothing", got)
	}
	workers, err := store.Workers(ctx)
	if err != nil || len(workers) != 1 {
		t.Fatal(workers, err)
	}
	clock.Advance(engine.DefaultDeadAfter + time.Minute)
	if got, want := why(), "its worker "+workers[0].Name+" was heard of last at 2024-01-01T00:00:00Z: no process is alive that could end this try as lost: start one"; got != want {
		t.Errorf("of a silent worker: %q, want %q", got, want)
	}
	if err := store.Bury(ctx, []int64{workers[0].ID}); err != nil {
		t.Fatal(err)
	}
	if got, want := why(), "its worker was found dead: this try ends as lost next"; got != want {
		t.Errorf("of a buried worker: %q, want %q", got, want)
	}
}

// A try that was lost names the worker that it was lost with, which has no row any more.
func TestALostTryNamesItsWorker(t *testing.T) {
	store, _ := dated(t, "2024-01-01")
	ctx := t.Context()
	begun, end := make(chan struct{}, 2), make(chan struct{})
	d := engine.New[engine.NoParams]("d")
	engine.Sink(d.Run(), "task", func(context.Context, run) error { begun <- struct{}{}; <-end; return nil }, engine.Retry{Max: 1})
	r := running(t, store, func(c *engine.Config) { c.Name, c.Heartbeat, c.DeadAfter = "silent", time.Hour, 4*time.Hour }, d)
	defer close(end)
	row := triggered(t, r, "d")
	<-begun
	running(t, store, func(c *engine.Config) { c.Name = "other" }, d)
	eventually(t, "the lost try", func() bool {
		all, err := store.Attempts(ctx, []int64{row.Key}, "task")
		return err == nil && len(all) == 1 && all[0].Ending == engine.EndLost && all[0].Worker == "silent"
	})
}

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
