package enginetest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// DAGStatus implements engine.Reader.
func (s *Store) DAGStatus(ctx context.Context, id string) (engine.DAGStatus, error) {
	return query(ctx, s, "DAGStatus", func(time.Time) (engine.DAGStatus, error) {
		d, err := s.dag(id)
		if err != nil {
			return engine.DAGStatus{}, err
		}
		return d.now(), nil
	})
}

// DAGHeads implements engine.Reader: by id.
func (s *Store) DAGHeads(ctx context.Context, dags ...string) ([]engine.DAGStatus, error) {
	return query(ctx, s, "DAGHeads", func(time.Time) ([]engine.DAGStatus, error) {
		if len(dags) == 0 {
			dags = slices.Collect(maps.Keys(s.dags))
		}
		var out []engine.DAGStatus
		for _, d := range s.known(dags) {
			out = append(out, d.head())
		}
		slices.SortFunc(out, func(a, b engine.DAGStatus) int { return cmp.Compare(a.ID, b.ID) })
		return out, nil
	})
}

// Standings implements engine.Reader.
func (s *Store) Standings(ctx context.Context) ([]engine.Standing, error) {
	return query(ctx, s, "Standings", func(time.Time) ([]engine.Standing, error) {
		out := make([]engine.Standing, 0, len(s.dags))
		for id, d := range s.dags {
			out = append(out, engine.Standing{ID: id, Version: d.status.Version, Paused: d.status.Paused})
		}
		return out, nil
	})
}

// Ready implements engine.Dispatcher.
func (s *Store) Ready(ctx context.Context, dags, queues []string) ([]string, error) {
	return query(ctx, s, "Ready", func(time.Time) ([]string, error) {
		var out []string
		for _, id := range dags {
			d := s.dags[id]
			if d == nil || d.status.Paused {
				continue
			}
			if slices.ContainsFunc(queues, func(q string) bool { return d.ready[q] != nil && d.ready[q].Len() > 0 }) {
				out = append(out, id)
			}
		}
		return out, nil
	})
}
