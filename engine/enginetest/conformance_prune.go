package enginetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

var pruneCases = []conformanceCase{
	{"runs that ended before go, oldest first, with all that hangs on them", func(f *fixture) {
		f.dag("d", 10)
		keys := f.ended("d", 5)
		task := engine.TaskKey{Run: keys[0], Task: "t", MapIndex: -1}
		f.append(task, 1, "line\n")
		equal(f, "the first three", got[int](f)(f.PruneRuns(f.ctx, f.future(), 3)), 3)
		_, err := f.RunByID(f.ctx, "d", "gone0")
		if !errors.Is(err, engine.ErrNotFound) {
			f.Errorf("the first run is still there: %v", err)
		}
		equal(f, "lines of the first run", len(f.log(task, 1, 0, 1<<20)), 0)
		equal(f, "attempts of the first run", len(got[[]engine.Attempt](f)(f.Attempts(f.ctx, keys[:1], ""))), 0)
		equal(f, "the rest but the newest", got[int](f)(f.PruneRuns(f.ctx, f.future(), 10)), 1)
		f.row(keys[4])
	}},
	{"what ended later stays, and what runs", func(f *fixture) {
		f.dag("d", 10)
		f.ended("d", 2)
		f.running("d")
		f.queued("d", 1)
		equal(f, "pruned", got[int](f)(f.PruneRuns(f.ctx, f.past(), 10)), 0)
		equal(f, "pruned", got[int](f)(f.PruneRuns(f.ctx, f.future(), 10)), 2)
		_, total := f.list(engine.RunFilter{DAGs: []string{"d"}})
		equal(f, "runs left", total, 2)
	}},
	{"the newest scheduled run stays", func(f *fixture) {
		f.dag("d", 10)
		var keys []int64
		for day := range 3 {
			at := Epoch.AddDate(0, 0, day)
			keys = append(keys, f.queuedAs(engine.NewRun{DAG: "d", Type: engine.ScheduledRun, Logical: &at}, 1)...)
		}
		for _, k := range keys {
			f.endRun(k)
		}
		f.ended("d", 1) // the newest of all
		equal(f, "pruned", got[int](f)(f.PruneRuns(f.ctx, f.future(), 10)), 2)
		f.sameTime("newest logical date", f.status("d").LastScheduled, ptr(Epoch.AddDate(0, 0, 2)))
	}},
	{"a run of which something is still to be told stays", func(f *fixture) {
		f.dag("d", 10)
		keys := f.ended("d", 2)
		f.change(engine.RunChange{Key: keys[0], State: engine.RunSuccess, Version: "v1", Callbacks: []engine.CallbackCall{
			{ID: uuid.New(), Hook: "on_success/0", DAG: "d", TaskKey: engine.TaskKey{Run: keys[0], MapIndex: -1}, Data: []byte("{}")},
		}})
		equal(f, "pruned", got[int](f)(f.PruneRuns(f.ctx, f.future(), 10)), 0)
	}},
	{"a pruned date can have a run again", func(f *fixture) {
		f.dag("d", 10)
		at := Epoch
		key := f.queuedAs(engine.NewRun{DAG: "d", Type: engine.ManualRun, Logical: &at}, 1)[0]
		f.endRun(key)
		f.ended("d", 1)
		equal(f, "pruned", got[int](f)(f.PruneRuns(f.ctx, f.future(), 10)), 1)
		created := got[[]engine.Created](f)(f.CreateRuns(f.ctx, []engine.NewRun{{DAG: "d", RunID: "again", Type: engine.ManualRun, Logical: &at, Version: "v1"}}))
		equal(f, "exists", created[0].Exists, false)
	}},
	{"old events of assets go but the newest, those that wait and those of runs", func(f *fixture) {
		f.byAssets("c", "b")
		run := f.running("d")
		f.change(engine.RunChange{Key: run, Assets: updates("a", "a", "b", "b", "a", "b")}) // all of Epoch
		waiting := f.pending("c")
		equal(f, "pending", len(waiting), 3)
		got[int64](f)(f.CreateAssetRun(f.ctx, engine.NewRun{DAG: "c", RunID: "r", Type: engine.ManualRun}, idsOf(waiting[:1])))
		got[[]engine.DAGStatus](f)(f.Register(f.ctx, []engine.DAGRecord{{ID: "c", Version: "none", Build: "b1"}})) // nothing is pending any more
		f.byAssets("c", "a")
		f.change(engine.RunChange{Key: run, Assets: updates("a", "a")})
		left := func() int { return len(got[[]engine.AssetEvent](f)(f.AssetEvents(f.ctx, "", 99))) }
		equal(f, "pruned before their time", got[int](f)(f.PruneAssetEvents(f.ctx, Epoch, 99)), 0)
		equal(f, "the first two", got[int](f)(f.PruneAssetEvents(f.ctx, Epoch.Add(time.Hour), 2)), 2)
		equal(f, "the rest", got[int](f)(f.PruneAssetEvents(f.ctx, Epoch.Add(time.Hour), 99)), 2)
		equal(f, "left: one of a run, the newest of b, two that are pending", left(), 4)
		equal(f, "pending", len(f.pending("c")), 2)
		equal(f, "once more", got[int](f)(f.PruneAssetEvents(f.ctx, Epoch.Add(time.Hour), 99)), 0)
	}},
	{"two at once prune each run once", func(f *fixture) {
		f.dag("d", 100)
		f.ended("d", 41)
		sums := make([]int, 4)
		f.atOnce(4, func(i int) error {
			for {
				n, err := f.PruneRuns(context.WithoutCancel(f.ctx), time.Now().Add(time.Hour), 5)
				sums[i] += n
				if err != nil || n == 0 {
					return err
				}
			}
		})
		sum := 0
		for _, n := range sums {
			sum += n
		}
		equal(f, "pruned in all", sum, 40)
	}},
}

func ptr[T any](v T) *T { return &v }

// ended makes runs gone0, gone1, … that are over, each with an attempt.
func (f *fixture) ended(dag string, n int) []int64 {
	f.Helper()
	var keys []int64
	for i := range n {
		created := got[[]engine.Created](f)(f.CreateRuns(f.ctx, []engine.NewRun{{DAG: dag, RunID: fmt.Sprint("gone", i), Type: engine.ManualRun, Version: "v1"}}))
		keys = append(keys, created[0].Key)
		f.endRun(created[0].Key)
	}
	return keys
}

func (f *fixture) endRun(key int64) {
	f.Helper()
	now := f.now()
	f.change(engine.RunChange{Key: key, State: engine.RunSuccess, Version: "v1", StartedAt: &now, EndedAt: &now, Attempts: []engine.Attempt{
		{TaskKey: engine.TaskKey{Run: key, Task: "t", MapIndex: -1}, Try: 1, State: engine.Success, Ending: engine.EndSuccess, EndedAt: now, Version: "v1"},
	}})
}
