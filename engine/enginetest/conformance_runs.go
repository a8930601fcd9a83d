package enginetest

import (
	"errors"
	"time"

	"github.com/tidemill/tidemill/engine"
)

var createRunsCases = []conformanceCase{
	{"a run is stored as given, queued", createRunStoresAll},
	{"keys answer in the order given and never repeat", func(f *fixture) {
		f.dag("d", 1)
		seen := map[int64]bool{}
		for _, n := range []int{3, 2} {
			keys := f.queued("d", n)
			for i, k := range keys {
				if k <= 0 || seen[k] {
					f.Errorf("key %d is not new", k)
				}
				seen[k] = true
				equal(f, "key of its run id", got[engine.RunRow](f)(f.RunByID(f.ctx, "d", f.row(k).RunID)).Key, keys[i])
			}
		}
	}},
	{"one run per DAG and run id", func(f *fixture) {
		f.twoDAGs()
		f.created(engine.NewRun{DAG: "d", RunID: "a"}, engine.NewRun{DAG: "d", RunID: "a"}, 0)
		f.created(engine.NewRun{DAG: "d", RunID: "b"}, engine.NewRun{DAG: "e", RunID: "b"}, -1)
	}},
	{"one run per DAG and logical date, of any type", func(f *fixture) {
		f.twoDAGs()
		at := Epoch
		there := Epoch.In(time.FixedZone("there", 3600))
		f.created(engine.NewRun{DAG: "d", RunID: "a", Type: engine.ScheduledRun, Logical: &at},
			engine.NewRun{DAG: "d", RunID: "b", Type: engine.ManualRun, Logical: &there}, 0)
		f.created(engine.NewRun{DAG: "d", RunID: "c"}, engine.NewRun{DAG: "e", RunID: "c", Logical: &at}, -1)
	}},
	{"runs without a logical date do not conflict", func(f *fixture) {
		f.twoDAGs()
		f.created(engine.NewRun{DAG: "d", RunID: "a"}, engine.NewRun{DAG: "d", RunID: "b"}, -1)
	}},
	{"duplicates within a batch are told the first one's key", createDuplicatesInBatch},
	{"an existing run stays as it is", func(f *fixture) {
		f.dag("d", 1)
		f.created(engine.NewRun{DAG: "d", RunID: "a", Note: "first"}, engine.NewRun{DAG: "d", RunID: "a", Note: "second"}, 0)
		equal(f, "note", got[engine.RunRow](f)(f.RunByID(f.ctx, "d", "a")).Note, "first")
	}},
	{"a deadline is a timer at queueing plus deadline", createDeadline},
	{"no runs are no error", func(f *fixture) {
		equal(f, "answers", len(got[[]engine.Created](f)(f.CreateRuns(f.ctx, nil))), 0)
	}},
}

func (f *fixture) twoDAGs() {
	f.Helper()
	f.dag("d", 1)
	f.dag("e", 1)
}

// created makes two runs one after the other. conflict is 0 when the second is to be the first one, −1 when it is new.
func (f *fixture) created(first, second engine.NewRun, conflict int) {
	f.Helper()
	a := got[[]engine.Created](f)(f.CreateRuns(f.ctx, []engine.NewRun{first}))[0]
	b := got[[]engine.Created](f)(f.CreateRuns(f.ctx, []engine.NewRun{second}))[0]
	if a.Exists {
		f.Errorf("run %q existed before", first.RunID)
	}
	switch {
	case conflict == 0 && b != engine.Created{Key: a.Key, Exists: true}:
		f.Errorf("second run: %+v, want run %d exists", b, a.Key)
	case conflict < 0 && (b.Exists || b.Key == a.Key):
		f.Errorf("second run: %+v, want a new one beside %d", b, a.Key)
	}
}

