package enginetest

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/tidemill/tidemill/engine"
)

var registryCases = []conformanceCase{
	{"heads are statuses without specs", func(f *fixture) {
		f.twoDAGs()
		at := Epoch
		f.queuedAs(engine.NewRun{DAG: "e", Type: engine.ScheduledRun, Logical: &at}, 1)
		f.ok(f.SetPaused(f.ctx, "d", true))
		want := got[[]engine.DAGStatus](f)(f.DAGStatuses(f.ctx))
		equal(f, "DAGs", len(want), 2)
		for i := range want {
			want[i].Spec = engine.Spec{}
		}
		equal(f, "heads", got[[]engine.DAGStatus](f)(f.DAGHeads(f.ctx)), want)
		equal(f, "the head of one", got[[]engine.DAGStatus](f)(f.DAGHeads(f.ctx, "e", "nobody")), want[1:])
	}},
	{"one DAG has the status that it has among all", func(f *fixture) {
		f.twoDAGs()
		at := Epoch
		f.queuedAs(engine.NewRun{DAG: "e", Type: engine.ScheduledRun, Logical: &at}, 1)
		equal(f, "status", got[engine.DAGStatus](f)(f.DAGStatus(f.ctx, "e")), f.status("e"))
		if _, err := f.DAGStatus(f.ctx, "nobody"); !errors.Is(err, engine.ErrNotFound) {
			f.Errorf("status of what there is not: %v, want ErrNotFound", err)
		}
	}},
	{"standings tell of all DAGs their version and whether they are paused", func(f *fixture) {
		f.twoDAGs()
		f.ok(f.SetPaused(f.ctx, "d", true))
		found := map[string]engine.Standing{}
		for _, s := range got[[]engine.Standing](f)(f.Standings(f.ctx)) {
			found[s.ID] = s
		}
		want := map[string]engine.Standing{}
		for _, id := range []string{"d", "e"} {
			st := f.status(id)
			want[id] = engine.Standing{ID: id, Version: st.Version, Paused: st.Paused}
		}
		equal(f, "standings", found, want)
	}},
	{"a transition and a start of runs tell which version their DAG is on", func(f *fixture) {
		f.dag("d", 0)
		key := f.queuedAs(engine.NewRun{DAG: "d", Type: engine.ManualRun, Version: "v0"}, 1)[0]
		see := func(_ time.Time, runs []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
			equal(f, "the run's and the DAG's", []string{runs[0].Version, runs[0].DAGVersion}, []string{"v0", "v1"})
			return nil, nil
		}
		f.ok(f.Transition(f.ctx, engine.Transition{Runs: []int64{key}, Decide: see}))
		equal(f, "started", got[int](f)(f.StartRuns(f.ctx, []string{"d"}, 9, see)), 1)
	}},
	{"a DAG keeps the time of its first registration", registerTwice},
	{"statuses come in the order given", registerOrder},
	{"each version keeps the spec that it was first stored with", registerVersions},
	{"an unknown version or DAG has no spec", func(f *fixture) {
		f.dag("d", 1)
		for _, of := range [][2]string{{"d", "v9"}, {"nobody", "v1"}} {
			if _, err := f.Spec(f.ctx, of[0], of[1]); !errors.Is(err, engine.ErrNotFound) {
				f.Errorf("spec of %v: %v, want ErrNotFound", of, err)
			}
		}
	}},
	{"a DAG is paused and unpaused", func(f *fixture) {
		f.dag("d", 1)
		f.dag("other", 1)
		for _, paused := range []bool{true, false} {
			f.ok(f.SetPaused(f.ctx, "d", paused))
			equal(f, "d is paused", f.status("d").Paused, paused)
			equal(f, "other is paused", f.status("other").Paused, false)
		}
	}},
	{"registering again leaves a DAG paused", func(f *fixture) {
		f.dag("d", 1)
		f.ok(f.SetPaused(f.ctx, "d", true))
		f.dag("d", 1)
		equal(f, "paused", f.status("d").Paused, true)
	}},
	{"pausing an unknown DAG is ErrNotFound", func(f *fixture) {
		if err := f.SetPaused(f.ctx, "nobody", true); !errors.Is(err, engine.ErrNotFound) {
			f.Errorf("error is %v, want ErrNotFound", err)
		}
	}},
	{"the newest logical date is that of scheduled runs", lastScheduled},
}

// status returns how a DAG stands.
func (f *fixture) status(id string) engine.DAGStatus {
	f.Helper()
	for _, st := range got[[]engine.DAGStatus](f)(f.DAGStatuses(f.ctx)) {
		if st.ID == id {
			return st
		}
	}
	f.Fatalf("DAG %q has no status", id)
	return engine.DAGStatus{}
}

