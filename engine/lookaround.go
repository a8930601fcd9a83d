package engine

import (
	"context"
	"time"

	"github.com/coder/quartz"
)

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
	w := &waitingDAGs{ids: make(map[string]bool, len(ready))}
	for _, id := range ready {
		w.ids[id] = true
		w.weight += r.weight(id)
	}
	r.waiting.Store(w)
	return nil
}

// waitingDAGs are DAGs that had ready tasks when all slots were taken, and their weights together.
type waitingDAGs struct {
	ids    map[string]bool
	weight int
}

// weight is a DAG's share of the slots beside others.
func (r *Runtime) weight(dag string) int {
	if d := r.catalog.defs[dag]; d != nil {
		return max(1, d.Spec.Weight)
	}
	return 1
}

// yields tells whether a DAG has to leave its ready children in the queue, rather than take them over at once: it has more than its share
// of the slots while others wait.
func (r *Runtime) yields(dag string) bool {
	w := r.waiting.Load()
	if w == nil || len(w.ids) == 0 || len(w.ids) == 1 && w.ids[dag] {
		return false
	}
	running := r.slots.dags()
	all := w.weight // of those that run or wait
	for id := range running {
		if !w.ids[id] {
			all += r.weight(id)
		}
	}
	return running[dag]*all > r.cfg.Slots*r.weight(dag)
}