func createRunStoresAll(f *fixture) {
	f.dag("d", 1)
	logical, start, end := Epoch, Epoch.Add(time.Hour), Epoch.Add(2*time.Hour)
	want := engine.NewRun{
		DAG: "d", RunID: "run with spaces/ü", Type: engine.ManualRun, Logical: &logical, Start: &start, End: &end,
		Params: []byte(`{"b":1,"a":"x"}`), Version: "v7", Order: 4, TriggeredBy: "somebody", Note: "why", Priority: 6,
		Deadline: 90 * time.Minute, OnlyTasks: []string{"t2", "t1"},
	}
	before := f.now()
	key := got[[]engine.Created](f)(f.CreateRuns(f.ctx, []engine.NewRun{want}))[0].Key
	after := f.now().Add(time.Microsecond)
	byID := got[engine.RunRow](f)(f.RunByID(f.ctx, "d", want.RunID))
	for _, r := range []engine.RunRow{byID, f.row(key)} {
		equal(f, "key", r.Key, key)
		equal(f, "DAG", r.DAG, want.DAG)
		equal(f, "run id", r.RunID, want.RunID)
		equal(f, "type", r.Type, want.Type)
		equal(f, "state", r.State, engine.RunQueued)
		f.sameTime("logical date", r.Logical, want.Logical)
		f.sameTime("start", r.Start, want.Start)
		f.sameTime("end", r.End, want.End)
		equal(f, "params", string(r.Params), string(want.Params))
		equal(f, "version", r.Version, want.Version)
		equal(f, "backfill", r.Backfill, 0)
		equal(f, "order", r.Order, want.Order)
		equal(f, "triggered by", r.TriggeredBy, want.TriggeredBy)
		equal(f, "note", r.Note, want.Note)
		equal(f, "priority", r.Priority, want.Priority)
		equal(f, "deadline", r.Deadline, want.Deadline)
		equal(f, "only tasks", r.OnlyTasks, want.OnlyTasks)
		equal(f, "states", len(r.States), 0)
		equal(f, "failed tasks", r.FailedTasks, 0)
		f.sameTime("started at", r.StartedAt, nil)
		f.sameTime("ended at", r.EndedAt, nil)
		if r.QueuedAt.Before(before) || r.QueuedAt.After(after) {
			f.Errorf("queued at %s, want from %s to %s", r.QueuedAt, before, after)
		}
	}
	all := f.row(f.queued("d", 1)[0])
	f.sameTime("logical date of a run without one", all.Logical, nil)
	if all.OnlyTasks != nil {
		f.Errorf("only tasks of a run of all: %v, want nil", all.OnlyTasks)
	}
	if _, err := f.RunByID(f.ctx, "d", "nobody"); !errors.Is(err, engine.ErrNotFound) {
		f.Errorf("unknown run: %v, want ErrNotFound", err)
	}
}

func createDuplicatesInBatch(f *fixture) {
	f.dag("d", 1)
	one, two := Epoch, Epoch.Add(time.Hour)
	there := got[[]engine.Created](f)(f.CreateRuns(f.ctx, []engine.NewRun{{DAG: "d", RunID: "there", Logical: &two}}))[0].Key
	have := got[[]engine.Created](f)(f.CreateRuns(f.ctx, []engine.NewRun{
		{DAG: "d", RunID: "a", Logical: &one},
		{DAG: "d", RunID: "a"},                // the run id of the first
		{DAG: "d", RunID: "b", Logical: &one}, // the date of the first
		{DAG: "d", RunID: "c", Logical: &two}, // the date of one that was there
		{DAG: "d", RunID: "there"},
		{DAG: "d", RunID: "e"},
	}))
	a, e := have[0].Key, have[5].Key
	equal(f, "answers", have, []engine.Created{{Key: a}, {Key: a, Exists: true}, {Key: a, Exists: true}, {Key: there, Exists: true}, {Key: there, Exists: true}, {Key: e}})
	if a == e || a == there || e == there {
		f.Errorf("keys %d, %d, %d are not different", a, e, there)
	}
	_, total, err := f.Runs(f.ctx, engine.RunFilter{})
	f.ok(err)
	equal(f, "runs in all", total, 3)
}

func createDeadline(f *fixture) {
	f.dag("d", 1)
	key := f.queuedAs(engine.NewRun{DAG: "d", Deadline: time.Hour}, 1)[0]
	none := f.queued("d", 1)[0]
	timers := got[[]engine.Timer](f)(f.Timers(f.ctx, []int64{key, none}))
	if len(timers) != 1 {
		f.Fatalf("timers: %v, want one", timers)
	}
	due := f.row(key).QueuedAt.Add(time.Hour)
	f.sameTime("due", &timers[0].DueAt, &due)
	equal(f, "of", timers[0].TaskKey, plain(key, ""))
	equal(f, "kind", timers[0].Kind, engine.TimerDeadline)
}