func registerTwice(f *fixture) {
	rec := engine.DAGRecord{ID: "d", Version: "v1", Build: "b1", Spec: engine.Spec{DAG: "d"}, MaxActiveRuns: 3}
	before := f.now()
	first := got[[]engine.DAGStatus](f)(f.Register(f.ctx, []engine.DAGRecord{rec}))[0]
	after := f.now()
	if first.RegisteredAt.Before(before) || first.RegisteredAt.After(after.Add(time.Microsecond)) {
		f.Errorf("registered at %s, want from %s to %s", first.RegisteredAt, before, after)
	}
	rec.MaxActiveRuns = 5
	second := got[[]engine.DAGStatus](f)(f.Register(f.ctx, []engine.DAGRecord{rec}))[0]
	f.sameTime("registered at", &second.RegisteredAt, &first.RegisteredAt)
	if !second.SeenAt.After(first.SeenAt) {
		f.Errorf("seen at %s after %s", second.SeenAt, first.SeenAt)
	}
	equal(f, "max active runs", second.MaxActiveRuns, 5)
	stored := f.status("d")
	f.sameTime("stored registered at", &stored.RegisteredAt, &first.RegisteredAt)
	equal(f, "stored max active runs", stored.MaxActiveRuns, 5)
	equal(f, "a new DAG is paused", first.Paused, false)
	f.sameTime("last scheduled", stored.LastScheduled, nil)
	equal(f, "DAGs", len(got[[]engine.DAGStatus](f)(f.DAGStatuses(f.ctx))), 1)
}

func registerOrder(f *fixture) {
	f.dag("b", 1)
	var ids []string
	for _, st := range got[[]engine.DAGStatus](f)(f.Register(f.ctx, []engine.DAGRecord{
		{ID: "c", Version: "v", MaxActiveRuns: 1}, {ID: "b", Version: "v", MaxActiveRuns: 1}, {ID: "a", Version: "v", MaxActiveRuns: 1},
	})) {
		ids = append(ids, st.ID)
	}
	equal(f, "order", ids, []string{"c", "b", "a"})
}

func registerVersions(f *fixture) {
	spec := func(doc string) engine.Spec {
		return engine.Spec{
			DAG: "d", Doc: doc, Tags: []string{"x"}, Schedule: "0 2 * * *", Zone: "UTC", Deadline: engine.Duration(time.Hour),
			Params: []byte(`{"type":"object"}`),
			Tasks: []engine.TaskSpec{{
				ID: "t", Rule: engine.AllSuccess, Queue: "default", Retry: engine.Retry{Max: 2, Initial: time.Minute, Multiplier: 2},
				Upstream: []engine.EdgeSpec{{Task: "s", Kind: engine.ValueEdge}}, Virtual: []engine.VirtualSpec{{ID: "n", Upstream: []string{"m"}}},
			}},
		}
	}
	register := func(version, doc string) engine.DAGStatus {
		return got[[]engine.DAGStatus](f)(f.Register(f.ctx, []engine.DAGRecord{{ID: "d", Version: version, Spec: spec(doc), MaxActiveRuns: 1}}))[0]
	}
	register("v1", "one \x00 zero byte")
	if st := register("v2", "two"); st.Version != "v2" || st.Spec.Doc != "two" {
		f.Errorf("after v2: version %q with spec %q", st.Version, st.Spec.Doc)
	}
	if st := register("v1", "changed"); st.Version != "v1" || st.Spec.Doc != "one \x00 zero byte" {
		f.Errorf("back at v1: version %q with spec %q", st.Version, st.Spec.Doc)
	}
	versions := got[[]engine.DAGVersion](f)(f.DAGVersions(f.ctx, "d"))
	equal(f, "versions", len(versions), 2)
	equal(f, "oldest first", []string{versions[0].Version, versions[1].Version}, []string{"v1", "v2"})
	equal(f, "of what there is not", len(got[[]engine.DAGVersion](f)(f.DAGVersions(f.ctx, "nope"))), 0)
	for version, doc := range map[string]string{"v1": "one \x00 zero byte", "v2": "two"} {
		have, _ := json.Marshal(got[engine.Spec](f)(f.Spec(f.ctx, "d", version)))
		want, _ := json.Marshal(spec(doc))
		equal(f, "spec of "+version, string(have), string(want))
	}
}

func lastScheduled(f *fixture) {
	f.dag("d", 1)
	day := func(n int) *time.Time { t := Epoch.AddDate(0, 0, n); return &t }
	for i, r := range []struct {
		typ     engine.RunType
		logical *time.Time
		want    *time.Time
	}{
		{engine.ManualRun, day(9), nil},
		{engine.ScheduledRun, day(2), day(2)},
		{engine.ScheduledRun, day(4), day(4)},
		{engine.ScheduledRun, day(3), day(4)},
		{engine.BackfillRun, day(8), day(4)},
	} {
		f.queuedAs(engine.NewRun{DAG: "d", Type: r.typ, Logical: r.logical}, 1)
		f.sameTime("last scheduled after run "+string(rune('0'+i)), f.status("d").LastScheduled, r.want)
		again := got[[]engine.DAGStatus](f)(f.Register(f.ctx, []engine.DAGRecord{{ID: "d", Version: "v1", MaxActiveRuns: 1}}))[0]
		f.sameTime("last scheduled, as registering tells it", again.LastScheduled, r.want)
	}
}
