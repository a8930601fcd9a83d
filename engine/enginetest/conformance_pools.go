package enginetest

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

var poolCases = []conformanceCase{
	{"leased tasks of all DAGs and workers take no more slots than a pool has", poolHolds},
	{"a pool that there is not has no slot", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		f.pooled("d", run, "p", 1, "a", "b")
		equal(f, "without a pool", f.poolClaim(w, 9, "d"), []string{})
		f.pool("p", 1)
		equal(f, "with one slot", f.poolClaim(w, 9, "d"), []string{"a"})
		f.ok(f.DeletePool(f.ctx, "p"))
		f.end(f.leaseOf(plain(run, "a")))
		equal(f, "after it was deleted", f.poolClaim(w, 9, "d"), []string{})
		f.pool("p", 2)
		equal(f, "made anew", f.poolClaim(w, 9, "d"), []string{"b"})
		if err := f.DeletePool(f.ctx, "none"); !errors.Is(err, engine.ErrNotFound) {
			f.Errorf("deletion of none: %v", err)
		}
	}},
	{"a task that asks for more slots than its pool has never runs and holds nothing back", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		f.pool("p", 2)
		f.pooled("d", run, "p", 3, "huge")
		f.pooled("d", run, "p", 1, "a", "b")
		equal(f, "claimed", f.poolClaim(w, 9, "d"), []string{"a", "b"})
		f.end(f.leaseOf(plain(run, "a")), f.leaseOf(plain(run, "b")))
		equal(f, "claimed from an empty pool", f.poolClaim(w, 9, "d"), []string{})
		f.pool("p", 3)
		equal(f, "after the pool has grown", f.poolClaim(w, 9, "d"), []string{"huge"})
	}},
	{"what a full pool holds back hides nothing behind it", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		f.pool("full", 1)
		f.pool("open", 1)
		f.many("d", run, "held", 300, engine.QueueItem{Pool: "full", Slots: 1, Priority: 9})
		equal(f, "the first", f.poolClaim(w, 1, "d"), []string{"held"})
		f.pooled("d", run, "open", 1, "other")
		f.enqueue("d", run, "free")
		f.pooled("d", run, "none", 1, "never")
		equal(f, "behind it", f.poolClaim(w, 9, "d"), []string{"free", "other"})
		equal(f, "no more", f.poolClaim(w, 9, "d"), []string{})
	}},
	{"what a task's limit holds back hides nothing behind it", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		f.pool("p", 5)
		f.many("d", run, "narrow", 300, engine.QueueItem{Priority: 9})
		f.many("d", run, "narrow_pooled", 300, engine.QueueItem{Priority: 9, Pool: "p", Slots: 1})
		f.enqueue("d", run, "free")
		f.pooled("d", run, "p", 1, "pooled")
		c := engine.ClaimRequest{Worker: w, Slots: 9, DAGs: []engine.ClaimDAG{{ID: "d", Room: 9, Pooled: true, TaskLimits: map[string]int{"narrow": 2, "narrow_pooled": 1}}}}
		equal(f, "claimed", tasksOf(f.claimAs(c)), []string{"free", "narrow", "narrow", "narrow_pooled", "pooled"})
		equal(f, "no more", tasksOf(f.claimAs(c)), []string{})
	}},
	{"a DAG's limit holds beside its pools", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		f.pool("p", 5)
		f.pooled("d", run, "p", 1, "a", "b", "c")
		c := engine.ClaimRequest{Worker: w, Slots: 9, DAGs: []engine.ClaimDAG{{ID: "d", Room: 9, MaxActive: 2, Pooled: true}}}
		equal(f, "claimed", tasksOf(f.claimAs(c)), []string{"a", "b"})
		equal(f, "at the limit", tasksOf(f.claimAs(c)), []string{})
	}},
	{"small tasks do not starve a big one", func(f *fixture) {
		f.twoDAGs()
		d, e, w := f.run("d"), f.run("e"), f.join("w")
		f.pool("p", 3)
		f.pooled("d", d, "p", 1, "first")
		equal(f, "first", f.poolClaim(w, 1, "d"), []string{"first"})
		f.pooled("d", d, "p", 3, "big")
		f.pooled("d", d, "p", 1, "small")
		f.pooled("e", e, "p", 1, "e1", "e2")
		f.enqueue("e", e, "free")
		equal(f, "in e's turn", f.poolClaim(w, 9, "d", "e"), []string{"e1", "free"})
		f.end(f.leaseOf(plain(d, "first")))
		equal(f, "in d's turn, while the big one does not fit", f.poolClaim(w, 9, "d", "e"), []string{})
		f.end(f.leaseOf(plain(e, "e1")))
		equal(f, "once it does", f.poolClaim(w, 9, "d", "e"), []string{"big"})
		f.end(f.leaseOf(plain(d, "big")))
		equal(f, "after it", f.poolClaim(w, 9, "d", "e"), []string{"e2", "small"})
	}},
	{"a pool that was made smaller gives nothing until enough is free", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		f.pool("p", 3)
		f.pooled("d", run, "p", 1, "a", "b", "c", "x")
		equal(f, "three", f.poolClaim(w, 3, "d"), []string{"a", "b", "c"})
		f.pool("p", 2)
		f.end(f.leaseOf(plain(run, "a")))
		equal(f, "two are leased", f.poolClaim(w, 9, "d"), []string{})
		f.end(f.leaseOf(plain(run, "b")))
		equal(f, "one is leased", f.poolClaim(w, 9, "d"), []string{"x"})
	}},
	{"orphans take slots, what was taken out of the queue or replaced does not", func(f *fixture) {
		run, gone, w := f.running("d"), f.join("gone"), f.join("w")
		f.pool("p", 3)
		f.pooled("d", run, "p", 1, "a", "b", "c")
		equal(f, "claimed", f.poolClaim(gone, 9, "d"), []string{"a", "b", "c"})
		f.ok(f.Leave(f.ctx, gone))
		f.pooled("d", run, "p", 1, "x")
		equal(f, "beside orphans", f.poolClaim(w, 9, "d"), []string{})
		f.change(engine.RunChange{Key: run, Dequeue: []engine.TaskKey{plain(run, "a")}})
		equal(f, "after one was taken out", f.poolClaim(w, 9, "d"), []string{"x"})
		f.pooled("d", run, "p", 1, "b")
		equal(f, "one that is queued anew", f.poolClaim(w, 9, "d"), []string{"b"})
		f.enqueue("d", run, "c") // of no pool now
		f.pooled("d", run, "p", 1, "y")
		equal(f, "one that left the pool", f.poolClaim(w, 9, "d"), []string{"c", "y"})
	}},
	{"a task that takes slots is handed over by no transition", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		it := ready("d", run, "t")
		it.Pool, it.Slots, it.Lease, it.Worker = "p", 1, uuid.New(), w
		f.refused(engine.RunChange{Key: run, Enqueue: []engine.QueueItem{it}})
		equal(f, "queue", f.inQueue(run), []string{})
	}},
	{"pooled and other tasks of one transition keep their order", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		f.pool("p", 9)
		c := engine.RunChange{Key: run}
		var want []string
		for i := range 6 {
			it := ready("d", run, fmt.Sprint("t", i))
			if i%2 == 1 {
				it.Pool, it.Slots = "p", 1
			}
			c.Enqueue = append(c.Enqueue, it)
			want = append(want, it.Task)
		}
		f.change(c)
		var have []string
		for range want {
			have = append(have, f.poolClaim(w, 1, "d")...)
		}
		equal(f, "order", have, want)
	}},
	{"people see a pool's slots, and who holds and who wants them", poolsSeen},
	{"a pool holds, however many DAGs' tasks are claimed at once", func(f *fixture) {
		f.pool("p", 10)
		for i := range 10 {
			dag := fmt.Sprint("d", i)
			f.dag(dag, 0)
			f.many(dag, f.run(dag), "t", 9, engine.QueueItem{Pool: "p", Slots: 1})
		}
		f.atOnce(20, func(i int) error {
			w, err := f.Join(f.ctx, engine.WorkerInfo{Name: fmt.Sprint("w", i)})
			if err == nil {
				_, err = f.Claim(f.ctx, engine.ClaimRequest{Worker: w, Lease: uuid.New(), Slots: 3, Queues: []string{"default"},
					DAGs: []engine.ClaimDAG{{ID: fmt.Sprint("d", i%10), Room: 3, Pooled: true}}})
			}
			return err
		})
		equal(f, "slots taken", got[[]engine.PoolRow](f)(f.Pools(f.ctx))[0].Running, 10)
	}},
	{"a pool holds, however many claim and end", concurrentPool},
}

