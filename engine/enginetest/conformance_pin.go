package enginetest

import (
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
)

var pinCases = []conformanceCase{
	{"what a pinned run queues, times and lets wait is found under its version only", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		f.change(engine.RunChange{Key: run, Pin: "v1", Repin: true})
		f.change(pinnable(f, run, "v1", false))
		f.found("d", w, 0)
		f.found("d@v1", w, 1)
	}},
	{"a run that becomes pinned, and leaves that again, takes with it what it has", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		f.change(pinnable(f, run, "", false))
		f.change(engine.RunChange{Key: run, Pin: "v1", Repin: true})
		f.found("d", w, 0)
		f.change(engine.RunChange{Key: run, Pin: "v2", Repin: true})
		f.found("d@v1", w, 0)
		f.change(engine.RunChange{Key: run, Repin: true})
		f.found("d@v2", w, 0)
		f.found("d", w, 1)
	}},
	{"people see the queue's own name", func(f *fixture) {
		run := f.running("d")
		f.change(pinnable(f, run, "v1", false))
		equal(f, "queue", f.queueRow(plain(run, "ready")).Queue, "default")
	}},
	{"what a pinned run changes goes, and what it sets anew stays under its version", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		f.change(pinnable(f, run, "", false))
		f.change(pinnable(f, run, "v1", true))
		f.found("d", w, 0)
		f.found("d@v1", w, 1)
		f.change(engine.RunChange{Key: run, Pin: "v1", Untimers: []engine.Timer{retryOf(run, "timed", time.Time{})}, Unwaits: []engine.TaskKey{plain(run, "waits")}})
		equal(f, "timers", len(f.due(9, "d", "d@v1")), 0)
		equal(f, "waits", f.waits(engine.WaitPast, "d", "d@v1"), []string{})
	}},
}

// pinnable queues a task, sets a timer and a wait.
func pinnable(f *fixture, run int64, version string, repin bool) engine.RunChange {
	again := ready("d", run, "ready")
	return engine.RunChange{
		Key: run, Pin: version, Repin: repin, Dequeue: []engine.TaskKey{again.TaskKey}, Enqueue: []engine.QueueItem{again},
		Timers: []engine.Timer{retryOf(run, "timed", f.past())}, Waits: []engine.Wait{{TaskKey: plain(run, "waits"), Kind: engine.WaitPast, DAG: "d", Since: Epoch}},
	}
}

// found checks that n tasks, timers and waits are found under a name; the task found is given back to the queue.
func (f *fixture) found(scope string, worker int64, n int) {
	f.Helper()
	_, version, _ := strings.Cut(scope, "@")
	queues := []string{engine.PinnedTo("default", version)}
	names := got[[]string](f)(f.Ready(f.ctx, []string{"d"}, queues))
	equal(f, "ready under "+scope, len(names), n)
	equal(f, "timers of "+scope, len(f.due(9, scope)), n)
	equal(f, "waits of "+scope, len(f.waits(engine.WaitPast, scope)), n)
	next := got[time.Time](f)(f.NextTimer(f.ctx, []string{scope}))
	equal(f, "no next timer of "+scope, next.IsZero(), n == 0)
	claimed := f.claimAs(engine.ClaimRequest{Worker: worker, Slots: 9, Queues: queues, DAGs: []engine.ClaimDAG{{ID: "d", Room: 9}}})
	equal(f, "claimed under "+scope, len(claimed), n)
	for _, l := range claimed {
		f.change(engine.RunChange{Key: l.Lease.Run, Pin: version, Enqueue: []engine.QueueItem{ready("d", l.Lease.Run, l.Lease.Task)}}, l.Lease)
	}
}
