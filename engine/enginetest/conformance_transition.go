package enginetest

import (
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

var transitionCases = []conformanceCase{
	{"decide sees the runs as they are, and the store's time", decideSees},
	{"decide sees whether the DAG is paused", func(f *fixture) {
		run := f.running("d")
		for _, paused := range []bool{true, false} {
			f.ok(f.SetPaused(f.ctx, "d", paused))
			equal(f, "paused", f.look(run).DAGPaused, paused)
		}
	}},
	{"state and states are always written", func(f *fixture) {
		run := f.running("d")
		f.change(engine.RunChange{Key: run, State: engine.RunSuccess, States: []byte{0, 255, '\n'}})
		equal(f, "state", f.row(run).State, engine.RunSuccess)
		equal(f, "states", f.row(run).States, []byte{0, 255, '\n'})
		f.change(engine.RunChange{Key: run, State: engine.RunRunning, States: []byte{}})
		equal(f, "state", f.row(run).State, engine.RunRunning)
		equal(f, "length of states", len(f.row(run).States), 0)
	}},
	{"start and end are written when they are set and stay otherwise", transitionTimes},
	{"version and number of failed tasks are always written", func(f *fixture) {
		run := f.running("d")
		for _, c := range []engine.RunChange{
			{Version: "v2", FailedTasks: 3}, {Version: "v3", FailedTasks: 0}, {Version: "", FailedTasks: 1},
		} {
			c.Key, c.State = run, engine.RunRunning
			f.ok(f.Transition(f.ctx, engine.Transition{Runs: []int64{run}, Decide: func(time.Time, []engine.RunRow, engine.Found) ([]engine.RunChange, error) {
				return []engine.RunChange{c}, nil
			}}))
			equal(f, "version", f.row(run).Version, c.Version)
			equal(f, "failed tasks", f.row(run).FailedTasks, c.FailedTasks)
		}
	}},
	{"a reopened run has no end", func(f *fixture) {
		run, at := f.running("d"), f.now()
		f.change(engine.RunChange{Key: run, State: engine.RunFailed, StartedAt: &at, EndedAt: &at})
		f.change(engine.RunChange{Key: run, State: engine.RunQueued, Reopened: true})
		equal(f, "state", f.row(run).State, engine.RunQueued)
		f.sameTime("ended at", f.row(run).EndedAt, nil)
		f.sameTime("started at", f.row(run).StartedAt, &at)
		equal(f, "started again", f.start(5, "d"), []int64{run})
	}},
	{"a lease that is listed twice ends once, as the first", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		a, b := f.lease(w, "d", run, "a"), f.lease(w, "d", run, "b")
		stale := engine.Lease{TaskKey: b.TaskKey, ID: uuid.New()}
		equal(f, "held", f.change(engine.RunChange{Key: run}, b, a, b, stale, b, a), []bool{true, true, false, false, false, false})
		equal(f, "queue", f.inQueue(run), []string{})
		equal(f, "held again", f.change(engine.RunChange{Key: run}, a, a), []bool{false, false})
	}},
	{"a lease that is listed twice ends before what is queued in its place", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		l := f.lease(w, "d", run, "a")
		it := handOver(run, w)
		it.Free = true
		equal(f, "held", f.change(engine.RunChange{Key: run, Enqueue: []engine.QueueItem{it}}, l, l), []bool{true, false})
		equal(f, "queue", f.inQueue(run), []string{"handed"})
	}},
	{"a change of some of the runs leaves the others", func(f *fixture) {
		a := f.running("d")
		b := f.run("d")
		f.ok(f.Transition(f.ctx, engine.Transition{Runs: []int64{b, a}, Decide: func(_ time.Time, runs []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
			if len(runs) != 2 {
				return nil, errors.New("decide was not given both runs")
			}
			return []engine.RunChange{{Key: b, State: engine.RunFailed, States: []byte("b")}}, nil
		}}))
		equal(f, "a", f.row(a).State, engine.RunRunning)
		equal(f, "b", f.row(b).State, engine.RunFailed)
	}},
	{"an error of decide rolls all back and is returned as it is", decideErrs},
	{"held tells who still has its lease; it is gone then", transitionEnds},
	{"what one worker lost and another took up is ended by the other alone", transitionStaleEnd},
	{"ends of several tasks and runs are told in order", func(f *fixture) {
		a, w := f.running("d"), f.join("w")
		b := f.run("d")
		one, two, three := f.lease(w, "d", a, "one"), f.lease(w, "d", b, "two"), f.lease(w, "d", a, "three")
		stale := engine.Lease{TaskKey: two.TaskKey, ID: uuid.New()}
		var told []bool
		f.ok(f.Transition(f.ctx, engine.Transition{
			Runs: []int64{b, a}, Ends: []engine.Lease{three, stale, one},
			Decide: func(_ time.Time, _ []engine.RunRow, found engine.Found) ([]engine.RunChange, error) {
				told = slices.Clone(found.Held)
				return nil, nil
			},
		}))
		equal(f, "held", told, []bool{true, false, true})
		equal(f, "queue of a", f.inQueue(a), []string{})
		equal(f, "queue of b", f.inQueue(b), []string{"two"})
		equal(f, "the one not ended is held", f.end(two), []bool{true})
	}},
	{"a transition of the store's own error changes nothing", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		l := f.lease(w, "d", run, "t")
		err := f.Transition(f.ctx, engine.Transition{Runs: []int64{run}, Ends: []engine.Lease{l}, Decide: func(time.Time, []engine.RunRow, engine.Found) ([]engine.RunChange, error) {
			return []engine.RunChange{
				{Key: run, State: engine.RunFailed, States: []byte("x"), Enqueue: []engine.QueueItem{ready("d", run, "u")}},
				{Key: run + 1000, State: engine.RunFailed}, // there is no such run
			}, nil
		}})
		if err == nil {
			f.Fatal("a change of a run that is not locked was taken")
		}
		equal(f, "state", f.row(run).State, engine.RunRunning)
		equal(f, "queue", f.inQueue(run), []string{"t"})
		equal(f, "held still", f.end(l), []bool{true})
	}},
}

