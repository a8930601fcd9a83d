package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidemill/tidemill/engine"
)

// backfilled is a store on the 20th on which daily has runs on the 5th (success), 6th (failed) and 7th (running).
func backfilled(t *testing.T) (engine.Store, *engine.Runtime, chan struct{}) {
	t.Helper()
	store, _ := dated(t, "2024-01-20")
	release := make(chan struct{})
	d := engine.New[engine.NoParams]("daily", engine.Schedule("@daily", "UTC"))
	work := engine.After(d.Run(), "work", func(_ context.Context, r run) (int, error) {
		if r.Type == engine.ManualRun && r.Day == "2024-01-06" {
			return 0, errors.New("bad day")
		}
		if r.Day == "2024-01-07" {
			<-release
		}
		return 1, nil
	})
	engine.Sink(work, "after", none)
	r := running(t, store, nil, d, probe())
	for _, date := range []string{"2024-01-05", "2024-01-06", "2024-01-07"} {
		at := day(date)
		row, err := r.Control().Trigger(t.Context(), engine.TriggerRequest{DAG: "daily", Logical: &at})
		if err != nil {
			t.Fatal(err)
		}
		if date != "2024-01-07" {
			over(t, r, row)
		}
	}
	return store, r, release
}

func order(from, to string, how engine.Reprocess) engine.BackfillRequest {
	return engine.BackfillRequest{DAG: "daily", BackfillOrder: engine.BackfillOrder{
		BackfillRange: engine.BackfillRange{From: day(from), To: day(to)}, MaxActiveRuns: 10, Reprocess: how}}
}

// SEMANTICS' example: the 3rd to the 9th, of which the 5th succeeded, the 6th failed and the 7th runs.
func TestBackfillExample(t *testing.T) {
	for how, want := range map[engine.Reprocess]int{engine.ReprocessNone: 4, engine.ReprocessFailed: 5, engine.ReprocessCompleted: 6} {
		t.Run(string(how), func(t *testing.T) {
			store, r, release := backfilled(t)
			defer close(release)
			dry, err := r.Control().Backfill(t.Context(), order("2024-01-03", "2024-01-09", how), true)
			if err != nil || dry.ID != 0 {
				t.Fatalf("dry run: %+v, %v", dry, err)
			}
			plan, err := r.Control().Backfill(t.Context(), order("2024-01-03", "2024-01-09", how), false)
			if err != nil || !slices.Equal(plan.Steps, dry.Steps) {
				t.Fatalf("the plan is %+v (%v), the dry run said %+v", plan, err, dry)
			}
			eventually(t, "the backfill is over", func() bool {
				b, err := store.Backfill(t.Context(), plan.ID)
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				for _, c := range b.Counts {
					n += c
				}
				return b.CompletedAt != nil && n == want
			})
		})
	}
}

