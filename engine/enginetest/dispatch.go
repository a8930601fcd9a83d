package enginetest

import (
	"context"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// StartRuns implements engine.Dispatcher. A limit of 0 is none.
func (s *Store) StartRuns(ctx context.Context, dags []string, limit int, decide engine.Decide) (int, error) {
	return query(ctx, s, "StartRuns", func(now time.Time) (int, error) {
		picked := s.startable(dags, limit)
		if len(picked) == 0 {
			return 0, nil
		}
		if err := s.decide(picked, engine.Transition{Decide: decide}, now); err != nil {
			return 0, err
		}
		return len(picked), nil
	})
}

// A waiting is a group of queued runs of which some may start.
type waiting struct {
	queued *pile[*run]
	room   int
	index  int
}

// startable returns the runs to start next, in order.
func (s *Store) startable(dags []string, limit int) []*run {
	groups := newPile(func(a, b *waiting) bool { return startsBefore(a.queued.elems[0], b.queued.elems[0]) }, func(g *waiting) *int { return &g.index })
	for _, d := range s.known(dags) {
		groups.putAll(s.waiting(d))
	}
	var picked []*run
	for len(picked) < limit && groups.Len() > 0 {
		g := groups.takeFirst()
		picked = append(picked, g.queued.takeFirst())
		if g.room--; g.room > 0 {
			groups.put(g)
		}
	}
	for _, r := range picked { // they are queued until decided
		r.dag.groups[r.row.Backfill].queued.put(r)
	}
	return picked
}

func (s *Store) waiting(d *dag) []*waiting {
	if d.status.Paused {
		return nil
	}
	var out []*waiting
	for id, g := range d.groups {
		limit := d.status.MaxActiveRuns
		if b := s.backfill(id); b != nil {
			if b.row.Paused {
				continue
			}
			limit = b.row.MaxActiveRuns
		}
		room := g.queued.Len()
		if limit > 0 {
			room = max(0, min(room, limit-g.running))
		}
		if room > 0 {
			out = append(out, &waiting{queued: g.queued, room: room})
		}
	}
	return out
}

// Idle implements engine.Dispatcher. A run's own timer (its deadline) does not keep it from being idle: it moves nothing.
func (s *Store) Idle(ctx context.Context, dags []string, limit int) ([]int64, error) {
	return query(ctx, s, "Idle", func(time.Time) ([]int64, error) {
		var out []int64
		for _, d := range s.known(dags) {
			for r := range d.running {
				if len(r.queue) == 0 && !r.timed() && len(r.waits) == 0 && !r.asking() {
					out = append(out, r.row.Key)
				}
			}
		}
		slices.Sort(out)
		return out[:min(len(out), limit)], nil
	})
}
