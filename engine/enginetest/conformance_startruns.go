package enginetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

var startRunsCases = []conformanceCase{
	{"scheduled before manual before backfill, then by order and key", startOrder},
	{"no more than asked for, of the DAGs given only", func(f *fixture) {
		f.dag("d", 0)
		f.dag("e", 0)
		f.queued("d", 3)
		e := f.queued("e", 1)
		equal(f, "two of d", len(f.start(2, "d")), 2)
		equal(f, "the third", len(f.start(2, "d")), 1)
		equal(f, "e's state", f.row(e[0]).State, engine.RunQueued)
	}},
	{"without runs to start decide is not called", func(f *fixture) {
		f.dag("d", 0)
		n, err := f.StartRuns(f.ctx, []string{"d", "nobody"}, 5, func(time.Time, []engine.RunRow, engine.Found) ([]engine.RunChange, error) {
			return nil, errors.New("decide was called")
		})
		f.ok(err)
		equal(f, "started", n, 0)
	}},
	{"running runs count against the DAG's limit", func(f *fixture) {
		f.dag("d", 2)
		f.run("d")
		f.queued("d", 3)
		first := f.start(9, "d")
		equal(f, "started beside the one that runs", len(first), 1)
		equal(f, "at the limit", len(f.start(9, "d")), 0)
		f.change(engine.RunChange{Key: first[0], State: engine.RunFailed})
		equal(f, "after one is over", len(f.start(9, "d")), 1)
		f.dag("d", 3)
		equal(f, "after the limit was raised", len(f.start(9, "d")), 1)
	}},
	{"each DAG has a limit of its own", func(f *fixture) {
		f.dag("d", 1)
		f.dag("e", 2)
		f.queued("d", 3)
		f.queued("e", 3)
		count := map[string]int{}
		for _, k := range f.start(9, "d", "e") {
			count[f.row(k).DAG]++
		}
		equal(f, "started", count, map[string]int{"d": 1, "e": 2})
	}},
	{"what waits behind full limits, however much, does not hide what may start", func(f *fixture) {
		var full []string
		for i := range 5 {
			id := fmt.Sprint("full", i)
			f.dag(id, 1)
			f.run(id)
			f.queued(id, 4)
			full = append(full, id)
		}
		f.dag("d", 0)
		key := f.queued("d", 1)
		equal(f, "started", f.start(2, append(full, "d")...), key)
	}},
	{"a backfill's runs count against its limit alone", startBackfills},
	{"a paused DAG starts none", func(f *fixture) {
		f.dag("d", 0)
		f.queued("d", 1)
		f.ok(f.SetPaused(f.ctx, "d", true))
		equal(f, "paused", len(f.start(9, "d")), 0)
		f.ok(f.SetPaused(f.ctx, "d", false))
		equal(f, "unpaused", len(f.start(9, "d")), 1)
	}},
	{"a paused backfill starts none, its DAG goes on", func(f *fixture) {
		f.dag("d", 0)
		id, _ := f.backfill("d", 0, 2)
		other := f.queued("d", 1)
		f.ok(f.SetBackfillPaused(f.ctx, id, true))
		equal(f, "paused", f.start(9, "d"), other)
		f.ok(f.SetBackfillPaused(f.ctx, id, false))
		equal(f, "resumed", len(f.start(9, "d")), 2)
	}},
	{"what decide returns is stored", startStores},
	{"an error of decide leaves the runs queued and comes back as it is", func(f *fixture) {
		f.dag("d", 0)
		key := f.queued("d", 1)[0]
		mine := errors.New("mine")
		n, err := f.StartRuns(f.ctx, []string{"d"}, 5, func(_ time.Time, runs []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
			return []engine.RunChange{{Key: runs[0].Key, State: engine.RunRunning}}, mine
		})
		if err != mine { //nolint:errorlint // as it is
			f.Errorf("error is %v, want the very one of decide", err)
		}
		equal(f, "started", n, 0)
		equal(f, "state", f.row(key).State, engine.RunQueued)
		equal(f, "started afterwards", f.start(5, "d"), []int64{key})
	}},
	{"what decide leaves queued is handed out again", func(f *fixture) {
		f.dag("d", 1)
		key := f.queued("d", 1)[0]
		n, err := f.StartRuns(f.ctx, []string{"d"}, 5, func(time.Time, []engine.RunRow, engine.Found) ([]engine.RunChange, error) { return nil, nil })
		f.ok(err)
		equal(f, "handed out", n, 1)
		equal(f, "started afterwards", f.start(5, "d"), []int64{key})
	}},
}

