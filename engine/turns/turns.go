// Package turns shares out a process's slots over DAGs: each that has ready tasks gets slots in proportion to its weight, whatever
// the others have, over any stretch of time. Both stores claim by it.
//
// It is start-time fair queueing. Each DAG has a time of its own that one slot moves on by 1/weight; the next slot goes to the DAG
// whose time is lowest. A DAG that had nothing to run meanwhile joins at the present and so catches up on nothing.
package turns

import (
	"sync"

	"github.com/tidemill/tidemill/engine"
)

// Turns remembers whose turn it is. The zero value is ready for use, by many goroutines at once.
type Turns struct {
	mu   sync.Mutex
	now  float64            // when the slot given last was due
	next map[string]float64 // by DAG: when its next slot is due
}

// Step is how far a slot moves a DAG of this weight on. A weight below 1 counts as 1.
func Step(weight int) float64 { return 1 / float64(max(1, weight)) }

// Due returns when the next slot of each DAG is due, in order: 0 is now, and the lowest goes first.
func (t *Turns) Due(dags []engine.ClaimDAG) []float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]float64, len(dags))
	for i, d := range dags {
		out[i] = max(0, t.next[d.ID]-t.now)
	}
	return out
}

// Took takes down how many slots each DAG got in one claim.
func (t *Turns) Took(dags []engine.ClaimDAG, leased []engine.Leased) {
	if len(leased) == 0 {
		return
	}
	got := map[string]int{}
	for i := range leased {
		got[leased[i].DAG]++
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next == nil {
		t.next = map[string]float64{}
	}
	last := t.now
	for _, d := range dags {
		n := got[d.ID]
		if n == 0 {
			continue
		}
		delete(got, d.ID) // a DAG named twice counts once
		start, step := max(t.next[d.ID], t.now), Step(d.Weight)
		last = max(last, start+float64(n-1)*step)
		t.next[d.ID] = start + float64(n)*step
	}
	t.now = last
}

// Share says how many of n slots each DAG gets when all have as many ready tasks as they have room for. due is what [Turns.Due]
// returned for them; of two that are due at once the one named first goes first.
func Share(dags []engine.ClaimDAG, due []float64, n int) []int {
	out := make([]int, len(dags))
	for range n {
		best := -1
		var at float64
		for i, d := range dags {
			mine := due[i] + float64(out[i])*Step(d.Weight)
			if out[i] < d.Room && (best < 0 || mine < at) {
				best, at = i, mine
			}
		}
		if best < 0 {
			break
		}
		out[best]++
	}
	return out
}
