package enginetest

import (
	"context"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// DAGHeads implements engine.Reader.
func (s *Store) DAGHeads(ctx context.Context) ([]engine.DAGStatus, error) {
	all, err := s.DAGStatuses(ctx)
	for i := range all {
		all[i].Spec = engine.Spec{}
	}
	return all, err
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
