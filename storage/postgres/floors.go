package postgres

import (
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// What is claimed and done leaves entries behind in the index of ready tasks. As long as some transaction's snapshot may still see them they
// cannot be cleaned away, and every claim would pass them all. So a process remembers, of the DAGs of which it claims much, how far down
// their order it has come, and claims from there: its floors. A task that comes in below one (its transaction took longer to commit than
// floorLag, or another process had it locked and gave it up) is found by a look without floors, which there is every second or, where looks
// are dear, so seldom that they take a twentieth of the time.
const (
	floorFrom   = 2000 // tasks claimed of a DAG before it gets floors
	floorLag    = 100 * time.Millisecond
	lookEvery   = time.Second
	lookShare   = 20 // a look that takes d is due again after 20 d
	mostFloored = 8  // priorities of a DAG
)

// A span is a part of a DAG's ready tasks: those of one priority from a floor on, or all of the priorities from hi down to lo.
type span struct {
	hi, lo int32
	floor  int64
}

// all is a DAG's ready tasks without a floor.
var all = span{hi: math.MaxInt32, lo: math.MinInt32}

// floors are those of a process. The zero value is ready.
type floors struct {
	mu   sync.Mutex
	dags map[string]*floored
}

// floored is a DAG with floors, or on its way to them, among the tasks of certain queues.
type floored struct {
	claimed int
	of      map[int32]*floor // by priority
	looked  time.Time        // when it was last looked at without floors
	every   time.Duration
}

// A floor is raised in two steps, so that it lags behind.
type floor struct {
	now  int64
	next int64
	at   time.Time // when next was set
}

func floorKey(dag string, queues []string) string { return dag + "\x00" + strings.Join(queues, "\x00") }

// spans are the parts of a DAG's ready tasks to look at, in the order of their priorities, without what has been passed; look tells that it
// is all of them, to be told by [floors.lookedAt].
func (f *floors) spans(dag string, queues []string, now time.Time) (out []span, look bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.dags[floorKey(dag, queues)]
	if d == nil || d.claimed < floorFrom || len(d.of) > mostFloored || now.Sub(d.looked) >= d.every {
		return []span{all}, d != nil
	}
	priorities := make([]int32, 0, len(d.of))
	for p := range d.of {
		priorities = append(priorities, p)
	}
	slices.Sort(priorities)
	above := all.hi
	for _, p := range slices.Backward(priorities) {
		if p < above {
			out = append(out, span{hi: above, lo: p + 1})
		}
		out = append(out, span{hi: p, lo: p, floor: d.of[p].now})
		if p == all.lo {
			return out, false
		}
		above = p - 1
	}
	return append(out, span{hi: above, lo: all.lo}), false
}

// lookedAt notes that DAGs were looked at without floors, and how long that took.
func (f *floors) lookedAt(dags, queues []string, now time.Time, took time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range dags {
		if d := f.dags[floorKey(id, queues)]; d != nil {
			d.looked, d.every = now, max(lookEvery, lookShare*took)
		}
	}
}

// place is where a task stood in its DAG's order.
type place struct {
	priority int32
	seq      int64
}

// took raises the floors to the last tasks that were claimed.
func (f *floors) took(leased []engine.Leased, places []place, queues []string, now time.Time) {
	if len(leased) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dags == nil {
		f.dags = map[string]*floored{}
	}
	type rung struct {
		dag      string
		priority int32
	}
	last := map[rung]int64{}
	count := map[string]int{}
	for i := range leased {
		r := rung{leased[i].DAG, places[i].priority}
		last[r] = max(last[r], places[i].seq)
		count[leased[i].DAG]++
	}
	for dag, n := range count {
		k := floorKey(dag, queues)
		if f.dags[k] == nil {
			f.dags[k] = &floored{of: map[int32]*floor{}}
		}
		f.dags[k].claimed += n
	}
	for r, seq := range last {
		f.dags[floorKey(r.dag, queues)].raise(r.priority, seq, now)
	}
}

func (d *floored) raise(priority int32, seq int64, now time.Time) {
	p := d.of[priority]
	switch {
	case p == nil && len(d.of) <= mostFloored:
		d.of[priority] = &floor{next: seq, at: now}
	case p != nil && now.Sub(p.at) >= floorLag:
		p.now, p.next, p.at = max(p.now, p.next), max(p.next, seq), now
	}
}
