package enginetest

import (
	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

var claimCases = []conformanceCase{
	{"a worker without a row gets nothing", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		f.enqueue("d", run, "t")
		f.ok(f.Leave(f.ctx, w))
		equal(f, "claimed", tasksOf(f.claim(w, "d", 5)), []string{})
		equal(f, "leased", f.queueRow(plain(run, "t")).Leased, false)
		equal(f, "claimed by one with a row", tasksOf(f.claim(f.join("w"), "d", 5)), []string{"t"})
	}},
	{"a claim tells all that an attempt needs", claimAnswer},
	{"what is leased is not claimed again", func(f *fixture) {
		run, a, b := f.running("d"), f.join("a"), f.join("b")
		f.enqueue("d", run, "t", "u")
		equal(f, "a", tasksOf(f.claim(a, "d", 1)), []string{"t"})
		equal(f, "b", tasksOf(f.claim(b, "d", 5)), []string{"u"})
		equal(f, "a again", tasksOf(f.claim(a, "d", 5)), []string{})
	}},
	{"no more than the slots", func(f *fixture) {
		f.twoDAGs()
		d, e, w := f.run("d"), f.run("e"), f.join("w")
		f.enqueue("d", d, "d1", "d2")
		f.enqueue("e", e, "e1", "e2")
		both := []engine.ClaimDAG{{ID: "d", Room: 5}, {ID: "e", Room: 5}}
		equal(f, "3 slots", tasksOf(f.claimAs(engine.ClaimRequest{Worker: w, Slots: 3, DAGs: both})), []string{"d1", "d2", "e1"})
		equal(f, "no slots", tasksOf(f.claimAs(engine.ClaimRequest{Worker: w, Slots: 0, DAGs: both})), []string{})
	}},
	{"no more than a DAG's room", func(f *fixture) {
		f.twoDAGs()
		d, e, w := f.run("d"), f.run("e"), f.join("w")
		f.enqueue("d", d, "d1", "d2", "d3")
		f.enqueue("e", e, "e1", "e2")
		equal(f, "claimed", tasksOf(f.claimAs(engine.ClaimRequest{Worker: w, Slots: 9, DAGs: []engine.ClaimDAG{{ID: "d", Room: 2}, {ID: "e", Room: 0}}})), []string{"d1", "d2"})
	}},
	{"DAGs are served in the order given, others not at all", func(f *fixture) {
		f.twoDAGs()
		d, e, w := f.run("d"), f.run("e"), f.join("w")
		f.enqueue("d", d, "d1")
		f.enqueue("e", e, "e1")
		equal(f, "e first", tasksOf(f.claimAs(engine.ClaimRequest{Worker: w, Slots: 1, DAGs: []engine.ClaimDAG{{ID: "e", Room: 1}, {ID: "d", Room: 1}}})), []string{"e1"})
		equal(f, "only a DAG without tasks", tasksOf(f.claim(w, "nobody", 1)), []string{})
		equal(f, "no DAG", tasksOf(f.claimAs(engine.ClaimRequest{Worker: w, Slots: 1})), []string{})
		equal(f, "left", f.inQueue(d), []string{"d1"})
	}},
	{"only from the queues that the worker serves", claimQueues},
	{"by priority, then by age", claimOrder},
	{"a DAG's limit counts what all workers hold", func(f *fixture) {
		f.claimLimited(engine.ClaimDAG{ID: "d", Room: 9, MaxActive: 3}, []string{"t", "t2"}, []string{"t3"}, []string{"u"})
	}},
	{"a task's limit counts what all workers hold and lets others pass", claimTaskLimits},
	{"limits count orphans", func(f *fixture) {
		run, gone, w := f.running("d"), f.join("gone"), f.join("w")
		f.enqueue("d", run, "a", "b")
		f.claim(gone, "d", 1)
		f.ok(f.Leave(f.ctx, gone))
		c := engine.ClaimRequest{Worker: w, Slots: 5, DAGs: []engine.ClaimDAG{{ID: "d", Room: 5, MaxActive: 1}}}
		equal(f, "claimed", tasksOf(f.claimAs(c)), []string{})
	}},
}

func claimAnswer(f *fixture) {
	f.dag("d", 1)
	logical := Epoch
	key := f.queuedAs(engine.NewRun{DAG: "d", Type: engine.ScheduledRun, Logical: &logical, Params: []byte(`{"p":1}`), Version: "v3"}, 1)[0]
	item := engine.QueueItem{TaskKey: engine.TaskKey{Run: key, Task: "t", MapIndex: 4}, DAG: "d", Try: 3, Priority: 2, Queue: "default"}
	f.change(engine.RunChange{Key: key, State: engine.RunRunning, States: []byte("states"), Enqueue: []engine.QueueItem{item}})
	w, lease := f.join("host:9"), uuid.New()
	before := f.now()
	have := got[[]engine.Leased](f)(f.Claim(f.ctx, engine.ClaimRequest{
		Worker: w, Lease: lease, Slots: 2, Queues: []string{"default"}, DAGs: []engine.ClaimDAG{{ID: "d", Room: 2}},
	}))
	if len(have) != 1 {
		f.Fatalf("claimed %v, want one", have)
	}
	l := have[0]
	equal(f, "lease", l.Lease, engine.Lease{TaskKey: item.TaskKey, ID: lease})
	equal(f, "DAG", l.DAG, "d")
	equal(f, "try", l.Try, 3)
	equal(f, "run", l.Run.Key, key)
	equal(f, "run id", l.Run.RunID, f.row(key).RunID)
	equal(f, "run's type", l.Run.Type, engine.ScheduledRun)
	f.sameTime("run's logical date", l.Run.Logical, &logical)
	equal(f, "run's params", string(l.Run.Params), `{"p":1}`)
	equal(f, "run's version", l.Run.Version, "v3")
	equal(f, "run's states", len(l.Run.States), 0)
	row := f.queueRow(item.TaskKey)
	equal(f, "leased", row.Leased, true)
	equal(f, "worker", row.Worker, "host:9")
	if row.LeasedAt == nil || row.LeasedAt.Before(before) {
		f.Errorf("leased at %v, want from %s on", row.LeasedAt, before)
	}
}

