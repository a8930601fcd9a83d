package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

const (
	// usedPools are the pools with slots of which tasks of the DAGs ask for some: the next name after each, through the index,
	// however many tasks there are.
	usedPools = `SELECT p.name FROM tidemill.pools p WHERE p.slots > 0 AND p.name = ANY(ARRAY(
		SELECT u.pool FROM unnest($1::text[]) AS c(dag_id) CROSS JOIN LATERAL (
			WITH RECURSIVE used AS (
				(SELECT q.pool FROM tidemill.task_queue q WHERE q.dag_id = c.dag_id AND q.pool IS NOT NULL ORDER BY q.pool LIMIT 1)
				UNION ALL
				SELECT (SELECT q.pool FROM tidemill.task_queue q WHERE q.dag_id = c.dag_id AND q.pool IS NOT NULL AND q.pool > u.pool ORDER BY q.pool LIMIT 1)
				FROM used u WHERE u.pool IS NOT NULL)
			SELECT pool FROM used WHERE pool IS NOT NULL) u))`

	// dropVoidLeases deletes what ends have left behind in pools whose locks are held.
	dropVoidLeases = `DELETE FROM tidemill.pool_leases l WHERE l.pool = ANY($1) AND NOT EXISTS (SELECT FROM tidemill.task_queue q
		WHERE q.run_id = l.run_id AND q.task_id = l.task_id AND q.map_index = l.map_index AND q.lease = l.lease OFFSET 0)`

	readPoolRooms = `SELECT p.name, p.slots, p.slots - coalesce((SELECT sum(l.slots) FROM tidemill.pool_leases l WHERE l.pool = p.name), 0)
		FROM tidemill.pools p WHERE p.name = ANY($1)`
)

// A poolRoom is a pool whose lock is held.
type poolRoom struct {
	slots int // that it has
	free  int
}

// poolRooms returns how the pools stand whose locks are held.
func poolRooms(ctx context.Context, tx pgx.Tx, names []string) (map[string]*poolRoom, error) {
	rooms := map[string]*poolRoom{}
	if len(names) == 0 {
		return rooms, nil
	}
	b := &pgx.Batch{}
	b.Queue(dropVoidLeases, names)
	b.Queue(readPoolRooms, names).Query(func(rows pgx.Rows) error {
		var name string
		var p poolRoom
		_, err := pgx.ForEachRow(rows, []any{&name, &p.slots, &p.free}, func() error {
			one := p
			rooms[name] = &one
			return nil
		})
		return err
	})
	return rooms, tx.SendBatch(ctx, b).Close()
}

// SetPool implements engine.Registry. It waits for the claims under way, so that none goes by the old number of slots later.
func (s *Store) SetPool(ctx context.Context, p engine.Pool, acts ...engine.AuditEntry) error {
	names := []string{poolLimit(p.Name)}
	err := s.makeLimits(ctx, names)
	if err == nil {
		err = s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, lockLimits, names); err != nil {
				return err
			}
			tag, err := tx.Exec(ctx, `INSERT INTO tidemill.pools AS p (name, slots, description) VALUES ($1, $2, $3)
				ON CONFLICT (name) DO UPDATE SET slots = excluded.slots, description = excluded.description
				WHERE (p.slots, p.description) <> (excluded.slots, excluded.description)`, p.Name, p.Slots, clean(p.Description))
			if err != nil || tag.RowsAffected() == 0 {
				return err
			}
			return audit(ctx, tx, acts)
		})
	}
	if err != nil {
		return fmt.Errorf("set pool %q: %w", p.Name, err)
	}
	return nil
}

// DeletePool implements engine.Registry. engine.ErrNotFound when there is none of that name.
func (s *Store) DeletePool(ctx context.Context, name string, acts ...engine.AuditEntry) error {
	return s.changeBy(ctx, acts, personal{what: fmt.Sprintf("delete pool %q", name), sql: `DELETE FROM tidemill.pools WHERE name = $1`, args: []any{name}})
}

// Pools implements engine.Reader.
func (s *Store) Pools(ctx context.Context) ([]engine.PoolRow, error) {
	out, err := query(ctx, s.look, func(row pgx.CollectableRow) (p engine.PoolRow, err error) {
		return p, row.Scan(&p.Name, &p.Slots, &p.Description, &p.Running, &p.Queued)
	}, `SELECT p.name, p.slots, p.description, coalesce(q.running, 0), coalesce(q.queued, 0)
		FROM tidemill.pools p LEFT JOIN (
			SELECT pool, sum(slots) FILTER (WHERE lease IS NOT NULL) AS running, sum(slots) FILTER (WHERE lease IS NULL) AS queued
			FROM tidemill.task_queue WHERE pool IS NOT NULL GROUP BY pool) q ON q.pool = p.name
		ORDER BY p.name COLLATE "C"`)
	if err != nil {
		return nil, fmt.Errorf("read pools: %w", err)
	}
	return out, nil
}

// Leases implements engine.Reader. A limit of 0 is none.
func (s *Store) Leases(ctx context.Context, dag, pool string, limit int) ([]engine.QueueRow, int, error) {
	which, arg := `q.dag_id = $2`, dag
	if dag == "" {
		which, arg = `q.pool = $2`, pool
	}
	total := 0
	out, err := query(ctx, s.look, func(row pgx.CollectableRow) (q engine.QueueRow, err error) {
		return q, row.Scan(append(queueTargets(&q), &q.RunID, &total)...)
	}, `SELECT `+queueRowColumns+`, r.run_id, count(*) OVER ()
		FROM tidemill.task_queue q JOIN tidemill.runs r ON r.id = q.run_id LEFT JOIN tidemill.workers w ON w.id = q.worker
		WHERE q.lease IS NOT NULL AND `+which+` ORDER BY q.leased_at, q.seq LIMIT nullif($1::int, 0)`, limit, arg)
	if err != nil {
		return nil, 0, fmt.Errorf("read leases: %w", err)
	}
	return out, total, nil
}
