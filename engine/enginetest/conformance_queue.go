package enginetest

import (
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

var queueCases = []conformanceCase{
	{"an item is queued as given", func(f *fixture) {
		run := f.running("d")
		it := engine.QueueItem{TaskKey: engine.TaskKey{Run: run, Task: "t", MapIndex: 7}, DAG: "d", Try: 4, Priority: -2, Queue: "gpu"}
		before := f.now()
		f.change(engine.RunChange{Key: run, Enqueue: []engine.QueueItem{it}})
		row := f.queueRow(it.TaskKey)
		equal(f, "DAG", row.DAG, "d")
		equal(f, "try", row.Try, 4)
		equal(f, "priority", row.Priority, -2)
		equal(f, "queue", row.Queue, "gpu")
		equal(f, "leased", row.Leased, false)
		equal(f, "cancelled", row.Cancelled, false)
		f.sameTime("leased at", row.LeasedAt, nil)
		if row.QueuedAt.Before(before) || row.QueuedAt.After(f.now().Add(time.Microsecond)) {
			f.Errorf("queued at %s, want from %s on", row.QueuedAt, before)
		}
	}},
	{"elements of a mapped task are queued side by side", func(f *fixture) {
		run := f.running("d")
		c := engine.RunChange{Key: run}
		for i := range 3 {
			it := ready("d", run, "t")
			it.MapIndex = i
			c.Enqueue = append(c.Enqueue, it)
		}
		f.change(c)
		seen := map[int]bool{}
		for _, l := range f.claim(f.join("w"), "d", 9) {
			seen[l.MapIndex] = true
		}
		equal(f, "claimed", seen, map[int]bool{0: true, 1: true, 2: true})
	}},
	{"dequeue takes rows out whatever their lease", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		l := f.lease(w, "d", run, "leased")
		f.enqueue("d", run, "ready", "stays")
		f.change(engine.RunChange{Key: run, Dequeue: []engine.TaskKey{l.TaskKey, plain(run, "ready"), plain(run, "nobody")}})
		equal(f, "queue", f.inQueue(run), []string{"stays"})
		equal(f, "held", f.end(l), []bool{false})
		equal(f, "leases of the worker", f.workers()[w].Leases, 0)
	}},
	{"what is taken out goes before what is put in", func(f *fixture) {
		run, w, due := f.running("d"), f.join("w"), f.past()
		l := f.lease(w, "d", run, "t")
		timer := engine.Timer{TaskKey: plain(run, "t"), Kind: engine.TimerRetry, DueAt: due}
		f.change(engine.RunChange{
			Key: run, Dequeue: []engine.TaskKey{l.TaskKey}, Enqueue: []engine.QueueItem{ready("d", run, "t")},
			Untimers: []engine.Timer{timer}, Timers: []engine.Timer{timer},
		})
		equal(f, "queue", f.inQueue(run), []string{"t"})
		equal(f, "leased", f.queueRow(l.TaskKey).Leased, false)
		equal(f, "timers", len(got[[]engine.Timer](f)(f.Timers(f.ctx, []int64{run}))), 1)
	}},
	{"an instance that ends can be queued again in the same transition", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		l := f.lease(w, "d", run, "t")
		again := ready("d", run, "t")
		again.Try = 2
		equal(f, "held", f.change(engine.RunChange{Key: run, Enqueue: []engine.QueueItem{again}}, l), []bool{true})
		equal(f, "try", f.queueRow(l.TaskKey).Try, 2)
		equal(f, "leased", f.queueRow(l.TaskKey).Leased, false)
	}},
	{"an item handed over to a worker is leased to it", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		handed := handOver(run, w)
		f.change(engine.RunChange{Key: run, Enqueue: []engine.QueueItem{handed}})
		row := f.queueRow(handed.TaskKey)
		equal(f, "leased", row.Leased, true)
		equal(f, "worker", row.Worker, "w")
		if row.LeasedAt == nil {
			f.Error("leased at: nil")
		}
		equal(f, "to be claimed", tasksOf(f.claim(w, "d", 5)), []string{})
		lease := engine.Lease{TaskKey: handed.TaskKey, ID: handed.Lease}
		answer := f.beat(w, lease)
		equal(f, "lost", len(answer.Lost), 0)
		equal(f, "held", f.end(lease), []bool{true})
	}},
	{"items can be handed over beside others that are not", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		handed, limited := handOver(run, w), handOver(run, w)
		handed.Free, limited.Task = true, "limited"
		f.change(engine.RunChange{Key: run, Enqueue: []engine.QueueItem{handed, ready("d", run, "ready"), limited}})
		equal(f, "to be claimed", tasksOf(f.claim(f.join("w2"), "d", 5)), []string{"ready"})
		lost := f.beat(w, engine.Lease{TaskKey: handed.TaskKey, ID: handed.Lease}, engine.Lease{TaskKey: limited.TaskKey, ID: limited.Lease}).Lost
		equal(f, "lost", len(lost), 0)
	}},
	{"nothing is handed over to a worker that is gone, or that the transition did not name", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		gone := f.join("gone")
		f.ok(f.Leave(f.ctx, gone))
		for _, c := range []struct{ named, to int64 }{{gone, gone}, {w, gone}, {0, w}} {
			found := false
			err := f.Transition(f.ctx, engine.Transition{Runs: []int64{run}, Worker: c.named, Decide: func(_ time.Time, runs []engine.RunRow, is engine.Found) ([]engine.RunChange, error) {
				found = is.Worker
				return []engine.RunChange{{Key: run, State: runs[0].State, States: runs[0].States, Version: runs[0].Version, Enqueue: []engine.QueueItem{handOver(run, c.to)}}}, nil
			}})
			equal(f, "found", found, c.named == w)
			if err == nil {
				f.Errorf("a transition for worker %d handed over to worker %d (alive: %d, gone: %d)", c.named, c.to, w, gone)
			}
		}
		equal(f, "queue", f.inQueue(run), []string{})
	}},
	{"an item handed over counts against limits", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		f.enqueue("d", run, "other")
		f.change(engine.RunChange{Key: run, Enqueue: []engine.QueueItem{handOver(run, w)}})
		equal(f, "claimed", tasksOf(f.claimAs(engine.ClaimRequest{Worker: w, Slots: 5, DAGs: []engine.ClaimDAG{{ID: "d", Room: 5, MaxActive: 1}}})), []string{})
	}},
	{"an item handed over before there was a limit counts against it", func(f *fixture) {
		for what, limit := range map[string]engine.ClaimDAG{
			"tasks of the DAG": {MaxActive: 2}, "tasks of one kind": {TaskLimits: map[string]int{"handed": 2}},
		} {
			dag := "d of " + what
			run, w := f.running(dag), f.join("w")
			it := handOver(run, w)
			it.DAG, it.Free = dag, true
			f.change(engine.RunChange{Key: run, Enqueue: []engine.QueueItem{it}}) // the next takes its row
			next := it
			next.MapIndex, next.Lease = 5, uuid.New()
			f.change(engine.RunChange{Key: run, Enqueue: []engine.QueueItem{next}}, engine.Lease{TaskKey: it.TaskKey, ID: it.Lease})
			for i := range 2 {
				one := ready(dag, run, "handed")
				one.MapIndex = i
				f.change(engine.RunChange{Key: run, Enqueue: []engine.QueueItem{one}})
			}
			limit.ID, limit.Room = dag, 5
			equal(f, what, len(f.claimAs(engine.ClaimRequest{Worker: w, Slots: 5, DAGs: []engine.ClaimDAG{limit}})), 1)
		}
	}},
	{"cancel asks the worker of a leased row", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		a, b := f.lease(w, "d", run, "a"), f.lease(w, "d", run, "b")
		f.change(engine.RunChange{Key: run, Cancel: []engine.TaskKey{a.TaskKey, plain(run, "nobody")}})
		equal(f, "a is cancelled", f.queueRow(a.TaskKey).Cancelled, true)
		equal(f, "b is cancelled", f.queueRow(b.TaskKey).Cancelled, false)
		equal(f, "cancel", f.beat(w, a, b).Cancel, []engine.Lease{a})
		equal(f, "held", f.end(a), []bool{true})
	}},
	{"cancel leaves rows without a lease alone", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		f.enqueue("d", run, "t")
		f.change(engine.RunChange{Key: run, Cancel: []engine.TaskKey{plain(run, "t")}})
		l := f.claim(w, "d", 1)[0].Lease
		equal(f, "cancel", len(f.beat(w, l).Cancel), 0)
	}},
	{"a row queued again is not cancelled any more", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		l := f.lease(w, "d", run, "t")
		f.change(engine.RunChange{Key: run, Cancel: []engine.TaskKey{l.TaskKey}})
		f.change(engine.RunChange{Key: run, Enqueue: []engine.QueueItem{ready("d", run, "t")}}, l)
		again := f.claim(w, "d", 1)[0].Lease
		equal(f, "cancel", len(f.beat(w, again).Cancel), 0)
	}},
}

func handOver(run, worker int64) engine.QueueItem {
	it := ready("d", run, "handed")
	it.Lease, it.Worker = uuid.New(), worker
	return it
}
