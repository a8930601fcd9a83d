package enginetest

import (
	"context"
	"time"

	"github.com/tidemill/tidemill/engine"
)

type timer struct {
	engine.Timer
	order int64 // of two due at once the one set earlier comes first
	index int   // in its DAG's pile
}

// A timerKey is what there is one timer of.
type timerKey struct {
	engine.TaskKey
	kind engine.TimerKind
}

func keyOf(t engine.Timer) timerKey { return timerKey{t.TaskKey, t.Kind} }

func timerLess(a, b *timer) bool {
	if !a.DueAt.Equal(b.DueAt) {
		return a.DueAt.Before(b.DueAt)
	}
	return a.order < b.order
}

func (s *Store) setTimer(r *run, t engine.Timer) {
	r.dropTimer(keyOf(t))
	if r.timers == nil {
		r.timers = map[timerKey]*timer{}
	}
	tm := &timer{Timer: t, order: s.nextWrite()}
	r.timers[keyOf(t)] = tm
	r.scope.timers.put(tm)
}

func (r *run) dropTimer(k timerKey) {
	if t := r.timers[k]; t != nil {
		delete(r.timers, k)
		r.scope.timers.remove(t)
	}
}

// timed tells whether a timer of one of the run's tasks is set.
func (r *run) timed() bool {
	for k := range r.timers {
		if k.Task != "" {
			return true
		}
	}
	return false
}

// DueTimers implements engine.Dispatcher: the longest due first.
func (s *Store) DueTimers(ctx context.Context, dags []string, limit int) ([]engine.Timer, error) {
	return query(ctx, s, "DueTimers", func(now time.Time) ([]engine.Timer, error) {
		var due []*timer
		for _, d := range s.scoped(dags) {
			due = append(due, d.due(now, limit)...)
		}
		sortTimers(due)
		return timersOf(due[:min(len(due), limit)]), nil
	})
}

// due returns the first timers that are due, up to a limit.
func (d *scope) due(now time.Time, limit int) []*timer {
	var out []*timer
	for len(out) < limit {
		t, ok := d.timers.first()
		if !ok || t.DueAt.After(now) {
			break
		}
		out = append(out, d.timers.takeFirst())
	}
	d.timers.putAll(out)
	return out
}

// NextTimer implements engine.Dispatcher.
func (s *Store) NextTimer(ctx context.Context, dags []string) (time.Time, error) {
	return query(ctx, s, "NextTimer", func(time.Time) (time.Time, error) {
		var next time.Time
		for _, d := range s.scoped(dags) {
			if t, ok := d.timers.first(); ok && (next.IsZero() || t.DueAt.Before(next)) {
				next = t.DueAt
			}
		}
		return next, nil
	})
}
