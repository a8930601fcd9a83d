package engine

import (
	"maps"
	"sync"

	"github.com/google/uuid"
)

// slotPool counts a process's free slots, and how many tasks of each DAG hold one.
type slotPool struct {
	mu    sync.Mutex
	total int
	used  int
	byDAG map[string]int
}

func newSlotPool(n int) *slotPool { return &slotPool{total: n, byDAG: map[string]int{}} }

func (s *slotPool) free() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total - s.used
}

// dags is how many tasks of each DAG hold a slot.
func (s *slotPool) dags() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.byDAG)
}

func (s *slotPool) take(dag string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used++
	s.byDAG[dag]++
}

func (s *slotPool) give(dag string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	if s.byDAG[dag]--; s.byDAG[dag] == 0 {
		delete(s.byDAG, dag)
	}
}

// leaseSet is the attempts that this process runs.
type leaseSet struct {
	mu sync.Mutex
	m  map[leaseKey]*attempt
}

type leaseKey struct {
	TaskKey
	id uuid.UUID
}

func keyOf(l Lease) leaseKey { return leaseKey{l.TaskKey, l.ID} }

func newLeaseSet() *leaseSet { return &leaseSet{m: map[leaseKey]*attempt{}} }

func (s *leaseSet) add(a *attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[keyOf(a.Lease)] = a
}

func (s *leaseSet) remove(l Lease) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, keyOf(l))
}

func (s *leaseSet) get(l Lease) (*attempt, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.m[keyOf(l)]
	return a, ok
}

func (s *leaseSet) all() []*attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*attempt, 0, len(s.m))
	for _, a := range s.m {
		out = append(out, a)
	}
	return out
}
