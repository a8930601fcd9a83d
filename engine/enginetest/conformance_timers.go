package enginetest

import (
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

var timerCases = []conformanceCase{
	{"a timer is due when the store's clock has passed it", func(f *fixture) {
		run := f.running("d")
		past, future := f.past(), f.future()
		f.change(engine.RunChange{Key: run, Timers: []engine.Timer{retryOf(run, "past", past), retryOf(run, "future", future)}})
		equal(f, "due", f.due(9, "d"), []string{"past retry"})
		due := got[[]engine.Timer](f)(f.DueTimers(f.ctx, []string{"d"}, 9))[0]
		equal(f, "of", due.TaskKey, plain(run, "past"))
		f.sameTime("due at", &due.DueAt, &past)
		equal(f, "due again until it is taken out", f.due(9, "d"), []string{"past retry"})
	}},
	{"due timers are limited and of the DAGs given", func(f *fixture) {
		f.twoDAGs()
		d, e, past := f.run("d"), f.run("e"), f.past()
		f.change(engine.RunChange{Key: d, Timers: []engine.Timer{retryOf(d, "a", past), retryOf(d, "b", past), retryOf(d, "c", past)}})
		f.change(engine.RunChange{Key: e, Timers: []engine.Timer{retryOf(e, "e", past)}})
		equal(f, "limited", len(f.due(2, "d")), 2)
		equal(f, "of e", f.due(9, "e"), []string{"e retry"})
		equal(f, "of both", f.due(9, "d", "e"), []string{"a retry", "b retry", "c retry", "e retry"})
		equal(f, "of none", len(f.due(9, "nobody")), 0)
	}},
	{"a transition tells which timers are still set as they were read", timersFound},
	{"a timer replaces the one of its kind and instance, no other", timerReplaces},
	{"a timer is taken out whatever its due time", func(f *fixture) {
		run := f.running("d")
		past := f.past()
		f.change(engine.RunChange{Key: run, Timers: []engine.Timer{retryOf(run, "a", past), retryOf(run, "b", past)}})
		f.change(engine.RunChange{Key: run, Untimers: []engine.Timer{retryOf(run, "a", time.Time{}), retryOf(run, "nobody", past)}})
		equal(f, "due", f.due(9, "d"), []string{"b retry"})
	}},
	{"the next timer is the earliest of the DAGs given", nextTimer},
	{"a running run with nothing queued, leased or timed is idle", idleRuns},
	{"idle runs are limited and of the DAGs given", func(f *fixture) {
		f.twoDAGs()
		for range 3 {
			f.run("d")
		}
		e := f.run("e")
		equal(f, "limited", len(got[[]int64](f)(f.Idle(f.ctx, []string{"d"}, 2))), 2)
		equal(f, "of e", got[[]int64](f)(f.Idle(f.ctx, []string{"e"}, 9)), []int64{e})
	}},
}

func retryOf(run int64, task string, due time.Time) engine.Timer {
	return engine.Timer{TaskKey: plain(run, task), Kind: engine.TimerRetry, DueAt: due}
}

func timersFound(f *fixture) {
	run := f.running("d")
	f.change(engine.RunChange{Key: run, Timers: []engine.Timer{retryOf(run, "same", f.past()), retryOf(run, "moved", f.past()), retryOf(run, "gone", f.past())}})
	read := got[[]engine.Timer](f)(f.DueTimers(f.ctx, []string{"d"}, 9))
	slices.SortFunc(read, func(a, b engine.Timer) int { return compareKeys(a.TaskKey, b.TaskKey) })
	f.change(engine.RunChange{
		Key: run, Timers: []engine.Timer{retryOf(run, "moved", read[1].DueAt.Add(time.Microsecond))}, Untimers: []engine.Timer{retryOf(run, "gone", time.Time{})},
	})
	never := retryOf(run, "never", read[2].DueAt)
	other := engine.Timer{TaskKey: read[2].TaskKey, Kind: engine.TimerPoke, DueAt: read[2].DueAt}
	var found []bool
	f.ok(f.Transition(f.ctx, engine.Transition{
		Runs: []int64{run}, Timers: append(read, never, other),
		Decide: func(_ time.Time, _ []engine.RunRow, is engine.Found) ([]engine.RunChange, error) {
			found = is.Due
			return nil, nil
		},
	}))
	equal(f, "gone, moved, same, never set, of another kind", found, []bool{false, false, true, false, false})
	equal(f, "due", len(f.due(9, "d")), 2)
}

// due names the due timers by task and kind, sorted.
func (f *fixture) due(limit int, dags ...string) []string {
	f.Helper()
	var names []string
	for _, t := range got[[]engine.Timer](f)(f.DueTimers(f.ctx, dags, limit)) {
		names = append(names, t.Task+" "+string(t.Kind))
	}
	slices.Sort(names)
	return names
}

func timerReplaces(f *fixture) {
	run := f.running("d")
	past, future := f.past(), f.future()
	element := retryOf(run, "t", past)
	element.MapIndex = 0
	restart := retryOf(run, "t", past)
	restart.Kind = engine.TimerRestart
	deadline := engine.Timer{TaskKey: plain(run, ""), Kind: engine.TimerDeadline, DueAt: past}
	f.change(engine.RunChange{Key: run, Timers: []engine.Timer{retryOf(run, "t", past), element, restart, deadline}})
	equal(f, "timers", len(got[[]engine.Timer](f)(f.Timers(f.ctx, []int64{run}))), 4)
	f.change(engine.RunChange{Key: run, Timers: []engine.Timer{retryOf(run, "t", future)}})
	equal(f, "timers after one was replaced", len(got[[]engine.Timer](f)(f.Timers(f.ctx, []int64{run}))), 4)
	equal(f, "due", f.due(9, "d"), []string{" deadline", "t restart", "t retry"}) // the element's retry
	f.change(engine.RunChange{Key: run, Untimers: []engine.Timer{restart, element}})
	equal(f, "due after two were taken out", f.due(9, "d"), []string{" deadline"})
	equal(f, "timers left", len(got[[]engine.Timer](f)(f.Timers(f.ctx, []int64{run}))), 2)
}

func nextTimer(f *fixture) {
	f.twoDAGs()
	d, e := f.run("d"), f.run("e")
	next := func(dags ...string) *time.Time {
		t := got[time.Time](f)(f.NextTimer(f.ctx, dags))
		return &t
	}
	equal(f, "without timers it is zero", next("d", "e").IsZero(), true)
	soon, later, past := f.future(), f.future().Add(time.Hour), f.past()
	f.change(engine.RunChange{Key: d, Timers: []engine.Timer{retryOf(d, "a", later), retryOf(d, "b", soon)}})
	f.change(engine.RunChange{Key: e, Timers: []engine.Timer{retryOf(e, "a", past)}})
	f.sameTime("of d", next("d"), &soon)
	f.sameTime("of both", next("d", "e"), &past)
	f.change(engine.RunChange{Key: d, Untimers: []engine.Timer{retryOf(d, "b", soon)}})
	f.sameTime("of d after the first was taken out", next("d"), &later)
	equal(f, "of none it is zero", next().IsZero(), true)
}

func idleRuns(f *fixture) {
	f.dag("d", 0)
	w := f.join("w")
	idle := f.run("d")
	leased := f.run("d")
	f.lease(w, "d", leased, "t")
	queued := f.run("d")
	f.enqueue("d", queued, "t")
	timed := f.run("d")
	f.change(engine.RunChange{Key: timed, Timers: []engine.Timer{retryOf(timed, "t", f.future())}})
	over := f.run("d")
	f.change(engine.RunChange{Key: over, State: engine.RunSuccess})
	f.queued("d", 1)
	equal(f, "idle", got[[]int64](f)(f.Idle(f.ctx, []string{"d"}, 9)), []int64{idle})
	f.change(engine.RunChange{Key: queued, Dequeue: []engine.TaskKey{plain(queued, "t")}})
	f.change(engine.RunChange{Key: timed, Untimers: []engine.Timer{retryOf(timed, "t", time.Time{})}})
	have := slices.Sorted(slices.Values(got[[]int64](f)(f.Idle(f.ctx, []string{"d"}, 9))))
	equal(f, "idle after that", have, []int64{idle, queued, timed})
}
