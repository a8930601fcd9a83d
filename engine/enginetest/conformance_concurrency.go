package enginetest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

var concurrencyCases = []conformanceCase{
	{"of many who create a run one makes it and all learn its key", concurrentCreate},
	{"a hundred transitions of one run are all counted", concurrentTransitions},
	{"transitions of the same runs in any order do not lock each other out", concurrentOrders},
	{"two parents of one child that end at once make it ready once", concurrentParents},
	{"of many who end one lease one held it", concurrentEnds},
	{"each task is leased once, however many claim", concurrentClaims},
	{"a DAG's limit holds, however many claim", func(f *fixture) {
		f.limited(engine.ClaimDAG{ID: "d", Room: 4, MaxActive: 10}, 10)
	}},
	{"a task's limit holds, however many claim", func(f *fixture) {
		f.limited(engine.ClaimDAG{ID: "d", Room: 4, TaskLimits: map[string]int{"t": 7}}, 7)
	}},
	{"limits of runs hold, however many start them", concurrentStarts},
	{"a replica is claimed once, however many claim", concurrentStreams},
	{"a message is claimed once, however many claim", concurrentOutbox},
}

// atOnce runs f n times at once and ends the test with the first error.
func (f *fixture) atOnce(n int, do func(i int) error) {
	f.Helper()
	start := make(chan struct{})
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = do(i)
		})
	}
	close(start)
	wg.Wait()
	for _, err := range errs {
		f.ok(err)
	}
}

// count is a Decide that counts its calls in the states of each run.
func count(_ time.Time, runs []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
	var out []engine.RunChange
	for _, r := range runs {
		out = append(out, engine.RunChange{Key: r.Key, State: r.State, States: binary.BigEndian.AppendUint64(nil, counted(r)+1)})
	}
	return out, nil
}

func counted(r engine.RunRow) uint64 {
	if len(r.States) == 0 {
		return 0
	}
	return binary.BigEndian.Uint64(r.States)
}

func concurrentCreate(f *fixture) {
	f.dag("d", 0)
	at := Epoch
	answers := make([]engine.Created, 20)
	f.atOnce(len(answers), func(i int) error {
		created, err := f.CreateRuns(f.ctx, []engine.NewRun{{DAG: "d", RunID: fmt.Sprint("run ", i), Type: engine.ScheduledRun, Logical: &at}})
		if err == nil {
			answers[i] = created[0]
		}
		return err
	})
	made := 0
	for _, c := range answers {
		equal(f, "key", c.Key, answers[0].Key)
		if !c.Exists {
			made++
		}
	}
	equal(f, "made", made, 1)
}

func concurrentTransitions(f *fixture) {
	run := f.running("d")
	f.atOnce(100, func(int) error { return f.Transition(f.ctx, engine.Transition{Runs: []int64{run}, Decide: count}) })
	equal(f, "counted", counted(f.row(run)), 100)
}

func concurrentOrders(f *fixture) {
	f.dag("d", 0)
	runs := []int64{f.run("d"), f.run("d"), f.run("d")}
	f.atOnce(60, func(i int) error {
		mine := slices.Clone(runs)
		if i%2 == 0 {
			slices.Reverse(mine)
		}
		return f.Transition(f.ctx, engine.Transition{Runs: mine, Decide: count})
	})
	for _, r := range runs {
		equal(f, "counted", counted(f.row(r)), 60)
	}
}

func concurrentParents(f *fixture) {
	f.dag("d", 0)
	w := f.join("w")
	for range 30 {
		run := f.run("d")
		parents := []engine.Lease{f.lease(w, "d", run, "a"), f.lease(w, "d", run, "b")}
		f.atOnce(2, func(i int) error {
			return f.Transition(f.ctx, engine.Transition{Runs: []int64{run}, Ends: parents[i : i+1], Decide: endParent(parents[i])})
		})
		equal(f, "queue", f.inQueue(run), []string{"child"})
		equal(f, "parents ended", len(f.row(run).States), 2)
		f.change(engine.RunChange{Key: run, Dequeue: []engine.TaskKey{plain(run, "child")}})
	}
}

// endParent notes the parent's end in the run's states and makes the child ready when both have ended.
func endParent(l engine.Lease) engine.Decide {
	return func(_ time.Time, runs []engine.RunRow, found engine.Found) ([]engine.RunChange, error) {
		if !found.Held[0] {
			return nil, fmt.Errorf("lease of %s was lost", l.Task)
		}
		c := engine.RunChange{Key: l.Run, State: runs[0].State, States: append(bytes.Clone(runs[0].States), l.Task...)}
		if len(c.States) == 2 {
			c.Enqueue = []engine.QueueItem{ready("d", l.Run, "child")}
		}
		return []engine.RunChange{c}, nil
	}
}

func concurrentEnds(f *fixture) {
	run, w := f.running("d"), f.join("w")
	l := f.lease(w, "d", run, "t")
	f.atOnce(20, func(int) error {
		return f.Transition(f.ctx, engine.Transition{Runs: []int64{run}, Ends: []engine.Lease{l}, Decide: func(now time.Time, runs []engine.RunRow, found engine.Found) ([]engine.RunChange, error) {
			if !found.Held[0] {
				return nil, nil
			}
			return count(now, runs, found)
		}})
	})
	equal(f, "held", counted(f.row(run)), 1)
	equal(f, "queue", f.inQueue(run), []string{})
}

