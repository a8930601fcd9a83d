package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// claimTimeout bounds a claim; what it leased without telling is given back by the heartbeat.
const claimTimeout = 10 * time.Second

// dispatch claims ready tasks while there are free slots, until ctx ends.
func (r *Runtime) dispatch(ctx, base context.Context) {
	turn := 0
	refreshed := time.Time{}
	poll := r.clock.NewTimer(0, "dispatch")
	look := r.clock.NewTimer(lookEvery, "look")
	defer look.Stop()
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.stir:
		case <-r.cfg.Woken:
			r.stirSchedule()
		case <-poll.C:
		case <-look.C:
			if err := r.lookAround(base); err != nil {
				r.warn(ctx, "look who waits", err)
			}
			look.Reset(lookEvery, "look")
			continue
		}
		if now := r.clock.Now(); now.Sub(refreshed) >= r.cfg.Poll {
			refreshed = now
			if err := r.refresh(ctx); err != nil {
				r.warn(ctx, "find out which DAGs are current", err)
			}
		}
		for ctx.Err() == nil {
			n, asked, err := r.claim(base, turn)
			turn++
			if err != nil {
				if ctx.Err() == nil {
					r.log.Warn("claim", "error", err)
				}
				break
			}
			if n < asked || asked == 0 {
				break
			}
		}
		poll.Reset(r.cfg.Poll, "dispatch")
	}
}

// claim leases as many tasks as there are slots and begins them. It returns how many it got and asked for.
func (r *Runtime) claim(base context.Context, turn int) (got, asked int, err error) {
	got, asked, err = r.claimFrom(base, r.claimDAGs(r.dags(), turn), r.queues(true))
	if old := r.overtaken(); err == nil && got == asked && len(old) > 0 {
		n, of, err := r.claimFrom(base, r.claimDAGs(old, turn), r.queues(false))
		return got + n, asked + of, err
	}
	return got, asked, err
}

func (r *Runtime) claimFrom(base context.Context, dags []ClaimDAG, queues []string) (got, asked int, err error) {
	free := r.slots.free()
	if free <= 0 || len(dags) == 0 {
		return 0, 0, nil
	}
	// The claim outlives ctx: one that is committed while the process begins to drain is not to be lost.
	cctx, cancel := context.WithTimeout(base, claimTimeout)
	defer cancel()
	leased, err := r.store.Claim(cctx, ClaimRequest{Worker: r.worker.Load(), Lease: uuid.New(), Slots: free, Queues: queues, DAGs: dags})
	if err != nil {
		return 0, free, err
	}
	for _, l := range leased {
		r.slots.take(l.DAG)
	}
	r.launch(base, leased, nil)
	return len(leased), free, nil
}

// claimDAGs are DAGs whose tasks this process runs, another one first each time, with the room that each has.
func (r *Runtime) claimDAGs(ids []string, turn int) []ClaimDAG {
	out := make([]ClaimDAG, 0, len(ids))
	for i := range ids {
		d := r.catalog.defs[ids[(i+turn)%len(ids)]]
		c := ClaimDAG{ID: d.Spec.DAG, Room: r.cfg.Slots, TaskLimits: d.limits, Pooled: d.pooled, Weight: d.Spec.Weight}
		if n := d.Spec.MaxActiveTasks; n != Unlimited {
			c.Room = min(c.Room, n-r.slots.running(d.Spec.DAG))
			if d.exact {
				c.MaxActive = n
			}
		}
		if c.Room > 0 {
			out = append(out, c)
		}
	}
	return out
}

