package enginetest

import (
	"context"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// PruneRuns implements engine.Registry.
func (s *Store) PruneRuns(ctx context.Context, before time.Time, limit int, acts ...engine.AuditEntry) (int, error) {
	return s.prune(ctx, "PruneRuns", acts, func() int {
		told := map[int64]bool{}
		for _, m := range s.pending {
			told[m.row.Key.Run] = true
		}
		n := 0
		for key := int64(1); key <= s.lastRun && n < limit; key++ {
			r := s.runs[key]
			if r == nil || !r.row.State.Terminal() || !r.row.EndedAt.Before(before) || told[key] || r.dag.needs(r) {
				continue
			}
			s.forget(r)
			n++
		}
		return n
	})
}

// needs tells whether the DAG's next runs follow from r: its newest, and the newest of its schedule.
func (d *dag) needs(r *run) bool {
	if r == d.all[len(d.all)-1] {
		return true
	}
	if r.row.Type != engine.ScheduledRun {
		return false
	}
	for _, other := range d.all {
		if other.row.Type == engine.ScheduledRun && other.row.Logical.After(*r.row.Logical) {
			return false
		}
	}
	return true
}

// forget takes a run that is over away.
func (s *Store) forget(r *run) {
	d := r.dag
	r.leave()
	for k := range r.timers {
		r.dropTimer(k)
	}
	delete(s.runs, r.row.Key)
	delete(d.byID, r.row.RunID)
	delete(r.scope.waiting, r)
	if r.row.Logical != nil {
		delete(d.byDate, r.row.Logical.UnixNano())
	}
	for i, other := range d.all {
		if other == r {
			d.all = append(d.all[:i:i], d.all[i+1:]...)
			break
		}
	}
	for k := range s.logs {
		if k.Run == r.row.Key {
			delete(s.logs, k)
		}
	}
}

// PruneAssetEvents implements engine.Registry.
func (s *Store) PruneAssetEvents(ctx context.Context, before time.Time, limit int, acts ...engine.AuditEntry) (int, error) {
	return s.prune(ctx, "PruneAssetEvents", acts, func() int {
		needed := map[int64]bool{}
		for _, d := range s.dags {
			for id := range d.pending {
				needed[id] = true
			}
		}
		for _, r := range s.runs {
			for _, id := range r.events {
				needed[id] = true
			}
		}
		newest := map[string]int64{}
		for _, e := range s.assets {
			newest[e.Asset] = e.ID
		}
		n := 0
		for _, e := range s.assets {
			if n < limit && e.At.Before(before) && !needed[e.ID] && !s.noAssets[e.ID] && newest[e.Asset] != e.ID {
				if s.noAssets == nil {
					s.noAssets = map[int64]bool{}
				}
				s.noAssets[e.ID] = true
				n++
			}
		}
		return n
	})
}
