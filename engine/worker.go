package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"
)

// claimTimeout bounds a claim; what it leased without telling is given back by the heartbeat.
const claimTimeout = 10 * time.Second

// dispatch claims ready tasks while there are free slots, until ctx ends.
func (r *Runtime) dispatch(ctx, base context.Context) {
	// What is claimed when ctx ends is begun still, if the store gives its inputs soon.
	reading, giveUp := context.WithCancel(base)
	defer giveUp()
	defer context.AfterFunc(ctx, func() { r.clock.AfterFunc(storeGrace, giveUp, "give up reading") })()
	turn := 0
	refreshed := time.Time{}
	poll := r.clock.NewTimer(0, "dispatch")
	look := newLookTimer(r.clock)
	defer look.stop()
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.stir:
		case <-r.cfg.Woken:
			r.stirSchedule()
		case <-poll.C:
		case <-look.timer.C:
			look.armed = false
			if err := r.lookAround(base); err != nil {
				r.warn(ctx, "look who waits", err)
			}
			look.arm(r.scarce())
			continue
		}
		if now := r.clock.Now(); now.Sub(refreshed) >= r.cfg.Poll {
			refreshed = now
			r.outputs.expire(now)
			if err := r.refresh(ctx); err != nil {
				r.warn(ctx, "find out which DAGs are current", err)
			}
		}
		for ctx.Err() == nil {
			n, asked, err := r.claim(base, reading, turn)
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
		look.arm(r.scarce())
		poll.Reset(r.cfg.Poll, "dispatch")
	}
}

// claim leases as many tasks as there are slots and begins them. It returns how many it got and asked for.
func (r *Runtime) claim(base, reading context.Context, turn int) (got, asked int, err error) {
	got, asked, err = r.claimFrom(base, reading, r.offer.of(r, r.dags(), turn), r.queues(true))
	if old := r.overtaken(); err == nil && got == asked && len(old) > 0 {
		n, of, err := r.claimFrom(base, reading, new(claimOffer).of(r, old, turn), r.queues(false))
		return got + n, asked + of, err
	}
	return got, asked, err
}

func (r *Runtime) claimFrom(base, reading context.Context, dags []ClaimDAG, queues []string) (got, asked int, err error) {
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
	r.launch(base, reading, leased, nil)
	return len(leased), free, nil
}

// A claimOffer is what a process asks for in its claims. One with thousands of DAGs claims many times a second: it keeps what stays the same,
// and the room for the rest.
type claimOffer struct {
	ids   []string       // asked for last
	all   []ClaimDAG     // of ids, when none of their tasks runs
	index map[string]int // of ids
	out   []ClaimDAG
}

// of are DAGs whose tasks this process runs, another one first each time, with the room that each has. They are good until the next call.
func (a *claimOffer) of(r *Runtime, ids []string, turn int) []ClaimDAG {
	if len(ids) == 0 {
		return nil
	}
	if len(a.ids) != len(ids) || &a.ids[0] != &ids[0] {
		a.prepare(r, ids)
	}
	first := turn % len(ids)
	a.out = append(append(a.out[:0], a.all[first:]...), a.all[:first]...)
	full := false
	for id, n := range r.slots.dags() {
		i, ok := a.index[id]
		if !ok {
			continue
		}
		if most := r.catalog.defs[id].Spec.MaxActiveTasks; most != Unlimited {
			c := &a.out[(i-first+len(ids))%len(ids)]
			c.Room = min(c.Room, most-n)
			full = full || c.Room <= 0
		}
	}
	if full {
		a.out = slices.DeleteFunc(a.out, func(c ClaimDAG) bool { return c.Room <= 0 })
	}
	return a.out
}

func (a *claimOffer) prepare(r *Runtime, ids []string) {
	a.ids, a.all, a.index = ids, make([]ClaimDAG, len(ids)), make(map[string]int, len(ids))
	for i, id := range ids {
		d := r.catalog.defs[id]
		c := ClaimDAG{ID: id, Room: r.cfg.Slots, TaskLimits: d.limits, Pooled: d.pooled, Weight: d.Spec.Weight}
		if n := d.Spec.MaxActiveTasks; n != Unlimited {
			c.Room = min(c.Room, n)
			if d.exact {
				c.MaxActive = n
			}
		}
		a.all[i], a.index[id] = c, i
	}
}

// launch reads what the leased tasks need and begins them. known holds what is known of their inputs without reading. Their slots
// have been taken. When reading ends first, nothing is begun, and the leases become orphans, which others take over.
func (r *Runtime) launch(base, reading context.Context, leased []Leased, known map[InputKey][]Attempt) {
	attempts := make([]*attempt, 0, len(leased))
	in := inputReader{r: r, known: known}
	for i := range leased {
		l := &leased[i]
		d := r.catalog.defs[l.DAG]
		t, ok := d.byID[l.Task]
		a := &attempt{Leased: *l, def: d, task: t}
		a.inputs = taskInputs{run: &a.Run, zone: d.zone}
		if !ok {
			a.end = AttemptEnd{Lease: l.Lease, Try: l.Try, Ending: EndFailed, Err: errTaskGone, Error: errTaskGone.Error()}
			r.hand(a)
			continue
		}
		attempts = append(attempts, a)
		in.want(a)
	}
	if err := in.read(reading); err != nil {
		r.log.Warn("the inputs of leased tasks", "error", err)
		for _, a := range attempts {
			r.slots.give(a.DAG)
		}
		return
	}
	for _, a := range attempts {
		a.narrow(&in)
		r.begin(base, a)
	}
}

var errTaskGone = Permanent(errors.New("its task has left the DAG"))

// hand gives an attempt that has ended to the completer of its run.
func (r *Runtime) hand(a *attempt) {
	a.ended.Store(true)
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
