package enginetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// Leases implements engine.Reader. A limit of 0 is none.
func (s *Store) Leases(ctx context.Context, dag, pool string, limit int) ([]engine.QueueRow, int, error) {
	p, err := query(ctx, s, "Leases", func(time.Time) (page[engine.QueueRow], error) {
		var fit []*item
		for _, items := range s.held {
			for it := range items {
				if dag != "" && it.DAG == dag || dag == "" && it.Pool == pool {
					fit = append(fit, it)
				}
			}
		}
		slices.SortFunc(fit, func(a, b *item) int { return cmp.Or(a.leasedAt.Compare(b.leasedAt), cmp.Compare(a.id, b.id)) })
		return pageOf(fit, limit, 0, func(it *item) engine.QueueRow {
			row := s.queueRow(it)
			row.RunID = it.run.row.RunID
			return row
		}), nil
	})
	return p.rows, p.total, err
}