// look returns a run as a Decide sees it.
func (f *fixture) look(run int64) engine.RunRow {
	f.Helper()
	var seen engine.RunRow
	f.ok(f.Transition(f.ctx, engine.Transition{Runs: []int64{run}, Decide: func(_ time.Time, runs []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
		seen = runs[0]
		return nil, nil
	}}))
	return seen
}

func decideSees(f *fixture) {
	f.dag("d", 0)
	logical := Epoch
	key := f.queuedAs(engine.NewRun{
		DAG: "d", Type: engine.ScheduledRun, Logical: &logical, Start: &logical, Params: []byte(`{}`), Version: "v1",
		OnlyTasks: []string{"t"}, Deadline: time.Hour, Priority: 3,
	}, 1)[0]
	f.change(engine.RunChange{Key: key, State: engine.RunRunning, States: []byte{1, 0, 2}})
	before := f.now()
	var at time.Time
	f.ok(f.Transition(f.ctx, engine.Transition{Runs: []int64{key}, Decide: func(now time.Time, _ []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
		at = now
		return nil, nil
	}}))
	if at.Before(before) || at.After(f.now().Add(time.Microsecond)) {
		f.Errorf("decide was told that it is %s, want from %s on", at, before)
	}
	seen := f.look(key)
	equal(f, "state", seen.State, engine.RunRunning)
	equal(f, "states", seen.States, []byte{1, 0, 2})
	equal(f, "type", seen.Type, engine.ScheduledRun)
	equal(f, "only tasks", seen.OnlyTasks, []string{"t"})
	equal(f, "params", string(seen.Params), `{}`)
	equal(f, "version", seen.Version, "v1")
	equal(f, "priority", seen.Priority, 3)
	equal(f, "deadline", seen.Deadline, time.Hour)
	f.sameTime("logical date", seen.Logical, &logical)
	f.sameTime("start", seen.Start, &logical)
}