func claimQueues(f *fixture) {
	run, w := f.running("d"), f.join("w")
	c := engine.RunChange{Key: run}
	for _, q := range []string{"gpu", "default", "big"} {
		it := ready("d", run, "t_"+q)
		it.Queue = q
		c.Enqueue = append(c.Enqueue, it)
	}
	f.change(c)
	claim := func(queues ...string) []string {
		return tasksOf(f.claimAs(engine.ClaimRequest{
			Worker: w, Slots: 5, Queues: queues, DAGs: []engine.ClaimDAG{{ID: "d", Room: 5}},
		}))
	}
	equal(f, "a queue of none", len(claim("other")), 0)
	equal(f, "two queues", claim("gpu", "big"), []string{"t_big", "t_gpu"})
	equal(f, "the third", claim("default"), []string{"t_default"})
}

func claimOrder(f *fixture) {
	run, w := f.running("d"), f.join("w")
	for _, it := range []struct {
		task     string
		priority int
		queue    string
	}{
		{"low", 1, "default"}, {"high", 9, "default"}, {"old", 5, "gpu"}, {"negative", -1, "gpu"}, {"young", 5, "default"},
	} {
		q := ready("d", run, it.task)
		q.Priority, q.Queue = it.priority, it.queue
		f.change(engine.RunChange{Key: run, Enqueue: []engine.QueueItem{q}})
	}
	later := f.run("d")
	f.change(engine.RunChange{Key: later, Enqueue: []engine.QueueItem{{TaskKey: plain(later, "highest"), DAG: "d", Try: 1, Priority: 10, Queue: "default"}}})
	var order []string
	for range 6 {
		order = append(order, tasksOf(f.claimAs(engine.ClaimRequest{
			Worker: w, Slots: 1, Queues: []string{"default", "gpu"}, DAGs: []engine.ClaimDAG{{ID: "d", Room: 1}},
		}))...)
	}
	equal(f, "order", order, []string{"highest", "high", "old", "young", "low", "negative"})
}

// claimLimited checks a limit in three claims by two workers, with an end in between: the tasks "t", "t2", "t3" and "u" are
// ready.
func (f *fixture) claimLimited(d engine.ClaimDAG, first, second, third []string) {
	f.Helper()
	run, a, b := f.running("d"), f.join("a"), f.join("b")
	f.enqueue("d", run, "t", "t2", "t3", "u")
	held := f.claimAs(engine.ClaimRequest{Worker: a, Slots: 2, DAGs: []engine.ClaimDAG{d}})
	equal(f, "a's", tasksOf(held), first)
	equal(f, "b's", tasksOf(f.claimAs(engine.ClaimRequest{Worker: b, Slots: 5, DAGs: []engine.ClaimDAG{d}})), second)
	equal(f, "b's, at the limit", tasksOf(f.claimAs(engine.ClaimRequest{Worker: b, Slots: 5, DAGs: []engine.ClaimDAG{d}})), []string{})
	f.end(held[0].Lease)
	equal(f, "b's, after an end", tasksOf(f.claimAs(engine.ClaimRequest{Worker: b, Slots: 5, DAGs: []engine.ClaimDAG{d}})), third)
}

func claimTaskLimits(f *fixture) {
	f.dag("d", 0)
	a, b := f.join("a"), f.join("b")
	runs := []int64{f.run("d"), f.run("d"), f.run("d"), f.run("d")}
	for _, r := range runs {
		f.enqueue("d", r, "narrow")
	}
	f.enqueue("d", runs[0], "wide")
	limits := []engine.ClaimDAG{{ID: "d", Room: 9, TaskLimits: map[string]int{"narrow": 2}}}
	held := f.claimAs(engine.ClaimRequest{Worker: a, Slots: 1, DAGs: limits})
	equal(f, "a's", tasksOf(held), []string{"narrow"})
	equal(f, "b's", tasksOf(f.claimAs(engine.ClaimRequest{Worker: b, Slots: 9, DAGs: limits})), []string{"narrow", "wide"})
	equal(f, "b's, at the limit", tasksOf(f.claimAs(engine.ClaimRequest{Worker: b, Slots: 9, DAGs: limits})), []string{})
	f.end(held[0].Lease)
	equal(f, "b's, after an end", tasksOf(f.claimAs(engine.ClaimRequest{Worker: b, Slots: 9, DAGs: limits})), []string{"narrow"})
	equal(f, "b's, at the limit again", tasksOf(f.claimAs(engine.ClaimRequest{Worker: b, Slots: 9, DAGs: limits})), []string{})
}