func (f *fixture) pool(name string, slots int) {
	f.Helper()
	f.ok(f.SetPool(f.ctx, engine.Pool{Name: name, Slots: slots, Description: "of " + name}))
}

// pooled makes tasks ready that take slots of a pool.
func (f *fixture) pooled(dag string, run int64, pool string, slots int, tasks ...string) {
	f.Helper()
	c := engine.RunChange{Key: run}
	for _, t := range tasks {
		it := ready(dag, run, t)
		it.Pool, it.Slots = pool, slots
		c.Enqueue = append(c.Enqueue, it)
	}
	f.change(c)
}

// many makes n elements of a task ready that are like a model.
func (f *fixture) many(dag string, run int64, task string, n int, model engine.QueueItem) {
	f.Helper()
	c := engine.RunChange{Key: run}
	for i := range n {
		it := model
		it.TaskKey = engine.TaskKey{Run: run, Task: task, MapIndex: i}
		it.DAG, it.Try, it.Queue = dag, 1, "default"
		c.Enqueue = append(c.Enqueue, it)
	}
	f.change(c)
}

// poolClaim claims tasks of DAGs with pools, and names them.
func (f *fixture) poolClaim(worker int64, slots int, dags ...string) []string {
	f.Helper()
	c := engine.ClaimRequest{Worker: worker, Slots: slots}
	for _, d := range dags {
		c.DAGs = append(c.DAGs, engine.ClaimDAG{ID: d, Room: slots, Pooled: true})
	}
	return tasksOf(f.claimAs(c))
}