func transitionTimes(f *fixture) {
	run := f.running("d")
	start := f.now()
	end := start.Add(time.Minute)
	f.change(engine.RunChange{Key: run, StartedAt: &start, EndedAt: &end})
	for _, c := range []engine.RunChange{{Key: run}, {Key: run, State: engine.RunSuccess, States: []byte("x")}} {
		f.change(c)
		r := f.row(run)
		f.sameTime("started at", r.StartedAt, &start)
		f.sameTime("ended at", r.EndedAt, &end)
	}
	later := end.Add(time.Minute)
	f.change(engine.RunChange{Key: run, StartedAt: &end, EndedAt: &later})
	f.sameTime("started at", f.row(run).StartedAt, &end)
	f.sameTime("ended at", f.row(run).EndedAt, &later)
}

func decideErrs(f *fixture) {
	run, w := f.running("d"), f.join("w")
	f.ok(f.RegisterReceiver(f.ctx, "r", "http://r"))
	l := f.lease(w, "d", run, "t")
	mine := errors.New("mine")
	at := f.now()
	err := f.Transition(f.ctx, engine.Transition{Runs: []int64{run}, Ends: []engine.Lease{l}, Decide: func(time.Time, []engine.RunRow, engine.Found) ([]engine.RunChange, error) {
		return []engine.RunChange{{
			Key: run, State: engine.RunFailed, States: []byte("x"), EndedAt: &at,
			Enqueue:  []engine.QueueItem{ready("d", run, "u")},
			Timers:   []engine.Timer{{TaskKey: plain(run, "u"), Kind: engine.TimerRetry, DueAt: at}},
			Attempts: []engine.Attempt{{TaskKey: plain(run, "t"), Try: 1, State: engine.Failed, EndedAt: at}},
			Events:   []engine.Event{{ID: uuid.New(), Type: "run.failed", At: at, DAG: "d", Run: run}},
		}}, mine
	}})
	if err != mine { //nolint:errorlint // as it is
		f.Errorf("error is %v, want the very one of decide", err)
	}
	equal(f, "state", f.row(run).State, engine.RunRunning)
	f.sameTime("ended at", f.row(run).EndedAt, nil)
	equal(f, "queue", f.inQueue(run), []string{"t"})
	equal(f, "timers", len(got[[]engine.Timer](f)(f.Timers(f.ctx, []int64{run}))), 0)
	equal(f, "attempts", len(got[[]engine.Attempt](f)(f.Attempts(f.ctx, []int64{run}, ""))), 0)
	equal(f, "messages", len(got[[]engine.MessageRow](f)(f.Messages(f.ctx, 10))), 0)
	equal(f, "held still", f.end(l), []bool{true})
}

func transitionEnds(f *fixture) {
	run, w := f.running("d"), f.join("w")
	l := f.lease(w, "d", run, "t")
	f.enqueue("d", run, "ready")
	for name, stale := range map[string]engine.Lease{
		"another lease of the task": {TaskKey: l.TaskKey, ID: uuid.New()},
		"the lease of another task": {TaskKey: plain(run, "other"), ID: l.ID},
		"the lease of an element":   {TaskKey: engine.TaskKey{Run: run, Task: "t", MapIndex: 0}, ID: l.ID},
		"a task without a lease":    {TaskKey: plain(run, "ready"), ID: uuid.New()},
		"the zero lease":            {TaskKey: plain(run, "ready")},
	} {
		equal(f, name, f.end(stale), []bool{false})
		equal(f, "queue after "+name, f.inQueue(run), []string{"ready", "t"})
	}
	equal(f, "the lease", f.end(l), []bool{true})
	equal(f, "queue", f.inQueue(run), []string{"ready"})
	equal(f, "the lease again", f.end(l), []bool{false})
}

func transitionStaleEnd(f *fixture) {
	run, w := f.running("d"), f.join("w")
	old := f.lease(w, "d", run, "t")
	f.change(engine.RunChange{Key: run, Dequeue: []engine.TaskKey{old.TaskKey}})
	renewed := f.lease(f.join("w2"), "d", run, "t")
	equal(f, "the old lease", f.end(old), []bool{false})
	equal(f, "queue", f.inQueue(run), []string{"t"})
	equal(f, "the new lease", f.end(renewed), []bool{true})
}
