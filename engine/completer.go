package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// completers is how many transitions of ended attempts this process makes at once. Runs are divided among them, so that no two
	// wait for one run's lock.
	completers = 2
	// maxBatch bounds the attempts that one transition ends.
	maxBatch = 1000
)

// complete stores how attempts ended, those that are there at once in one transaction, until the channel is closed.
func (r *Runtime) complete(ctx context.Context, ends <-chan *attempt) {
	for first := range ends {
		r.completeOnce(ctx, first, ends)
	}
}

// completeOnce stores how an attempt ended, and with it those that have ended by now.
func (r *Runtime) completeOnce(ctx context.Context, first *attempt, ends <-chan *attempt) {
	batch := []*attempt{first}
more:
	for len(batch) < maxBatch {
		select {
		case a, ok := <-ends:
			if !ok {
				break more
			}
			batch = append(batch, a)
		default:
			break more
		}
	}
	r.storeEnds(ctx, batch)
	r.running.Add(-len(batch)) // only now: what was handed over counts already
}

// storeEnds stores a batch, and tries again until it is stored or ctx ends. When the store refuses the batch, each is tried by itself,
// and one that cannot be stored as it is ends as failed with that reason: it never fails its neighbours.
func (r *Runtime) storeEnds(ctx context.Context, batch []*attempt) {
	for _, a := range batch {
		a.end.Random = random()
	}
	for delay := 50 * time.Millisecond; ; delay = min(2*delay, 5*time.Second) {
		err := r.endBatch(ctx, batch)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			r.log.Error("ended attempts could not be stored; their leases expire and they are tried again", "attempts", len(batch), "error", err)
			return
		}
		if errors.Is(err, ErrRefused) {
			if len(batch) > 1 {
				for _, a := range batch {
					r.storeEnds(ctx, []*attempt{a})
				}
				return
			}
			a := batch[0]
			r.log.Error("the end of an attempt was refused", "dag", a.DAG, "run", a.Leased.Run.RunID, "task", a.Lease.Task, "try", a.Try, "error", err)
			a.end = AttemptEnd{Lease: a.Lease, Try: a.Try, Ending: EndFailed, StartedAt: a.end.StartedAt, Err: Permanent(err), Error: "its end could not be stored: " + printable(err.Error())}
		} else {
			r.log.Warn("store ended attempts; trying again", "attempts", len(batch), "error", err)
		}
		if !r.pause(ctx, delay) {
			return
		}
	}
}

// A handover is what a transition leased to this process in passing.
type handover struct {
	worker int64
	lease  uuid.UUID
	leased []Leased
	known  map[InputKey][]Attempt
	left   bool // ready tasks were left in the queue
}

func newHandover(worker int64, most int) handover {
	return handover{worker: worker, leased: make([]Leased, 0, most), known: make(map[InputKey][]Attempt, most)}
}

// endBatch makes the transition that ends a batch, gives its slots back and begins what was handed over.
func (r *Runtime) endBatch(ctx context.Context, batch []*attempt) error {
	runs := make(map[int64]*Definition, len(batch))
	heads := make(map[int64]*RunRow, len(batch))
	ends := make([]Lease, len(batch))
	for i, a := range batch {
		runs[a.Lease.Run], heads[a.Lease.Run] = a.def, &a.Leased.Run
		ends[i] = a.Lease
	}
	worker := r.worker.Load()
	var next handover
	err := r.versions.transition(ctx, Transition{Runs: sortedKeys(runs), Ends: ends, Worker: worker, Heads: heads, Decide: func(now time.Time, rows []RunRow, found Found) ([]RunChange, error) {
		next = newHandover(worker, len(batch))
		return r.decideEnds(now, rows, found, batch, runs, &next)
	}})
	if err != nil {
		return err
	}
	r.ended(ctx, batch, next)
	return nil
}

// completerOf is the completer that stores the ends of an attempt's run.
func (r *Runtime) completerOf(a *attempt) int { return int(uint64(a.Lease.Run) % uint64(len(r.ends))) }

