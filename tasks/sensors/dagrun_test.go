package sensors_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/coder/quartz"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/tasks/sensors"
)

type run = engine.Run[engine.NoParams]

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it never came to be that %s", what)
		}
	}
}

// One DAG waits for the other's run of the same date, which comes later, fails and is cleared.
func TestDAGRun(t *testing.T) {
	t.Parallel()
	store := enginetest.NewStore(quartz.NewReal())
	up := engine.New[engine.NoParams]("up")
	healthy := make(chan bool, 1) // what the next attempt of up finds
	engine.Sink(up.Run(), "work", func(ctx context.Context, _ run) error {
		select {
		case ok := <-healthy:
			if !ok {
				return errors.New("not healthy")
			}
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	down := engine.New[engine.NoParams]("down")
	poke := engine.Poke{Every: 2 * time.Millisecond}
	same := func(past bool) func(run) sensors.WantedRun {
		return func(r run) sensors.WantedRun {
			return sensors.WantedRun{DAG: "up", Logical: r.Logical, PastFailure: past}
		}
	}
	engine.Sensor(down.Run(), "strict", poke, sensors.DAGRun(store, same(false)))
	engine.Sensor(down.Run(), "patient", poke, sensors.DAGRun(nil, same(true)))
	engine.Sensor(down.Run(), "by_id", poke, sensors.DAGRun(store, func(run) sensors.WantedRun { return sensors.WantedRun{DAG: "up", RunID: "mine", PastFailure: true} }))
	engine.Sensor(down.Run(), "wrong", poke, sensors.DAGRun(store, func(run) sensors.WantedRun { return sensors.WantedRun{DAG: "up"} }))

	catalog, err := engine.Compile(up, down)
	if err != nil {
		t.Fatal(err)
	}
	r, err := engine.NewRuntime(engine.Config{Store: store, Catalog: catalog, Log: slog.New(slog.DiscardHandler), Poll: 2 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}()
	<-r.Ready()
	other, day := noon.AddDate(0, 0, -1), noon
	row, err := r.Control().Trigger(ctx, engine.TriggerRequest{DAG: "down", Logical: &day})
	if err != nil {
		t.Fatal(err)
	}
	states := func() map[string]engine.TaskView {
		rows, err := store.RunsByKey(ctx, []int64{row.Key})
		if err != nil {
			t.Fatal(err)
		}
		views, err := engine.View(ctx, store, rows, true)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]engine.TaskView{}
		for _, tv := range views[0].Tasks {
			all[tv.Task] = tv
		}
		return all
	}
	eventually(t, "all wait without a run of theirs", func() bool {
		s := states()
		return s["strict"].State == engine.UpForReschedule && s["patient"].State == engine.UpForReschedule && s["by_id"].State == engine.UpForReschedule && s["wrong"].State == engine.Failed
	})
	if e := states()["wrong"].Error; !strings.Contains(e, "set DAG, and either Logical or RunID") {
		t.Errorf("the error of a sensor without a date: %s", e)
	}
	healthy <- true
	if _, err := r.Control().Trigger(ctx, engine.TriggerRequest{DAG: "up", Logical: &other}); err != nil { // another date: nobody waits for it
		t.Fatal(err)
	}
	eventually(t, "the run of the other date is over", func() bool {
		rows, _, err := store.Runs(ctx, engine.RunFilter{DAGs: []string{"up"}})
		return err == nil && rows[0].State == engine.RunSuccess
	})
	healthy <- false
	if _, err := r.Control().Trigger(ctx, engine.TriggerRequest{DAG: "up", Logical: &day, RunID: "mine"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the strict one has failed with it", func() bool { return states()["strict"].State == engine.Failed })
	if e := states()["strict"].Error; !strings.Contains(e, "run mine of up has failed: clear") {
		t.Errorf("the error of the strict sensor: %s", e)
	}
	if s := states(); s["patient"].State.Terminal() || s["by_id"].State.Terminal() {
		t.Errorf("patient is %s, by_id %s", s["patient"].State, s["by_id"].State)
	}
	healthy <- true
	if _, err := r.Control().Clear(ctx, "up", "mine", engine.Selection{Tasks: []string{"work"}}, false, "test"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both have seen that it has succeeded", func() bool {
		s := states()
		return s["patient"].State == engine.Success && s["by_id"].State == engine.Success
	})
}
