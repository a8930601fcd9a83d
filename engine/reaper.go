package engine

import (
	"context"
	"time"
)

// orphanBatch bounds how many leases of dead workers are ended at once.
const orphanBatch = 500

// An observer tells which workers are dead: those whose counter stood still while this process itself beat without a gap for the
// whole timeout. Silence is measured on the observer's own clock, so wrong clocks do not matter, and after an outage of the
// database nobody kills everybody.
type observer struct {
	timeout time.Duration
	gap     time.Duration // longest time between own beats that counts as none
	seen    map[int64]sighting
	names   map[int64]string // of all workers that were ever seen: history tells them when they have no row any more
	beating time.Time        // since when this process beats without a gap
	last    time.Time        // its last own beat
}

type sighting struct {
	beats int64
	since time.Time
}

func newObserver(timeout, gap time.Duration) *observer {
	return &observer{timeout: timeout, gap: gap, seen: map[int64]sighting{}, names: map[int64]string{}}
}

// look takes in the workers' counters at now, given how long ago this process last beat successfully, and returns who is dead.
func (o *observer) look(now time.Time, sinceBeat time.Duration, self int64, workers []WorkerRow) []int64 {
	if sinceBeat > o.gap || o.last.IsZero() || now.Sub(o.last) > o.gap {
		o.beating = now // a gap: everybody's silence is measured anew
		o.seen = map[int64]sighting{}
	}
	o.last = now
	var dead []int64
	present := make(map[int64]bool, len(workers))
	for _, w := range workers {
		present[w.ID] = true
		o.names[w.ID] = w.Name
		s, ok := o.seen[w.ID]
		if !ok || s.beats != w.Beats {
			o.seen[w.ID] = sighting{w.Beats, now}
			continue
		}
		if w.ID != self && now.Sub(s.since) >= o.timeout && now.Sub(o.beating) >= o.timeout {
			dead = append(dead, w.ID)
		}
	}
	for id := range o.seen {
		if !present[id] {
			delete(o.seen, id)
		}
	}
	return dead
}

// rest is how long after now to look again: until the first worker that is silent since its last sighting would be dead, at most so long.
func (o *observer) rest(now time.Time, self int64, most time.Duration) time.Duration {
	for id, s := range o.seen {
		since := s.since
		if o.beating.After(since) {
			since = o.beating
		}
		if left := since.Add(o.timeout).Sub(now); id != self && left > 0 {
			most = min(most, left)
		}
	}
	return most
}

// reap buries dead workers and ends the attempts that they left, until ctx ends.
func (r *Runtime) reap(ctx context.Context) {
	o := newObserver(r.cfg.DeadAfter, 2*r.cfg.Heartbeat+time.Second)
	for r.pause(ctx, o.rest(r.clock.Now(), r.worker.Load(), r.cfg.Heartbeat)) {
		r.reapOnce(ctx, o)
	}
}

// reapOnce is one round of reap.
func (r *Runtime) reapOnce(ctx context.Context, o *observer) {
	workers, err := r.store.Workers(ctx)
	if err != nil {
		r.warn(ctx, "read workers", err)
		return
	}
	if dead := o.look(r.clock.Now(), r.sinceBeat(), r.worker.Load(), workers); len(dead) > 0 {
		r.log.Warn("workers are dead: no heartbeat", "workers", dead, "timeout", r.cfg.DeadAfter)
		if err := r.store.Bury(ctx, dead); err != nil {
			r.warn(ctx, "bury dead workers", err)
			return
		}
	}
	if err := r.endOrphans(ctx, o.names); err != nil {
		r.warn(ctx, "end attempts of dead workers", err)
	}
}

// endOrphans ends every lease whose worker has no row as lost; names are those of workers by their ids.
func (r *Runtime) endOrphans(ctx context.Context, names map[int64]string) error {
	orphans, err := r.store.Orphans(ctx, orphanBatch)
	if err != nil || len(orphans) == 0 {
		return err
	}
	return r.endElsewhere(ctx, orphans, AttemptEnd{Ending: EndLost, Error: "its worker died or was cut off"}, names)
}

// endElsewhere ends leases that no body in this process stands for. Those of DAGs that this process does not have are left. names are those of
// workers that may have no row any more.
func (r *Runtime) endElsewhere(ctx context.Context, leases []Lease, end AttemptEnd, names map[int64]string) error {
	rowsOf := map[int64][]Lease{}
	for _, l := range leases {
		rowsOf[l.Run] = append(rowsOf[l.Run], l)
	}
	rows, err := r.store.RunsByKey(ctx, sortedKeys(rowsOf))
	if err != nil {
		return err
	}
	queue, err := r.store.Queue(ctx, sortedKeys(rowsOf))
	if err != nil {
		return err
	}
	seen := map[TaskKey]QueueRow{}
	for _, q := range queue {
		seen[q.TaskKey] = q
	}
	t := Transition{}
	defs := map[int64]*Definition{}
	for _, row := range rows {
		if d, ok := r.catalog.DAG(row.DAG); ok {
			defs[row.Key] = d
			t.Runs = append(t.Runs, row.Key)
			t.Ends = append(t.Ends, rowsOf[row.Key]...)
		}
	}
	if len(t.Ends) == 0 {
		return nil
	}
	chance := random()
	t.Decide = func(now time.Time, rows []RunRow, found Found) ([]RunChange, error) {
		var changes []RunChange
		for _, row := range rows {
			m, err := r.machine(now, row, actor{build: r.cfg.Build})
			if err != nil {
				return nil, err
			}
			ended := false
			for i, l := range t.Ends {
				if l.Run != row.Key || !found.Held[i] {
					continue
				}
				e := end
				e.Lease, e.Random = l, chance
				q := seen[l.TaskKey]
				e.Try, e.StartedAt, e.QueuedAt = q.Try, q.LeasedAt, &q.QueuedAt
				if m.who.worker = q.Worker; m.who.worker == "" {
					m.who.worker = names[q.WorkerID]
				}
				m.endAttempt(e)
				ended = true
			}
			if ended {
				m.settle()
				changes = append(changes, m.result())
			}
		}
		return changes, nil
	}
	if err := r.versions.transition(ctx, t); err != nil {
		return err
	}
	r.wakeAll()
	return nil
}

// machine makes the machine of a run whose DAG this process has.
func (r *Runtime) machine(now time.Time, row RunRow, who actor) (*machine, error) {
	return r.machineIn(new(scratch), now, row, who)
}

// machineIn is machine in some room: the machine made there before is of no use any more.
func (r *Runtime) machineIn(room *scratch, now time.Time, row RunRow, who actor) (*machine, error) {
	d := r.catalog.defs[row.DAG]
	v, err := r.versions.of(d, row)
	if err != nil {
		return nil, err
	}
	return room.machine(d, now, row, v, who)
}

func (r *Runtime) warn(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		r.log.Warn(what, "error", err)
	}
}
