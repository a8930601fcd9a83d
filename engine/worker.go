package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/coder/quartz"
	"github.com/google/uuid"
)

// claimTimeout bounds a claim; what it leased without telling is given back by the heartbeat.
const claimTimeout = 10 * time.Second

// dispatch claims ready tasks while there are free slots, until ctx ends.
func (r *Runtime) dispatch(ctx, base context.Context) {
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
		look.arm(r.scarce())
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
func (r *Runtime) launch(base context.Context, leased []Leased, known map[InputKey][]Attempt) {
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
	if err := in.read(base); err != nil {
		// The base context ended: the leases become orphans and others take them over.
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

// lookEvery is how often a process whose slots are all taken looks whether other DAGs wait for them.
const lookEvery = 50 * time.Millisecond

// A lookTimer says when. It runs while slots are scarce only: a process that has nothing to do is not woken by it.
type lookTimer struct {
	timer *quartz.Timer
	armed bool
}

func newLookTimer(c Clock) *lookTimer {
	l := &lookTimer{timer: c.NewTimer(lookEvery, "look")}
	l.timer.Stop()
	return l
}

// arm sets the timer when it is wanted, unless it is set: being asked again does not put it off.
func (l *lookTimer) arm(wanted bool) {
	if wanted && !l.armed {
		l.armed = true
		l.timer.Reset(lookEvery, "look")
	}
}

func (l *lookTimer) stop() { l.timer.Stop() }

// scarce tells whether all slots are taken and DAGs may have to wait for one another. Only a claim takes the last free slot, what is
// handed over takes that of an attempt which has ended; so who has looked after each claim has not missed it.
func (r *Runtime) scarce() bool { return len(r.dags()) > 1 && r.slots.free() <= 0 }

// lookAround notes which DAGs have ready tasks while slots are scarce. Else nobody needs to know: the claim finds them.
func (r *Runtime) lookAround(ctx context.Context) error {
	if !r.scarce() {
		r.waiting.Store(nil)
		return nil
	}
	ready, err := r.store.Ready(ctx, r.dags(), r.queues(true))
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
