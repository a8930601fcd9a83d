package enginetest

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tidemill/tidemill/engine"
)

var assetCases = []conformanceCase{
	{"an update is pending for each DAG that its asset schedules", assetPending},
	{"an update keeps all that is told of it", assetStored},
	{"a transition that fails leaves no update", func(f *fixture) {
		f.byAssets("c", "a")
		run := f.running("d")
		wrong := errors.New("wrong")
		err := f.Transition(f.ctx, engine.Transition{Runs: []int64{run}, Decide: func(_ time.Time, runs []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
			return []engine.RunChange{{Key: run, State: runs[0].State, Assets: updates("a")}}, wrong
		}})
		equal(f, "error", errors.Is(err, wrong), true)
		f.refused(engine.RunChange{Key: run, Assets: updates("a"), Unwaits: []engine.TaskKey{plain(run+1, "t")}})
		equal(f, "pending", len(f.pending("c")), 0)
		equal(f, "events", len(got[[]engine.AssetEvent](f)(f.AssetEvents(f.ctx, "", 9))), 0)
	}},
	{"a run takes its events out of what is pending, and remembers them", assetRun},
	{"a run of events that are not pending is ErrConflict, and nothing is stored", assetConflict},
	{"what a DAG is scheduled by is what it was last registered with", assetRegister},
	{"a person's update belongs to no run", func(f *fixture) {
		f.byAssets("c", "a")
		before := f.now()
		f.ok(f.EmitAsset(f.ctx, engine.AssetEvent{Asset: "a", MapIndex: -1, Task: "ann", Extra: []byte(`{"n":1}`)}))
		have := f.pending("c")
		equal(f, "pending", len(have), 1)
		e := have[0]
		if e.At.Before(before) || e.At.After(f.now().Add(time.Minute)) {
			f.Errorf("updated at %s, want about %s", e.At, before)
		}
		e.At = time.Time{}
		equal(f, "event", e, engine.AssetEvent{ID: e.ID, Asset: "a", MapIndex: -1, Task: "ann", Extra: []byte(`{"n":1}`), For: "c"})
	}},
	{"the newest events come first", func(f *fixture) {
		run := f.running("d")
		for _, a := range []string{"a", "b", "a", "a"} {
			f.change(engine.RunChange{Key: run, Assets: updates(a)})
		}
		all := idsOf(got[[]engine.AssetEvent](f)(f.AssetEvents(f.ctx, "", 9)))
		equal(f, "all", len(all), 4)
		equal(f, "newest first", slices.IsSortedFunc(all, func(a, b int64) int { return int(b - a) }), true)
		equal(f, "two of a", idsOf(got[[]engine.AssetEvent](f)(f.AssetEvents(f.ctx, "a", 2))), all[:2])
		equal(f, "of none", len(got[[]engine.AssetEvent](f)(f.AssetEvents(f.ctx, "none", 2))), 0)
	}},
	{"of many schedulers one makes the run", assetRace},
	{"what is pending can be dropped, of a DAG, of an asset or of before a time", assetDrop},
}

// byAssets registers a DAG that is scheduled by any of these assets.
func (f *fixture) byAssets(dag string, assets ...string) {
	f.Helper()
	var spec *engine.AssetSpec
	for _, a := range assets {
		if spec == nil {
			spec = &engine.AssetSpec{}
		}
		spec.Any = append(spec.Any, engine.AssetSpec{All: []engine.AssetSpec{{Asset: a}}})
	}
	got[[]engine.DAGStatus](f)(f.Register(f.ctx, []engine.DAGRecord{{ID: dag, Version: fmt.Sprint(assets), Build: "b1", Spec: engine.Spec{DAG: dag, Assets: spec}}}))
}

func updates(assets ...string) (out []engine.AssetEvent) {
	for _, a := range assets {
		out = append(out, engine.AssetEvent{Asset: a, At: Epoch, DAG: "d", Task: "t", MapIndex: -1})
	}
	return out
}

func (f *fixture) pending(dags ...string) []engine.AssetEvent {
	f.Helper()
	return got[[]engine.AssetEvent](f)(f.PendingAssets(f.ctx, dags))
}