// leaseOf returns the lease of a task as its worker is told it.
func (f *fixture) leaseOf(key engine.TaskKey) engine.Lease {
	f.Helper()
	for _, w := range got[[]engine.WorkerRow](f)(f.Workers(f.ctx)) {
		for _, l := range got[engine.BeatAnswer](f)(f.Beat(f.ctx, engine.Beat{Worker: w.ID})).Unknown {
			if l.TaskKey == key {
				return l
			}
		}
	}
	f.Fatalf("task %q of run %d is not leased", key.Task, key.Run)
	return engine.Lease{}
}

func poolHolds(f *fixture) {
	f.twoDAGs()
	d, e, v, w := f.run("d"), f.run("e"), f.join("v"), f.join("w")
	f.pool("p", 3)
	f.pooled("d", d, "p", 2, "d1", "d2")
	f.pooled("e", e, "p", 1, "e1", "e2")
	equal(f, "v's", f.poolClaim(v, 9, "d"), []string{"d1"})
	equal(f, "w's", f.poolClaim(w, 9, "e"), []string{"e1"})
	equal(f, "with no slot left", f.poolClaim(w, 9, "d", "e"), []string{})
	f.end(f.leaseOf(plain(e, "e1")))
	equal(f, "with one slot for a task that wants two", f.poolClaim(v, 9, "d"), []string{})
	equal(f, "with one slot for a task that wants one", f.poolClaim(v, 9, "e"), []string{"e2"})
	f.end(f.leaseOf(plain(d, "d1")))
	equal(f, "with two slots", f.poolClaim(v, 9, "d", "e"), []string{"d2"})
}

