package enginetest

import (
	"errors"
	"time"

	"github.com/tidemill/tidemill/engine"
)

var holdCases = []conformanceCase{
	{"a run knows its hold until it is released", holdStored},
	{"a held run is not started and takes no other's place", func(f *fixture) {
		f.dag("d", 1)
		held := f.held("d", 3)
		free := f.queued("d", 1)
		equal(f, "started", f.start(9, "d"), free)
		f.ok(f.Release(f.ctx, held[1]))
		equal(f, "at the limit", len(f.start(9, "d")), 0)
		f.change(engine.RunChange{Key: free[0], State: engine.RunSuccess})
		equal(f, "started after the release", f.start(9, "d"), held[1:2])
	}},
	{"held runs are found by DAG, oldest first", func(f *fixture) {
		f.twoDAGs()
		d, e := f.held("d", 3), f.held("e", 1)
		f.queued("d", 1)
		equal(f, "of d", f.heldKeys(9, "d"), d)
		equal(f, "two of d", f.heldKeys(2, "d"), d[:2])
		equal(f, "of both", f.heldKeys(9, "d", "e"), append(d, e...))
		equal(f, "of none", f.heldKeys(9), []int64{})
	}},
	{"a held run that ends is not held any more, nor when it is queued anew", func(f *fixture) {
		f.dag("d", 0)
		key := f.held("d", 1)[0]
		f.change(engine.RunChange{Key: key}) // it stays queued
		equal(f, "held", f.heldKeys(9, "d"), []int64{key})
		f.change(engine.RunChange{Key: key, State: engine.RunFailed})
		equal(f, "held after its end", f.heldKeys(9, "d"), []int64{})
		equal(f, "hold after its end", f.row(key).Hold == nil, true)
		f.change(engine.RunChange{Key: key, State: engine.RunQueued, Reopened: true})
		equal(f, "started", f.start(9, "d"), []int64{key})
	}},
	{"a backfill with a held run is not over", func(f *fixture) {
		f.dag("d", 0)
		f.backfill("d", 2, 1)
		keys := f.heldAs(engine.NewRun{DAG: "d", Type: engine.BackfillRun, Backfill: 1}, 1)
		for _, k := range f.start(9, "d") {
			f.change(engine.RunChange{Key: k, State: engine.RunSuccess})
		}
		equal(f, "over", len(got[[]int64](f)(f.FinishBackfills(f.ctx))), 0)
		f.change(engine.RunChange{Key: keys[0], State: engine.RunFailed})
		equal(f, "over after its end", got[[]int64](f)(f.FinishBackfills(f.ctx)), []int64{1})
	}},
	{"releasing a run that is not held does nothing, and one that there is not is ErrNotFound", func(f *fixture) {
		f.dag("d", 0)
		key := f.queued("d", 1)[0]
		f.ok(f.Release(f.ctx, key))
		equal(f, "started", f.start(9, "d"), []int64{key})
		f.ok(f.Release(f.ctx, key))
		equal(f, "state", f.row(key).State, engine.RunRunning)
		if err := f.Release(f.ctx, 9999); !errors.Is(err, engine.ErrNotFound) {
			f.Errorf("release of none: %v", err)
		}
	}},
	{"a run remembers that it ignores the past", func(f *fixture) {
		f.dag("d", 0)
		equal(f, "set", f.row(f.queuedAs(engine.NewRun{DAG: "d", Type: engine.BackfillRun, IgnorePast: true}, 1)[0]).IgnorePast, true)
		equal(f, "not set", f.row(f.queued("d", 1)[0]).IgnorePast, false)
	}},
}

func (f *fixture) held(dag string, n int) []int64 {
	f.Helper()
	return f.heldAs(engine.NewRun{DAG: dag, Type: engine.ScheduledRun}, n)
}

func (f *fixture) heldAs(model engine.NewRun, n int) []int64 {
	f.Helper()
	model.Hold = &engine.Hold{Stream: "s", Passed: Epoch}
	return f.queuedAs(model, n)
}

func (f *fixture) heldKeys(limit int, dags ...string) []int64 {
	f.Helper()
	keys := []int64{}
	for _, r := range got[[]engine.RunRow](f)(f.HeldRuns(f.ctx, dags, limit)) {
		if r.Hold == nil {
			f.Errorf("run %d is found without its hold", r.Key)
		}
		keys = append(keys, r.Key)
	}
	return keys
}

func holdStored(f *fixture) {
	f.dag("d", 0)
	limit := Epoch.Add(90 * time.Minute)
	with := f.queuedAs(engine.NewRun{DAG: "d", Type: engine.ScheduledRun, Hold: &engine.Hold{Stream: "s", Passed: Epoch, Limit: &limit}}, 1)[0]
	other := f.queuedAs(engine.NewRun{DAG: "d", Type: engine.ScheduledRun, Hold: &engine.Hold{Stream: "t", Passed: limit}}, 1)[0]
	none := f.queued("d", 1)[0]
	check := func(what string, rows []engine.RunRow) {
		f.Helper()
		for _, r := range rows {
			switch h := r.Hold; r.Key {
			case with:
				if h == nil || h.Stream != "s" || !h.Passed.Equal(Epoch) || h.Limit == nil || !h.Limit.Equal(limit) {
					f.Errorf("%s: hold %+v", what, h)
				}
			case other:
				if h == nil || h.Stream != "t" || !h.Passed.Equal(limit) || h.Limit != nil {
					f.Errorf("%s: other hold %+v", what, h)
				}
			case none:
				equal(f, what+": none", h == nil, true)
			}
		}
	}
	rows := got[[]engine.RunRow](f)(f.RunsByKey(f.ctx, []int64{with, other, none}))
	equal(f, "runs", len(rows), 3)
	check("by key", rows)
	all, _, err := f.Runs(f.ctx, engine.RunFilter{})
	f.ok(err)
	check("listed", all)
	check("by id", []engine.RunRow{got[engine.RunRow](f)(f.RunByID(f.ctx, "d", rows[0].RunID))})
	check("held", got[[]engine.RunRow](f)(f.HeldRuns(f.ctx, []string{"d"}, 9)))
	f.ok(f.Transition(f.ctx, engine.Transition{Runs: []int64{with, other, none}, Decide: func(_ time.Time, runs []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
		check("in a transition", runs)
		return nil, nil
	}}))
	f.ok(f.Release(f.ctx, with))
	equal(f, "after its release", f.row(with).Hold == nil, true)
	equal(f, "the other's", f.row(other).Hold != nil, true)
}