// pendingOf names what is pending, as "asset for DAG".
func (f *fixture) pendingOf(dags ...string) []string {
	f.Helper()
	out := []string{}
	for _, e := range f.pending(dags...) {
		out = append(out, e.Asset+" for "+e.For)
	}
	slices.Sort(out)
	return out
}

func idsOf(es []engine.AssetEvent) []int64 {
	var out []int64
	for _, e := range es {
		out = append(out, e.ID)
	}
	return out
}

func assetPending(f *fixture) {
	f.byAssets("c1", "a", "b")
	f.byAssets("c2", "a")
	run := f.running("d")
	f.change(engine.RunChange{Key: run, Assets: updates("a", "b", "unused")})
	equal(f, "of both", f.pendingOf("c1", "c2"), []string{"a for c1", "a for c2", "b for c1"})
	equal(f, "of one", f.pendingOf("c2", "nobody"), []string{"a for c2"})
	equal(f, "of none", f.pendingOf(), []string{})
	f.change(engine.RunChange{Key: run, Assets: updates("a")})
	equal(f, "each update counts", f.pendingOf("c2"), []string{"a for c2", "a for c2"})
}

func assetStored(f *fixture) {
	f.byAssets("c", "a")
	run := f.running("d")
	late := engine.AssetEvent{Asset: "a", At: Epoch.Add(time.Hour), DAG: "d", Run: run, RunID: "r", Task: "t", MapIndex: 5, Extra: []byte(`{"rows": 3}`)}
	early := engine.AssetEvent{Asset: "a", At: Epoch, DAG: "d", Run: run, RunID: "r", Task: "u", MapIndex: -1}
	f.change(engine.RunChange{Key: run, Assets: []engine.AssetEvent{late, early}})
	have := f.pending("c")
	equal(f, "pending", len(have), 2)
	if have[0].ID == have[1].ID {
		f.Errorf("both events have the id %d", have[0].ID)
	}
	for i, want := range []engine.AssetEvent{early, late} {
		want.ID, want.For = have[i].ID, "c"
		have[i].At = have[i].At.UTC()
		equal(f, "oldest first", have[i], want)
	}
}

func assetRun(f *fixture) {
	f.byAssets("c", "a")
	f.byAssets("other", "a")
	run := f.running("d")
	f.change(engine.RunChange{Key: run, Assets: updates("a", "a", "a")})
	p := f.pending("c")
	key := got[int64](f)(f.CreateAssetRun(f.ctx, engine.NewRun{DAG: "c", RunID: "triggered", Type: engine.AssetRun, TriggeredBy: "assets"}, idsOf(p[:2])))
	r := f.row(key)
	equal(f, "run", []any{r.DAG, r.RunID, r.Type, r.State, r.TriggeredBy}, []any{"c", "triggered", engine.AssetRun, engine.RunQueued, "assets"})
	equal(f, "left", idsOf(f.pending("c")), idsOf(p[2:]))
	equal(f, "left of the other", len(f.pending("other")), 3)
	equal(f, "remembered", idsOf(got[[]engine.AssetEvent](f)(f.RunAssets(f.ctx, key))), idsOf(p[:2]))
	equal(f, "of several runs", got[map[int64][]int64](f)(f.RunEvents(f.ctx, []int64{key, run})), map[int64][]int64{key: idsOf(p[:2])})
	equal(f, "of another run", len(got[[]engine.AssetEvent](f)(f.RunAssets(f.ctx, run))), 0)
	manual := f.queued("c", 1)
	equal(f, "started before manual ones", f.start(1, "c"), []int64{key})
	equal(f, "then those", f.start(1, "c"), manual)
}