func poolsSeen(f *fixture) {
	run, w := f.running("d"), f.join("w")
	f.pool("q", 7)
	f.pool("p", 5)
	f.pooled("d", run, "p", 2, "a", "b", "c")
	f.pooled("d", run, "none", 1, "never")
	f.poolClaim(w, 2, "d")
	equal(f, "pools", got[[]engine.PoolRow](f)(f.Pools(f.ctx)), []engine.PoolRow{
		{Pool: engine.Pool{Name: "p", Slots: 5, Description: "of p"}, Running: 4, Queued: 2},
		{Pool: engine.Pool{Name: "q", Slots: 7, Description: "of q"}},
	})
	row := f.queueRow(plain(run, "c"))
	equal(f, "in the queue", []any{row.Pool, row.Slots, row.Leased}, []any{"p", 2, false})
	leases := func(dag, pool string, limit int) (tasks []string, total int) {
		rows, total, err := f.Leases(f.ctx, dag, pool, limit)
		f.ok(err)
		for _, r := range rows {
			tasks = append(tasks, r.Task)
			equal(f, "a lease", []any{r.DAG, r.RunID, r.Leased, r.Worker, r.LeasedAt != nil}, []any{"d", f.row(run).RunID, true, "w", true})
		}
		return tasks, total
	}
	f.enqueue("d", run, "free")
	f.claim(w, "d", 1)
	tasks, total := leases("d", "", 9)
	equal(f, "leases of d", len(tasks), 3)
	equal(f, "the newest", tasks[2], "free")
	equal(f, "in all", total, 3)
	tasks, total = leases("", "p", 1)
	equal(f, "leases of p", []any{len(tasks), total}, []any{1, 2})
	tasks, total = leases("", "q", 9)
	equal(f, "leases of q", []any{len(tasks), total}, []any{0, 0})
	f.pool("p", 6)
	equal(f, "slots after a change", got[[]engine.PoolRow](f)(f.Pools(f.ctx))[0].Slots, 6)
}

// concurrentPool lets workers claim and end tasks of two DAGs, each of one of them, that take one to three of a pool's seven slots. What is leased at a time is
// counted from before an end to after a claim: never more than really is, so never above seven.
func concurrentPool(f *fixture) {
	f.twoDAGs()
	f.pool("p", 7)
	slots := map[engine.TaskKey]int{}
	for _, dag := range []string{"d", "e"} {
		run := f.run(dag)
		for n := 1; n <= 3; n++ {
			task := fmt.Sprint("takes ", n)
			f.many(dag, run, task, 20, engine.QueueItem{Pool: "p", Slots: n})
			for i := range 20 {
				slots[engine.TaskKey{Run: run, Task: task, MapIndex: i}] = n
			}
		}
	}
	var mu sync.Mutex
	used, most, done := 0, 0, 0
	count := func(by int) {
		mu.Lock()
		defer mu.Unlock()
		used += by
		most = max(most, used)
	}
	f.atOnce(6, func(i int) error {
		w, err := f.Join(f.ctx, engine.WorkerInfo{Name: fmt.Sprint("w", i)})
		mine := []string{"d", "e"}[i%2]
		for err == nil {
			var leased []engine.Leased
			leased, err = f.Claim(f.ctx, engine.ClaimRequest{Worker: w, Lease: uuid.New(), Slots: 3, Queues: []string{"default"},
				DAGs: []engine.ClaimDAG{{ID: mine, Room: 3, Pooled: true}}})
			for _, l := range leased {
				count(slots[l.TaskKey])
			}
			for _, l := range leased {
				if err != nil {
					break
				}
				count(-slots[l.TaskKey])
				err = f.Transition(f.ctx, engine.Transition{Runs: []int64{l.Lease.Run}, Ends: []engine.Lease{l.Lease}, Decide: func(_ time.Time, _ []engine.RunRow, found engine.Found) ([]engine.RunChange, error) {
					if !found.Held[0] {
						return nil, fmt.Errorf("%s was lost", l.Task)
					}
					return nil, nil
				}})
			}
			mu.Lock()
			done += len(leased)
			over := done == len(slots)
			mu.Unlock()
			if over {
				break
			}
		}
		return err
	})
	if most > 7 || most < 3 {
		f.Errorf("%d slots were taken at a time, want 3 to 7", most)
	}
	equal(f, "claimed", done, len(slots))
}
