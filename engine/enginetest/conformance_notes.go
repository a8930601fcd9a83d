package enginetest

import (
	"errors"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

var noteCases = []conformanceCase{
	{"a run's note is set, replaced and taken away", func(f *fixture) {
		f.dag("d", 0)
		key := f.queuedAs(engine.NewRun{DAG: "d", Type: engine.ManualRun, Note: "at first"}, 1)[0]
		equal(f, "at first", f.row(key).Note, "at first")
		f.ok(f.SetRunNote(f.ctx, key, "later", "ann"))
		f.change(engine.RunChange{Key: key, State: engine.RunRunning})
		equal(f, "later", f.row(key).Note, "later")
		f.ok(f.SetRunNote(f.ctx, key, "", "ann"))
		equal(f, "taken away", f.row(key).Note, "")
	}},
	{"a task's note is set, replaced and taken away", func(f *fixture) {
		run, other := f.running("d"), f.run("d")
		element := engine.TaskKey{Run: run, Task: "t", MapIndex: 4}
		f.ok(f.SetTaskNote(f.ctx, plain(run, "t"), "old", "ann"))
		f.ok(f.SetTaskNote(f.ctx, plain(run, "t"), "new", "bob"))
		f.ok(f.SetTaskNote(f.ctx, element, "of an element", "bob"))
		f.ok(f.SetTaskNote(f.ctx, plain(other, "t"), "of another run", "bob"))
		notes := func(runs ...int64) map[engine.TaskKey]string {
			return got[map[engine.TaskKey]string](f)(f.TaskNotes(f.ctx, runs))
		}
		equal(f, "notes", notes(run), map[engine.TaskKey]string{plain(run, "t"): "new", element: "of an element"})
		equal(f, "of both", len(notes(run, other)), 3)
		f.ok(f.SetTaskNote(f.ctx, element, "", "bob"))
		f.ok(f.SetTaskNote(f.ctx, plain(run, "never noted"), "", "bob"))
		equal(f, "left", notes(run), map[engine.TaskKey]string{plain(run, "t"): "new"})
	}},
	{"a note of a run that there is not is ErrNotFound", func(f *fixture) {
		for what, err := range map[string]error{
			"run's note": f.SetRunNote(f.ctx, 99, "n", "ann"), "run's note, taken away": f.SetRunNote(f.ctx, 99, "", "ann"),
			"task's note": f.SetTaskNote(f.ctx, plain(99, "t"), "n", "ann"), "task's note, taken away": f.SetTaskNote(f.ctx, plain(99, "t"), "", "ann"),
		} {
			if !errors.Is(err, engine.ErrNotFound) {
				f.Errorf("%s: %v", what, err)
			}
		}
	}},
	{"an element is named under its lease, and keeps its name", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		l := f.lease(w, "d", run, "t")
		f.ok(f.NameElement(f.ctx, l, "first"))
		f.ok(f.NameElement(f.ctx, l, "second"))
		names := func() map[engine.TaskKey]string {
			return got[map[engine.TaskKey]string](f)(f.ElementNames(f.ctx, []int64{run}))
		}
		want := map[engine.TaskKey]string{plain(run, "t"): "second"}
		equal(f, "names", names(), want)
		for _, stale := range []engine.Lease{{TaskKey: l.TaskKey, ID: uuid.New()}, {TaskKey: plain(run, "u"), ID: l.ID}} {
			if err := f.NameElement(f.ctx, stale, "stray"); !errors.Is(err, engine.ErrLostLease) {
				f.Errorf("named without the lease: %v", err)
			}
		}
		f.end(l)
		if err := f.NameElement(f.ctx, l, "late"); !errors.Is(err, engine.ErrLostLease) {
			f.Errorf("named after its end: %v", err)
		}
		equal(f, "names after its end", names(), want)
		f.ok(f.NameElement(f.ctx, f.lease(w, "d", run, "t"), "of the next try"))
		equal(f, "names after the next try", names(), map[engine.TaskKey]string{plain(run, "t"): "of the next try"})
	}},
}