// launch reads what the leased tasks need and begins them. known holds what is known of their inputs without reading. Their slots
// have been taken.
func (r *Runtime) launch(base context.Context, leased []Leased, known map[InputKey]Attempt) {
	attempts := make([]*attempt, 0, len(leased))
	var ask []InputKey
	type want struct {
		a    *attempt
		task *Task
	}
	var wants []want
	for _, l := range leased {
		d := r.catalog.defs[l.DAG]
		t, ok := d.byID[l.Task]
		a := &attempt{Leased: l, def: d, task: t}
		a.inputs = taskInputs{run: l.Run, zone: d.zone, element: l.MapIndex}
		if !ok {
			a.end = AttemptEnd{Lease: l.Lease, Try: l.Try, Ending: EndFailed, Err: errTaskGone, Error: errTaskGone.Error()}
			r.hand(a)
			continue
		}
		attempts = append(attempts, a)
		for _, u := range t.up {
			if u.kind == OrderEdge {
				continue
			}
			key := InputKey{Run: l.Lease.Run, Task: u.task.spec.ID, MapIndex: -1, Settled: u.kind != ValueEdge}
			if u.task.over != nil {
				key.MapIndex = AllElements
				if u.task == t.over && !t.overAll {
					key.MapIndex = l.MapIndex
				}
			}
			if at, ok := known[key]; ok {
				a.give(u.task, Input{Attempts: []Attempt{at}})
				continue
			}
			ask = append(ask, key)
			wants = append(wants, want{a, u.task})
		}
	}
	if len(ask) > 0 {
		got, err := r.readInputs(base, ask)
		if err != nil {
			// The base context ended: the leases become orphans and others take them over.
			r.log.Warn("inputs could not be read", "error", err)
			for _, a := range attempts {
				r.slots.give(a.DAG)
			}
			return
		}
		if err := r.cutElements(base, ask, got); err != nil {
			r.log.Warn("elements could not be counted", "error", err)
			for _, a := range attempts {
				r.slots.give(a.DAG)
			}
			return
		}
		for i, w := range wants {
			w.a.give(w.task, got[i])
		}
	}
	for _, a := range attempts {
		r.begin(base, a)
	}
}

var errTaskGone = Permanent(errors.New("its task has left the DAG"))

func (a *attempt) give(t *Task, in Input) {
	if a.inputs.from == nil {
		a.inputs.from = make(map[*Task]Input, len(a.task.up))
	}
	a.inputs.from[t] = in
}

// readInputs reads until it succeeds or ctx ends: a claim is not given up because the database is away for a moment.
func (r *Runtime) readInputs(ctx context.Context, keys []InputKey) ([]Input, error) {
	for {
		got, err := r.store.Inputs(ctx, keys)
		if err == nil || ctx.Err() != nil {
			return got, err
		}
		r.log.Warn("read inputs; trying again", "error", err)
		if !r.pause(ctx, time.Second) {
			return nil, ctx.Err()
		}
	}
}

// hand gives an attempt that has ended to the completer of its run.
func (r *Runtime) hand(a *attempt) {
	r.held.add(a)
	r.running.Add(1)
	r.spawn(a, func() { r.ends[r.completerOf(a)] <- a })
}

// pause waits on the clock; false when ctx ended first.
func (r *Runtime) pause(ctx context.Context, d time.Duration) bool {
	t := r.clock.NewTimer(d, "pause")
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// random is for jitter.
func random() float64 { return rand.Float64() }

// lookEvery is how often a process whose slots are all taken looks whether other DAGs wait for them.
const lookEvery = 50 * time.Millisecond

// lookAround notes which DAGs have ready tasks while all slots are taken. Nobody needs to know it when there is one DAG only, or when
// slots are free: then the claim finds them.
func (r *Runtime) lookAround(ctx context.Context) error {
	dags := r.dags()
	if len(dags) < 2 || r.slots.free() > 0 {
		r.waiting.Store(nil)
		return nil
	}
	ready, err := r.store.Ready(ctx, dags, r.queues(true))
	if err != nil {
		return err
	}
	r.waiting.Store(&ready)
	return nil
}

// yields tells whether a DAG has to leave its ready children in the queue, rather than take them over at once: it has more than its share
// of the slots while others wait.
func (r *Runtime) yields(dag string) bool {
	waiting := r.waiting.Load()
	if waiting == nil {
		return false
	}
	weight := func(id string) int {
		if d := r.catalog.defs[id]; d != nil {
			return max(1, d.Spec.Weight)
		}
		return 1
	}
	running := r.slots.dags()
	all, others := 0, false
	for id := range running {
		all += weight(id)
	}
	for _, id := range *waiting {
		others = others || id != dag
		if running[id] == 0 {
			all += weight(id)
		}
	}
	return others && running[dag]*all > r.cfg.Slots*weight(dag)
}
