package enginetest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// A page is a part of what fits a filter, and how many fit in all.
type page[T any] struct {
	rows  []T
	total int
}

// pageOf cuts a page and copies its rows. A limit of 0 is none.
func pageOf[E, T any](fit []E, limit, offset int, row func(E) T) page[T] {
	p := page[T]{total: len(fit)}
	fit = fit[min(offset, len(fit)):]
	if limit > 0 {
		fit = fit[:min(limit, len(fit))]
	}
	if len(fit) > 0 {
		p.rows = make([]T, len(fit))
	}
	for i, e := range fit {
		p.rows[i] = row(e)
	}
	return p
}

// DAGStatuses implements engine.Reader: by id.
func (s *Store) DAGStatuses(ctx context.Context) ([]engine.DAGStatus, error) {
	return query(ctx, s, "DAGStatuses", func(time.Time) ([]engine.DAGStatus, error) {
		var out []engine.DAGStatus
		for _, id := range slices.Sorted(maps.Keys(s.dags)) {
			out = append(out, s.dags[id].now())
		}
		return out, nil
	})
}

// Spec implements engine.Reader.
func (s *Store) Spec(ctx context.Context, id, version string) (engine.Spec, error) {
	return query(ctx, s, "Spec", func(time.Time) (engine.Spec, error) {
		d, err := s.dag(id)
		if err != nil {
			return engine.Spec{}, err
		}
		spec, ok := d.specs[version]
		if !ok {
			return engine.Spec{}, fmt.Errorf("version %q of DAG %q: %w", version, id, engine.ErrNotFound)
		}
		return copySpec(spec), nil
	})
}

// DAGVersions implements engine.Reader.
func (s *Store) DAGVersions(ctx context.Context, id string) ([]engine.DAGVersion, error) {
	return query(ctx, s, "DAGVersions", func(time.Time) ([]engine.DAGVersion, error) {
		if d := s.dags[id]; d != nil {
			return slices.Clone(d.versions), nil
		}
		return nil, nil
	})
}

// Workers implements engine.Reader: by id.
func (s *Store) Workers(ctx context.Context) ([]engine.WorkerRow, error) {
	return query(ctx, s, "Workers", func(time.Time) ([]engine.WorkerRow, error) {
		var out []engine.WorkerRow
		for _, id := range slices.Sorted(maps.Keys(s.workers)) {
			row := s.workers[id].row
			row.WorkerInfo = copyWorkerInfo(row.WorkerInfo)
			row.Leases = len(s.held[id])
			out = append(out, row)
		}
		return out, nil
	})
}

// Queue implements engine.Reader: by run, then oldest first.
func (s *Store) Queue(ctx context.Context, runs []int64) ([]engine.QueueRow, error) {
	return query(ctx, s, "Queue", func(time.Time) ([]engine.QueueRow, error) {
		var out []engine.QueueRow
		for _, r := range s.found(runs) {
			items := slices.Collect(maps.Values(r.queue))
			sortItems(items)
			for _, it := range items {
				out = append(out, s.queueRow(it))
			}
		}
		return out, nil
	})
}

func (s *Store) queueRow(it *item) engine.QueueRow {
	row := engine.QueueRow{
		TaskKey: it.TaskKey, DAG: it.DAG, Try: it.Try, Priority: it.Priority, Queue: queueName(it.QueueItem.Queue),
		QueuedAt: it.queuedAt, Leased: leased(it.Lease), Cancelled: it.cancelled, Pool: it.Pool, Slots: it.Slots,
	}
	if row.Leased {
		row.LeasedAt, row.WorkerID = copyOf(&it.leasedAt), it.Worker
		if w := s.workers[it.Worker]; w != nil {
			row.Worker = w.row.Name
		}
	}
	return row
}

// Attempts implements engine.Reader.
func (s *Store) Attempts(ctx context.Context, runs []int64, task string) ([]engine.Attempt, error) {
	return query(ctx, s, "Attempts", func(time.Time) ([]engine.Attempt, error) {
		var found []*attempt
		for _, r := range s.found(runs) {
			for name, elems := range r.attempts {
				if task == "" || task == name {
					found = append(found, slices.Concat(slices.Collect(maps.Values(elems))...)...)
				}
			}
		}
		slices.SortFunc(found, older)
		var out []engine.Attempt
		for _, a := range found {
			row := copyAttempt(a.Attempt)
			row.Output, row.Inputs = nil, nil
			out = append(out, row)
		}
		return out, nil
	})
}

// Attempt implements engine.Reader.
func (s *Store) Attempt(ctx context.Context, key engine.TaskKey, try int) (engine.Attempt, error) {
	return query(ctx, s, "Attempt", func(time.Time) (engine.Attempt, error) {
		if r := s.runs[key.Run]; r != nil {
			a := latest(r.attempts[key.Task][key.MapIndex], func(a *attempt) bool { return try == -1 || a.Try == try })
			if a != nil {
				return copyAttempt(a.Attempt), nil
			}
		}
		return engine.Attempt{}, fmt.Errorf("attempt %d of task %q of run %d: %w", try, key.Task, key.Run, engine.ErrNotFound)
	})
}

// Timers implements engine.Reader: by run, then by when they are due.
func (s *Store) Timers(ctx context.Context, runs []int64) ([]engine.Timer, error) {
	return query(ctx, s, "Timers", func(time.Time) ([]engine.Timer, error) {
		var out []engine.Timer
		for _, r := range s.found(runs) {
			set := slices.Collect(maps.Values(r.timers))
			sortTimers(set)
			out = append(out, timersOf(set)...)
		}
		return out, nil
	})
}

func sortTimers(ts []*timer) {
	slices.SortFunc(ts, func(a, b *timer) int { return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.order, b.order)) })
}

func timersOf(ts []*timer) []engine.Timer {
	var out []engine.Timer
	for _, t := range ts {
		out = append(out, t.Timer)
	}
	return out
}

// Virtuals implements engine.Reader: by run, in the order in which they were first reported.
func (s *Store) Virtuals(ctx context.Context, runs []int64) ([]engine.VirtualRow, error) {
	return query(ctx, s, "Virtuals", func(time.Time) ([]engine.VirtualRow, error) {
		var out []engine.VirtualRow
		for _, r := range s.found(runs) {
			for _, v := range r.virtuals {
				out = append(out, engine.VirtualRow{Runner: v.runner, VirtualState: copyVirtual(v.state)})
			}
		}
		return out, nil
	})
}

// found returns those of the runs that there are, each once, by key.
func (s *Store) found(keys []int64) []*run {
	var out []*run
	for _, k := range slices.Compact(slices.Sorted(slices.Values(keys))) {
		if r := s.runs[k]; r != nil {
			out = append(out, r)
		}
	}
	return out
}