// start starts up to n runs and returns their keys as decide saw them.
func (f *fixture) start(n int, dags ...string) []int64 {
	f.Helper()
	var keys []int64
	count, err := f.StartRuns(f.ctx, dags, n, func(now time.Time, runs []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
		keys = nil
		var out []engine.RunChange
		for _, r := range runs {
			keys = append(keys, r.Key)
			out = append(out, engine.RunChange{Key: r.Key, State: engine.RunRunning, StartedAt: &now})
		}
		return out, nil
	})
	f.ok(err)
	equal(f, "count of runs handed to decide", count, len(keys))
	return keys
}

// backfill makes a backfill of a DAG with n runs and returns its id and their keys. Each has a range of its own.
func (f *fixture) backfill(dag string, maxActiveRuns, n int) (int64, []int64) {
	f.Helper()
	f.runs++
	from := Epoch.AddDate(f.runs, 0, 0)
	b := engine.NewBackfill{DAG: dag, From: from, To: from.AddDate(0, 0, n), MaxActiveRuns: maxActiveRuns, Reprocess: "none"}
	for i := range n {
		at := from.AddDate(0, 0, i)
		b.Runs = append(b.Runs, engine.NewRun{DAG: dag, RunID: "backfill " + at.Format(time.DateOnly), Type: engine.BackfillRun, Logical: &at, Order: i})
	}
	id, created, err := f.CreateBackfill(f.ctx, b)
	f.ok(err)
	var keys []int64
	for _, c := range created {
		keys = append(keys, c.Key)
	}
	return id, keys
}

func startOrder(f *fixture) {
	f.dag("d", 0)
	_, backfill := f.backfill("d", 0, 2)
	manual := f.queuedAs(engine.NewRun{DAG: "d", Type: engine.ManualRun}, 2)
	late := f.queuedAs(engine.NewRun{DAG: "d", Type: engine.ManualRun, Order: 7}, 1)
	early := f.queuedAs(engine.NewRun{DAG: "d", Type: engine.ManualRun, Order: -1}, 1)
	scheduled := f.queuedAs(engine.NewRun{DAG: "d", Type: engine.ScheduledRun}, 1)
	var order []int64
	for range 7 { // one by one: the order in which decide sees them is no part of the contract
		order = append(order, f.start(1, "d")...)
	}
	equal(f, "order", order, slices.Concat(scheduled, early, manual, late, backfill))
}

func startBackfills(f *fixture) {
	f.dag("d", 1)
	_, narrow := f.backfill("d", 1, 3)
	_, wide := f.backfill("d", 2, 3)
	own := f.queued("d", 2)
	have := f.start(9, "d")
	slices.Sort(have)
	equal(f, "started", have, slices.Sorted(slices.Values([]int64{narrow[0], wide[0], wide[1], own[0]})))
	equal(f, "at all limits", len(f.start(9, "d")), 0)
	f.change(engine.RunChange{Key: narrow[0], State: engine.RunSuccess})
	equal(f, "after one of the narrow backfill is over", f.start(9, "d"), []int64{narrow[1]})
	f.change(engine.RunChange{Key: own[0], State: engine.RunSuccess})
	equal(f, "after the DAG's own is over", f.start(9, "d"), []int64{own[1]})
}

func startStores(f *fixture) {
	f.dag("d", 0)
	key := f.queued("d", 1)[0]
	n, err := f.StartRuns(f.ctx, []string{"d"}, 5, func(now time.Time, runs []engine.RunRow, found engine.Found) ([]engine.RunChange, error) {
		if len(found.Held) != 0 || runs[0].State != engine.RunQueued || runs[0].DAGPaused {
			return nil, errors.New("decide was given something else than a queued run of a DAG that is not paused")
		}
		return []engine.RunChange{{
			Key: runs[0].Key, State: engine.RunRunning, States: []byte{0, 1, 255}, Version: "v2", StartedAt: &now,
			Enqueue: []engine.QueueItem{ready("d", key, "t")},
		}}, nil
	})
	f.ok(err)
	equal(f, "count", n, 1)
	r := f.row(key)
	equal(f, "state", r.State, engine.RunRunning)
	equal(f, "states", r.States, []byte{0, 1, 255})
	equal(f, "version", r.Version, "v2")
	if r.StartedAt == nil {
		f.Error("started at: nil")
	}
	equal(f, "queue", f.inQueue(key), []string{"t"})
}