// fill makes n tasks of a name ready, each in a run of its own.
func (f *fixture) fill(dag, task string, n int) {
	f.Helper()
	keys := f.queued(dag, n)
	f.ok(f.Transition(f.ctx, engine.Transition{Runs: keys, Decide: func(_ time.Time, runs []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
		var out []engine.RunChange
		for _, r := range runs {
			out = append(out, engine.RunChange{Key: r.Key, State: engine.RunRunning, Enqueue: []engine.QueueItem{ready(dag, r.Key, task)}})
		}
		return out, nil
	}}))
}

// claimAtOnce claims with n workers at once, again and again until each got nothing, and returns what they got.
func (f *fixture) claimAtOnce(n int, d engine.ClaimDAG) []engine.Leased {
	f.Helper()
	var mu sync.Mutex
	var all []engine.Leased
	f.atOnce(n, func(i int) error {
		w, err := f.Join(f.ctx, engine.WorkerInfo{Name: fmt.Sprint("w", i)})
		for err == nil {
			var mine []engine.Leased
			mine, err = f.Claim(f.ctx, engine.ClaimRequest{Worker: w, Lease: uuid.New(), Slots: 3, Queues: []string{"default"}, DAGs: []engine.ClaimDAG{d}})
			if len(mine) == 0 {
				break
			}
			mu.Lock()
			all = append(all, mine...)
			mu.Unlock()
		}
		return err
	})
	return all
}

func concurrentClaims(f *fixture) {
	f.dag("d", 0)
	f.fill("d", "t", 100)
	seen := map[int64]int{}
	for _, l := range f.claimAtOnce(20, engine.ClaimDAG{ID: "d", Room: 5}) {
		seen[l.Lease.Run]++
	}
	// Who finds all rows locked by others may stop early: what is left is there for the next.
	for _, l := range f.claim(f.join("last"), "d", 100) {
		seen[l.Lease.Run]++
	}
	equal(f, "tasks leased", len(seen), 100)
	for run, n := range seen {
		if n != 1 {
			f.Errorf("task of run %d was leased %d times", run, n)
		}
	}
}

// limited lets twenty workers claim a hundred tasks under a limit, and checks that they got just so many.
func (f *fixture) limited(d engine.ClaimDAG, want int) {
	f.Helper()
	f.dag("d", 0)
	f.fill("d", "t", 100)
	equal(f, "leased at once", len(f.claimAtOnce(20, d)), want)
	held := got[[]engine.RunRow](f)(func() ([]engine.RunRow, error) {
		rows, _, err := f.Runs(f.ctx, engine.RunFilter{})
		return rows, err
	}())
	leased := 0
	for _, r := range held {
		if f.queueRow(plain(r.Key, "t")).Leased {
			leased++
		}
	}
	equal(f, "leased in the queue", leased, want)
}

func concurrentStarts(f *fixture) {
	f.dag("d", 3)
	f.queued("d", 20)
	f.backfill("d", 2, 20)
	f.atOnce(20, func(int) error {
		_, err := f.StartRuns(f.ctx, []string{"d"}, 4, func(_ time.Time, runs []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
			var out []engine.RunChange
			for _, r := range runs {
				out = append(out, engine.RunChange{Key: r.Key, State: engine.RunRunning})
			}
			return out, nil
		})
		return err
	})
	f.start(9, "d") // what was left because others held it
	rows, _, err := f.Runs(f.ctx, engine.RunFilter{States: []engine.RunState{engine.RunRunning}})
	f.ok(err)
	running := map[bool]int{}
	for _, r := range rows {
		running[r.Backfill != 0]++
	}
	equal(f, "running, by whether of a backfill", running, map[bool]int{false: 3, true: 2})
}

func concurrentStreams(f *fixture) {
	f.stream("s", 3)
	claimed := make([]int, 20)
	f.atOnce(len(claimed), func(i int) error {
		w, err := f.Join(f.ctx, engine.WorkerInfo{Name: fmt.Sprint("w", i)})
		if err != nil {
			return err
		}
		l, ok, err := f.ClaimStream(f.ctx, "s", w, uuid.New())
		claimed[i] = -1
		if ok {
			claimed[i] = l.Replica
		}
		return err
	})
	last := f.join("last")
	for range 3 { // what was left because others held it
		if l, ok := f.claimStream("s", last); ok {
			claimed = append(claimed, l.Replica)
		}
	}
	claimed = slices.DeleteFunc(claimed, func(r int) bool { return r < 0 })
	slices.Sort(claimed)
	equal(f, "claimed", claimed, []int{0, 1, 2})
}

func concurrentOutbox(f *fixture) {
	f.emitted(50)
	var mu sync.Mutex
	seen := map[int64]int{}
	note := func(msgs []engine.Message) {
		mu.Lock()
		defer mu.Unlock()
		for _, m := range msgs {
			seen[m.ID]++
		}
	}
	f.atOnce(10, func(int) error {
		msgs, err := f.ClaimOutbox(f.ctx, engine.OutboxClaim{Claim: uuid.New(), Receivers: []string{"r"}, Limit: 10, Hide: time.Hour})
		note(msgs)
		return err
	})
	note(f.claimReceivers(50, time.Hour, "r")) // what was left because others held it
	equal(f, "messages claimed", len(seen), 50)
	for id, n := range seen {
		if n != 1 {
			f.Errorf("message %d was claimed %d times", id, n)
		}
	}
}
