package enginetest

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

// An item is a row of the queue: ready, or leased.
type item struct {
	engine.QueueItem
	id        int64 // rising: its age
	run       *run
	index     int // in its DAG's pile, while it is ready
	queuedAt  time.Time
	leasedAt  time.Time
	cancelled bool
}

func (it *item) lease() engine.Lease { return engine.Lease{TaskKey: it.TaskKey, ID: it.Lease} }

// claimedBefore is the order within a DAG: the higher priority, then the older.
func claimedBefore(a, b *item) bool {
	if a.Priority != b.Priority {
		return a.Priority > b.Priority
	}
	return a.id < b.id
}

// holder returns the row that still carries a lease, or nil.
func (s *Store) holder(l engine.Lease) *item {
	r := s.runs[l.Run]
	if r == nil || !leased(l.ID) {
		return nil
	}
	if it := r.queue[l.TaskKey]; it != nil && it.Lease == l.ID {
		return it
	}
	return nil
}

// enqueue puts an item into the queue in place of what the instance had there, leased when it is handed over to a worker
// that has a row.
func (s *Store) enqueue(r *run, q engine.QueueItem, now time.Time) {
	s.dequeue(r, q.TaskKey)
	s.lastItem++
	it := &item{QueueItem: q, id: s.lastItem, run: r, queuedAt: now}
	it.Lease, it.Worker = uuid.Nil, 0
	r.queue[it.TaskKey] = it
	if leased(q.Lease) && s.workers[q.Worker] != nil {
		s.grant(it, q.Worker, q.Lease, now)
		return
	}
	r.dag.put(it)
}

// pileOf is where the ready tasks of a queue are.
func (d *dag) pileOf(queue string) *pile[*item] {
	p := d.ready[queue]
	if p == nil {
		p = newPile(claimedBefore, func(it *item) *int { return &it.index })
		d.ready[queue] = p
	}
	return p
}

// put puts an item among the ready ones, and take takes it out.
func (d *dag) put(it *item) {
	d.pileOf(it.Queue).put(it)
	d.waiting++
}

func (d *dag) take(it *item) {
	d.ready[it.Queue].remove(it)
	d.waiting--
}

// queueName is the name of a queue without the version that its tasks may be pinned to.
func queueName(queue string) string {
	name, _, _ := strings.Cut(queue, "@")
	return name
}

// grant leases an item that is in no pile.
func (s *Store) grant(it *item, worker int64, lease uuid.UUID, now time.Time) {
	it.Lease, it.Worker, it.leasedAt = lease, worker, now
	it.run.dag.leased++
	s.usePool(it, +1)
	it.run.dag.leasedOf[it.Task]++
	if s.held[worker] == nil {
		s.held[worker] = map[*item]struct{}{}
	}
	s.held[worker][it] = struct{}{}
}

// dequeue takes an instance out of the queue, whatever its lease.
func (s *Store) dequeue(r *run, key engine.TaskKey) {
	it := r.queue[key]
	if it == nil {
		return
	}
	delete(r.queue, key)
	if !leased(it.Lease) {
		r.dag.take(it)
		return
	}
	r.dag.leased--
	s.usePool(it, -1)
	r.dag.leasedOf[it.Task]--
	delete(s.held[it.Worker], it)
	if len(s.held[it.Worker]) == 0 {
		delete(s.held, it.Worker)
	}
}