func TestBackfillsThatAreRefused(t *testing.T) {
	_, r, release := backfilled(t)
	defer close(release)
	subset := order("2024-01-03", "2024-01-04", engine.ReprocessNone)
	subset.Tasks = []string{"after"}
	unknown := order("2024-01-03", "2024-01-04", engine.ReprocessNone)
	unknown.Tasks = []string{"no"}
	params := order("2024-01-03", "2024-01-04", engine.ReprocessNone)
	params.Params = []byte(`{"x":1}`)
	probing := order("2024-01-03", "2024-01-04", engine.ReprocessNone)
	probing.DAG = "probe"
	for field, o := range map[string]engine.BackfillRequest{
		"task_ids": subset, "params.x": params, "dag_id": probing,
		"from_date":          order("2024-02-03", "2024-02-04", engine.ReprocessNone),
		"reprocess_behavior": order("2024-01-03", "2024-01-04", "some"),
	} {
		var invalid *engine.InvalidError
		if _, err := r.Control().Backfill(t.Context(), o, true); !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	var invalid *engine.InvalidError
	if _, err := r.Control().Backfill(t.Context(), subset, true); !errors.As(err, &invalid) || !strings.Contains(invalid.Message, "after reads work, which has no output for 2024-01-03") {
		t.Errorf("the subset: %v", err)
	}
	subset = order("2024-01-05", "2024-01-06", engine.ReprocessCompleted)
	subset.Tasks = []string{"after"} // has an output to read on the 5th, none on the 6th
	if _, err := r.Control().Backfill(t.Context(), subset, true); !errors.As(err, &invalid) || !strings.Contains(invalid.Message, "after reads work, which has no output for 2024-01-06") {
		t.Errorf("the subset of runs that exist: %v", err)
	}
	subset.To = day("2024-01-05")
	if _, err := r.Control().Backfill(t.Context(), subset, true); err != nil {
		t.Errorf("the subset of a run that has what it reads: %v", err)
	}
	if _, err := r.Control().Backfill(t.Context(), unknown, true); err == nil {
		t.Error("an unknown task is not refused")
	}
	plan, err := r.Control().Backfill(t.Context(), order("2024-01-07", "2024-01-08", engine.ReprocessNone), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Control().PauseBackfill(t.Context(), plan.ID, true, "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Control().Backfill(t.Context(), order("2024-01-08", "2024-01-09", engine.ReprocessNone), false); !errors.Is(err, engine.ErrConflict) {
		t.Errorf("an overlap: %v", err)
	}
	if err := r.Control().CancelBackfill(t.Context(), plan.ID, true, "ann"); err != nil {
		t.Fatal(err)
	}
	if err := r.Control().CancelBackfill(t.Context(), plan.ID, true, "ann"); !errors.Is(err, engine.ErrConflict) {
		t.Errorf("cancel of a finished one: %v", err)
	}
}

// backfilling starts a backfill of the 8th to the 12th whose runs wait for release, two at once.
func backfilling(t *testing.T) (store engine.Store, r *engine.Runtime, id int64, most *atomic.Int32, release func()) {
	t.Helper()
	mem, _ := dated(t, "2024-01-20")
	gate := make(chan struct{})
	release = sync.OnceFunc(func() { close(gate) })
	most = &atomic.Int32{}
	var now atomic.Int32
	d := engine.New[engine.NoParams]("daily", engine.Schedule("@daily", "UTC"))
	engine.Sink(d.Run(), "work", func(ctx context.Context, _ run) error {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return ctx.Err()
	})
	r = running(t, mem, nil, d, probe())
	t.Cleanup(release)
	o := order("2024-01-08", "2024-01-12", engine.ReprocessNone)
	o.MaxActiveRuns = 2
	plan, err := r.Control().Backfill(t.Context(), o, false)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "two run", func() bool { return counts(t, mem, plan.ID)[engine.RunRunning] == 2 && now.Load() == 2 })
	return mem, r, plan.ID, most, release
}

func counts(t *testing.T, store engine.Store, id int64) map[engine.RunState]int {
	t.Helper()
	b, err := store.Backfill(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return b.Counts
}

func TestBackfillKeepsItsLimit(t *testing.T) {
	store, r, id, most, release := backfilling(t)
	rest(t, store, r)
	release()
	eventually(t, "all succeed", func() bool { return counts(t, store, id)[engine.RunSuccess] == 5 })
	if n := most.Load(); n != 2 {
		t.Errorf("%d ran at once", n)
	}
}

func TestBackfillPausesAndResumes(t *testing.T) {
	store, r, id, _, release := backfilling(t)
	if err := r.Control().PauseBackfill(t.Context(), id, true, "test"); err != nil {
		t.Fatal(err)
	}
	release()
	eventually(t, "what runs goes on", func() bool { return counts(t, store, id)[engine.RunSuccess] == 2 })
	rest(t, store, r)
	if got := counts(t, store, id); got[engine.RunQueued] != 3 {
		t.Errorf("paused, its runs are %v", got)
	}
	if err := r.Control().PauseBackfill(t.Context(), id, false, "test"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all succeed", func() bool { return counts(t, store, id)[engine.RunSuccess] == 5 })
}

func TestBackfillIsCancelled(t *testing.T) {
	for _, running := range []bool{false, true} {
		t.Run(fmt.Sprint("with what runs: ", running), func(t *testing.T) {
			store, r, id, most, release := backfilling(t)
			if err := r.Control().CancelBackfill(t.Context(), id, running, "ann"); err != nil {
				t.Fatal(err)
			}
			want := map[engine.RunState]int{engine.RunFailed: 3, engine.RunSuccess: 2}
			if running {
				want = map[engine.RunState]int{engine.RunFailed: 5}
			} else {
				release()
			}
			eventually(t, "it is over", func() bool { return maps.Equal(counts(t, store, id), want) })
			if n := most.Load(); n != 2 {
				t.Errorf("%d ran", n)
			}
		})
	}
}

// A mapped task that is cleared in a run of a subset fails when its list was left out: it does not wait for what will not come.
func TestClearedMappedTaskWhoseListWasLeftOut(t *testing.T) {
	d := engine.New[engine.NoParams]("d", engine.Schedule("@daily", "UTC"), engine.StartDate(day("2024-01-01")))
	engine.After(d.Run(), "other", one)
	engine.Map(engine.After(d.Run(), "list", list), "mapped", inc)
	store, _ := dated(t, "2024-01-04")
	r := running(t, store, nil, d)
	plan, err := r.Control().Backfill(t.Context(), engine.BackfillRequest{DAG: "d", Tasks: []string{"other"}, By: "me", BackfillOrder: engine.BackfillOrder{
		BackfillRange: engine.BackfillRange{From: day("2024-01-02"), To: day("2024-01-02")}, MaxActiveRuns: 1, Reprocess: "completed",
	}}, false)
	if err != nil {
		t.Fatal(err)
	}
	var row engine.RunRow
	ended := func() bool {
		rows, _, err := store.Runs(t.Context(), engine.RunFilter{Backfill: plan.ID, Limit: 10})
		if err != nil || len(rows) != 1 {
			return false
		}
		row = rows[0]
		return row.State.Terminal()
	}
	eventually(t, "the run ends", ended)
	cleared(t, r, row, "mapped")
	eventually(t, "the run ends again", ended)
	if v := seen(t, store, row); states(v)["mapped"] != "failed" {
		t.Errorf("it is %s", states(v)["mapped"])
	}
}
