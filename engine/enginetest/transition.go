package enginetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// Transition implements engine.Dispatcher. Runs that there are not are left out; those found come in ascending order.
func (s *Store) Transition(ctx context.Context, t engine.Transition) error {
	return exec(ctx, s, "Transition", func(now time.Time) error {
		keys := slices.Clone(t.Runs)
		slices.Sort(keys)
		var runs []*run
		for _, k := range slices.Compact(keys) {
			if r := s.runs[k]; r != nil {
				runs = append(runs, r)
			}
		}
		return s.decide(runs, t, now)
	})
}

// decide is the transaction: what it found goes to decide, what that returns is stored. An error changes nothing.
func (s *Store) decide(runs []*run, t engine.Transition, now time.Time) error {
	found := s.find(t)
	changes, err := t.Decide(now, rowsOf(runs), found)
	if err == nil && s.Repeat {
		changes, err = t.Decide(now, rowsOf(runs), s.find(t))
	}
	if err != nil {
		return decideError{err}
	}
	for _, c := range changes {
		if err := check(c, runs, t.Worker, found.Worker); err != nil {
			return err
		}
	}
	for _, l := range t.Ends {
		if s.holder(l) != nil {
			s.dequeue(s.runs[l.Run], l.TaskKey)
		}
	}
	for _, c := range changes {
		s.apply(s.runs[c.Key], c, now)
	}
	return nil
}

// find tells what is still as the transition's caller believed.
func (s *Store) find(t engine.Transition) engine.Found {
	f := engine.Found{Held: make([]bool, len(t.Ends)), Due: make([]bool, len(t.Timers)), Wait: make([]bool, len(t.Waits)), Worker: s.workers[t.Worker] != nil}
	for i, l := range t.Ends {
		f.Held[i] = s.holder(l) != nil && !slices.Contains(t.Ends[:i], l)
	}
	for i, tm := range t.Timers {
		if r := s.runs[tm.Run]; r != nil {
			set := r.timers[keyOf(tm)]
			f.Due[i] = set != nil && set.DueAt.Equal(tm.DueAt)
		}
	}
	for i, w := range t.Waits {
		if r := s.runs[w.Run]; r != nil {
			is, ok := r.waits[w.TaskKey]
			f.Wait[i] = ok && is.Kind == w.Kind && is.DAG == w.DAG && is.RunID == w.RunID && is.Since.Equal(w.Since)
		}
	}
	return f
}

// rowsOf copies runs as a Decide sees them.
func rowsOf(runs []*run) []engine.RunRow {
	rows := make([]engine.RunRow, 0, len(runs))
	for _, r := range runs {
		row := copyRun(r.row)
		row.DAGPaused, row.DAGVersion = r.dag.status.Paused, r.dag.status.Version
		rows = append(rows, row)
	}
	return rows
}

// check refuses a change that reaches beyond the runs that are locked, or hands tasks over to a worker that was not found.
func check(c engine.RunChange, runs []*run, worker int64, alive bool) error {
	_, found := slices.BinarySearchFunc(sorted(runs), c.Key, func(r *run, k int64) int { return cmp.Compare(r.row.Key, k) })
	if !found {
		return fmt.Errorf("change of run %d, which is not one of the transition's", c.Key)
	}
	var keys []engine.TaskKey
	for _, q := range c.Enqueue {
		if leased(q.Lease) && (q.Worker != worker || !alive) {
			return fmt.Errorf("change of run %d hands task %q over to worker %d, which the transition did not find", c.Key, q.Task, q.Worker)
		}
		if q.Pool != "" && leased(q.Lease) {
			return fmt.Errorf("change of run %d hands task %q over, which takes slots of pool %q: only a claim counts those", c.Key, q.Task, q.Pool)
		}
		keys = append(keys, q.TaskKey)
	}
	for _, t := range c.Timers {
		keys = append(keys, t.TaskKey)
	}
	for _, a := range c.Attempts {
		keys = append(keys, a.TaskKey)
	}
	for _, w := range c.Waits {
		keys = append(keys, w.TaskKey)
	}
	for _, q := range c.Ask {
		keys = append(keys, q.TaskKey)
	}
	for _, k := range slices.Concat(keys, c.Dequeue, c.Cancel, c.Unwaits, c.Unask) {
		if k.Run != c.Key {
			return fmt.Errorf("change of run %d holds task %q of run %d", c.Key, k.Task, k.Run)
		}
	}
	return nil
}

func sorted(runs []*run) []*run {
	byKey := func(a, b *run) int { return cmp.Compare(a.row.Key, b.row.Key) }
	if !slices.IsSortedFunc(runs, byKey) {
		runs = slices.Clone(runs)
		slices.SortFunc(runs, byKey)
	}
	return runs
}

// apply stores a change: what is taken out first, then what is put in.
func (s *Store) apply(r *run, c engine.RunChange, now time.Time) {
	r.set(c)
	if c.Repin {
		s.repin(r, c.Pin)
	}
	for _, a := range c.Attempts {
		r.record(a, s.nextWrite())
	}
	for _, k := range c.Dequeue {
		s.dequeue(r, k)
	}
	for _, t := range c.Untimers {
		r.dropTimer(keyOf(t))
	}
	for _, q := range c.Enqueue {
		q.Queue = engine.PinnedTo(q.Queue, c.Pin)
		s.enqueue(r, q, now)
	}
	for _, k := range c.Cancel {
		if it := r.queue[k]; it != nil && leased(it.Lease) {
			it.cancelled = true
		}
	}
	for _, t := range c.Timers {
		s.setTimer(r, t)
	}
	for _, v := range c.Close {
		s.closeVirtuals(v, now)
	}
	r.wait(c.Waits, c.Unwaits)
	r.ask(c.Ask, c.Unask)
	s.update(c.Assets, now)
	s.emit(c.Events, now)
	s.call(c.Callbacks, now)
	s.note(c.Acts, now)
}

// set stores the fields of a change that are the run's own.
func (r *run) set(c engine.RunChange) {
	if r.row.State != c.State {
		r.change(c.State, r.row.Backfill)
	}
	r.row.States = bytes.Clone(c.States)
	r.row.Version, r.row.FailedTasks = c.Version, c.FailedTasks
	if c.StartedAt != nil {
		r.row.StartedAt = copyOf(c.StartedAt)
	}
	if c.EndedAt != nil {
		r.row.EndedAt = copyOf(c.EndedAt)
	}
	if c.Reopened {
		r.row.EndedAt = nil
	}
}
