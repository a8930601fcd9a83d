package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

const (
	lockLease = `SELECT FROM tidemill.task_queue WHERE run_id = $1 AND task_id = $2 AND map_index = $3 AND lease = $4 FOR KEY SHARE`

	upsertNode = `INSERT INTO tidemill.virtual_nodes (run_id, task_id, map_index, node_id, state, started_at, ended_at, message, details, upstream, try)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (run_id, task_id, map_index, node_id) DO UPDATE SET state = excluded.state, started_at = excluded.started_at,
			ended_at = excluded.ended_at, message = excluded.message, details = excluded.details, upstream = excluded.upstream, try = excluded.try`
)

// ReportVirtual implements engine.Dispatcher. The lease stays in place until the report is stored.
func (s *Store) ReportVirtual(ctx context.Context, lease engine.Lease, nodes []engine.VirtualState) error {
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, lockLease, lease.Run, lease.Task, lease.MapIndex, nullable(lease.ID))
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return final{engine.ErrLostLease}
		}
		b := &pgx.Batch{}
		for _, n := range nodes {
			b.Queue(upsertNode, lease.Run, lease.Task, lease.MapIndex, n.ID, string(n.State), n.StartedAt, n.EndedAt, clean(n.Message),
				n.Details, n.Upstream, n.Try)
		}
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return fmt.Errorf("report %d virtual nodes of task %q of run %d: %w", len(nodes), lease.Task, lease.Run, err)
	}
	return nil
}

// Virtuals implements engine.Reader: by run, in the order in which they were first reported.
func (s *Store) Virtuals(ctx context.Context, runs []int64) ([]engine.VirtualRow, error) {
	out, err := query(ctx, s.look, func(row pgx.CollectableRow) (v engine.VirtualRow, err error) {
		return v, row.Scan(&v.Runner.Run, &v.Runner.Task, &v.Runner.MapIndex, &v.ID, (*string)(&v.State), &v.StartedAt, &v.EndedAt, &v.Message,
			&v.Details, &v.Upstream, &v.Try)
	}, `SELECT run_id, task_id, map_index, node_id, state, started_at, ended_at, message, details, upstream, try
		FROM tidemill.virtual_nodes WHERE run_id = ANY($1) ORDER BY run_id, seq`, runs)
	if err != nil {
		return nil, fmt.Errorf("read virtual nodes: %w", err)
	}
	return out, nil
}
