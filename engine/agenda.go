package engine

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// lookAgain is how long after a look at a DAG the next one comes at the latest, whatever its timetable says: should the store's clock
// have been set, or its registration have changed, nothing waits for longer.
const lookAgain = time.Minute

// An agenda is when each DAG with a timetable is to be looked at next: when its next run falls due, or before. It only says whom to look
// at; how a DAG stands is read then. DAGs that are paused, or that another version has taken over, sleep until that has changed.
type agenda struct {
	all   []*appointment // by DAG
	queue appointments   // those awake that nobody looks at just now
	// The store's clock, and this process's, when they were last read together; and when it was last read which DAGs are awake.
	theirs, ours, roused time.Time
}

// An appointment is when a DAG is looked at, by the store's clock.
type appointment struct {
	def   *Definition
	at    time.Time // zero: at once
	awake bool
	index int // in the queue; −1: not in it
}

func newAgenda(c *Catalog) *agenda {
	a := &agenda{}
	for _, id := range c.ids {
		if d := c.defs[id]; d.timetable != nil {
			p := &appointment{def: d, awake: true, index: -1}
			a.all = append(a.all, p)
			heap.Push(&a.queue, p)
		}
	}
	return a
}

// take takes up to n appointments that have come, the earliest first, and returns them by DAG. Whoever takes them puts them back.
func (a *agenda) take(now time.Time, n int) []*appointment {
	var out []*appointment
	for len(out) < n && a.due(now) {
		out = append(out, heap.Pop(&a.queue).(*appointment))
	}
	// In one order everywhere: processes that make runs of the same DAGs at once must not wait for each other in a circle.
	slices.SortFunc(out, func(a, b *appointment) int { return cmp.Compare(a.def.Spec.DAG, b.def.Spec.DAG) })
	return out
}

// put puts appointments back, at their new times.
func (a *agenda) put(taken []*appointment) {
	for _, p := range taken {
		if p.awake {
			heap.Push(&a.queue, p)
		}
	}
}

// due tells whether an appointment has come.
func (a *agenda) due(now time.Time) bool { return len(a.queue) > 0 && !a.queue[0].at.After(now) }

// rouse takes down which DAGs are awake. Those that were not, and those that are always to be looked at, have their appointment at once.
func (a *agenda) rouse(awake func(*Definition) bool) {
	for _, p := range a.all {
		was := p.awake
		p.awake = awake(p.def)
		switch {
		case !p.awake && p.index >= 0:
			heap.Remove(&a.queue, p.index)
		case p.awake && !was:
			p.at = time.Time{}
			heap.Push(&a.queue, p)
		case p.awake && p.def.Spec.MaxFailedRuns > 0:
			p.at = time.Time{}
			heap.Fix(&a.queue, p.index)
		}
	}
}

// rest is how long it is until the next appointment, at most so long; now is by this process's clock.
func (a *agenda) rest(now time.Time, most time.Duration) time.Duration {
	if len(a.queue) == 0 || a.ours.IsZero() {
		return most
	}
	return min(most, a.queue[0].at.Sub(a.theirs.Add(now.Sub(a.ours))))
}

// appointments are a heap, the earliest first.
type appointments []*appointment

func (q appointments) Len() int { return len(q) }

func (q appointments) Less(i, j int) bool {
	if c := q[i].at.Compare(q[j].at); c != 0 {
		return c < 0
	}
	return q[i].def.Spec.DAG < q[j].def.Spec.DAG
}

func (q appointments) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *appointments) Push(x any) {
	p := x.(*appointment)
	p.index = len(*q)
	*q = append(*q, p)
}

func (q *appointments) Pop() any {
	last := len(*q) - 1
	p := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	p.index = -1
	return p
}