func assetConflict(f *fixture) {
	f.byAssets("c", "a")
	f.byAssets("other", "a")
	run := f.running("d")
	f.change(engine.RunChange{Key: run, Assets: updates("a", "a")})
	ids := idsOf(f.pending("c"))
	n := engine.NewRun{DAG: "c", RunID: "first", Type: engine.AssetRun}
	conflict := func(what string, n engine.NewRun, events []int64) {
		f.Helper()
		if key, err := f.CreateAssetRun(f.ctx, n, events); !errors.Is(err, engine.ErrConflict) || key != 0 {
			f.Errorf("%s: key %d, error %v", what, key, err)
		}
	}
	got[int64](f)(f.CreateAssetRun(f.ctx, n, ids[:1]))
	second := n
	second.RunID = "second"
	conflict("taken already", second, ids)
	conflict("never there", second, []int64{ids[1], ids[1] + 1000})
	conflict("the run's id is taken", n, ids[1:])
	equal(f, "still pending", idsOf(f.pending("c")), ids[1:])
	_, total, err := f.Runs(f.ctx, engine.RunFilter{DAGs: []string{"c"}})
	f.ok(err)
	equal(f, "runs", total, 1)
	if _, err := f.CreateAssetRun(f.ctx, engine.NewRun{DAG: "nobody", RunID: "x"}, nil); !errors.Is(err, engine.ErrNotFound) {
		f.Errorf("a DAG that there is not: %v", err)
	}
}

func assetRegister(f *fixture) {
	f.byAssets("c", "a", "b")
	run := f.running("d")
	f.change(engine.RunChange{Key: run, Assets: updates("a", "b")})
	f.byAssets("c", "b", "x")
	equal(f, "of what it is not scheduled by any more nothing is pending", f.pendingOf("c"), []string{"b for c"})
	f.change(engine.RunChange{Key: run, Assets: updates("a", "x")})
	equal(f, "pending", f.pendingOf("c"), []string{"b for c", "x for c"})
	f.byAssets("c", "b", "x")
	equal(f, "registered alike", f.pendingOf("c"), []string{"b for c", "x for c"})
	f.byAssets("c")
	f.change(engine.RunChange{Key: run, Assets: updates("b")})
	equal(f, "scheduled by none", f.pendingOf("c"), []string{})
}

func assetRace(f *fixture) {
	f.byAssets("c", "a")
	run := f.running("d")
	for round := range 10 {
		f.change(engine.RunChange{Key: run, Assets: updates("a", "a", "a")})
		ids := idsOf(f.pending("c"))
		var made atomic.Int64
		f.atOnce(6, func(i int) error {
			mine := slices.Clone(ids)
			if i%2 == 0 {
				slices.Reverse(mine)
			}
			_, err := f.CreateAssetRun(f.ctx, engine.NewRun{DAG: "c", RunID: fmt.Sprint("run ", round, " of ", i), Type: engine.AssetRun}, mine)
			if errors.Is(err, engine.ErrConflict) {
				return nil
			}
			made.Add(1)
			return err
		})
		equal(f, "made", made.Load(), 1)
		equal(f, "pending", len(f.pending("c")), 0)
	}
	_, total, err := f.Runs(f.ctx, engine.RunFilter{DAGs: []string{"c"}})
	f.ok(err)
	equal(f, "runs", total, 10)
}

func assetDrop(f *fixture) {
	f.byAssets("c1", "a", "b")
	f.byAssets("c2", "a")
	run := f.running("d")
	drop := func(dag, asset string, before time.Time, want int) {
		f.Helper()
		equal(f, fmt.Sprintf("dropped of %q for %q", asset, dag), got[int](f)(f.Store.DropPending(f.ctx, dag, asset, before)), want)
	}
	f.change(engine.RunChange{Key: run, Assets: updates("a", "b")})
	drop("c1", "b", Epoch, 0)
	drop("c2", "b", time.Time{}, 0)
	drop("c1", "b", Epoch.Add(time.Second), 1)
	equal(f, "left", f.pendingOf("c1", "c2"), []string{"a for c1", "a for c2"})
	drop("", "a", time.Time{}, 2)
	equal(f, "left", f.pendingOf("c1", "c2"), []string{})
	equal(f, "the updates themselves stay", len(got[[]engine.AssetEvent](f)(f.AssetEvents(f.ctx, "", 9))), 2)
	f.change(engine.RunChange{Key: run, Assets: updates("a", "b")})
	ids := idsOf(f.pending("c1"))
	drop("c1", "", time.Time{}, 2)
	equal(f, "left", f.pendingOf("c1", "c2"), []string{"a for c2"})
	if _, err := f.CreateAssetRun(f.ctx, engine.NewRun{DAG: "c1", RunID: "late", Type: engine.AssetRun}, ids); !errors.Is(err, engine.ErrConflict) {
		f.Errorf("a run of what was dropped: %v", err)
	}
}