// ended gives back the slots of attempts whose ends are stored and begins what was handed over.
func (r *Runtime) ended(ctx context.Context, batch []*attempt, next handover) {
	for _, a := range batch {
		r.held.remove(a.Lease)
	}
	// The slots of the batch pass to what was handed over; the rest is free.
	for _, l := range next.leased {
		r.slots.take(l.DAG)
	}
	for _, a := range batch {
		r.slots.give(a.DAG)
	}
	r.launch(ctx, ctx, next.leased, next.known)
	if next.left || len(next.leased) < len(batch) {
		r.stirDispatch()
	}
	if next.left && r.cfg.Wake != nil {
		r.cfg.Wake()
	}
}

// rooms are for the states that decisions decode, so that a run of many elements does not leave as much garbage as it has elements at
// each of its transitions.
var rooms = sync.Pool{New: func() any { return new(scratch) }}

// byRun are the places of a batch's attempts, by run in ascending order and within one as they are in the batch.
func byRun(batch []*attempt) []int {
	order := make([]int, len(batch))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(batch[i].Lease.Run, batch[j].Lease.Run) })
	return order
}

// firstOf divides what byRun has returned into the places of a run's attempts and those of later runs.
func firstOf(batch []*attempt, order []int, run int64) (own, rest []int) {
	for len(order) > 0 && batch[order[0]].Lease.Run < run {
		order = order[1:]
	}
	n := 0
	for n < len(order) && batch[order[n]].Lease.Run == run {
		n++
	}
	return order[:n], order[n:]
}

// decideEnds is the decision of endBatch. The rows come in ascending order.
func (r *Runtime) decideEnds(now time.Time, rows []RunRow, found Found, batch []*attempt, defs map[int64]*Definition, next *handover) ([]RunChange, error) {
	changes := make([]RunChange, 0, len(rows))
	budget := len(batch)
	if r.drain.Load() || !found.Worker {
		budget = 0
	}
	order := byRun(batch)
	who := r.actor()
	room := rooms.Get().(*scratch)
	defer rooms.Put(room)
	for _, row := range rows {
		d := defs[row.Key]
		v, err := r.versions.of(d, row)
		if err != nil {
			return nil, err
		}
		m, err := room.machine(d, now, row, v, who)
		if err != nil {
			return nil, err
		}
		var own []int
		own, order = firstOf(batch, order, row.Key)
		ended := 0
		for _, i := range own {
			if found.Held[i] {
				m.endAttempt(r.masked(batch[i].endedAt(now, r.clock.Now())))
				ended++
			}
		}
		if ended == 0 {
			continue // every lease of this run was lost: nothing changes
		}
		m.settle()
		change := m.result()
		if !row.DAGPaused && d.limits == nil && !m.outdated && !r.yields(row.DAG) {
			most := budget
			if d.exact { // held over all processes: what ended makes room for as many, not for those of other DAGs
				most = min(budget, ended)
			}
			budget -= most - r.handOver(&change, row, most, next)
		}
		next.left = next.left || slices.ContainsFunc(change.Enqueue, func(q QueueItem) bool { return q.Worker == 0 })
		changes = append(changes, change)
		for _, i := range own {
			if e := &batch[i].end; found.Held[i] && e.Ending == EndSuccess && len(change.Enqueue) > 0 {
				next.known[InputKey{Run: e.Lease.Run, Task: e.Lease.Task, MapIndex: e.Lease.MapIndex}] = []Attempt{{
					TaskKey: e.Lease.TaskKey, Try: e.Try, State: Success, EndedAt: now, Output: e.Output,
				}}
			}
		}
	}
	return changes, nil
}

// handOver leases ready children to this process, as many as budget allows, and returns what is left of it.
func (r *Runtime) handOver(c *RunChange, row RunRow, budget int, next *handover) int {
	row.States = nil
	free := !r.catalog.defs[row.DAG].exact
	for i := range c.Enqueue {
		q := &c.Enqueue[i]
		if budget == 0 {
			return 0
		}
		if q.Pool != "" || !slices.Contains(r.cfg.Queues, q.Queue) {
			continue
		}
		if next.lease == uuid.Nil {
			next.lease = uuid.New() // one for all, as of a claim
		}
		q.Worker, q.Lease, q.Free = next.worker, next.lease, free
		next.leased = append(next.leased, Leased{Lease: Lease{q.TaskKey, q.Lease}, DAG: q.DAG, Try: q.Try, Run: row})
		budget--
	}
	return budget
}
