package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

// pruneCandidates are runs that may go, the oldest first: a scan of the table's first rows, since those before are gone.
const pruneCandidates = `SELECT r.id FROM tidemill.runs r
	WHERE r.state IN ('success', 'failed') AND r.ended_at < $1
		AND r.id <> (SELECT max(n.id) FROM tidemill.runs n WHERE n.dag_id = r.dag_id)
		AND NOT (r.run_type = 'scheduled' AND NOT EXISTS (
			SELECT FROM tidemill.runs n WHERE n.dag_id = r.dag_id AND n.run_type = 'scheduled' AND n.logical_date > r.logical_date))
		AND NOT EXISTS (SELECT FROM tidemill.outbox o WHERE o.state = 'pending' AND o.run_id = r.id)
	ORDER BY r.id LIMIT $2 FOR UPDATE SKIP LOCKED`

// PruneRuns implements engine.Registry. What has no trigger of its own is deleted first.
func (s *Store) PruneRuns(ctx context.Context, before time.Time, limit int, acts ...engine.AuditEntry) (int, error) {
	n := 0
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		keys, err := query(ctx, tx, pgx.RowTo[int64], pruneCandidates, before, limit)
		if n = len(keys); err != nil || n == 0 {
			return err
		}
		for _, table := range []string{"task_logs", "attempts", "virtual_nodes", "timers", "outbox"} {
			if _, err := tx.Exec(ctx, `DELETE FROM tidemill.`+table+` WHERE run_id = ANY($1)`, keys); err != nil {
				return err
			}
		}
		if _, err = tx.Exec(ctx, `DELETE FROM tidemill.runs WHERE id = ANY($1)`, keys); err != nil {
			return err
		}
		return audit(ctx, tx, acts)
	})
	if err != nil {
		return 0, fmt.Errorf("prune runs that ended before %s: %w", before.Format(time.RFC3339), err)
	}
	return n, nil
}

// pruneAssets are events that may go, the oldest first.
const pruneAssets = `DELETE FROM tidemill.asset_events WHERE id IN (
	SELECT e.id FROM tidemill.asset_events e
	WHERE e.updated_at < $1
		AND EXISTS (SELECT FROM tidemill.asset_events n WHERE n.asset = e.asset AND n.id > e.id)
		AND NOT EXISTS (SELECT FROM tidemill.asset_pending p WHERE p.event_id = e.id)
		AND NOT EXISTS (SELECT FROM tidemill.run_assets a WHERE a.event_id = e.id)
	ORDER BY e.id LIMIT $2 FOR UPDATE SKIP LOCKED)`

// PruneAssetEvents implements engine.Registry.
func (s *Store) PruneAssetEvents(ctx context.Context, before time.Time, limit int, acts ...engine.AuditEntry) (int, error) {
	return s.deleteBy(ctx, acts, "prune events of assets from before "+before.Format(time.RFC3339), pruneAssets, before, limit)
}
