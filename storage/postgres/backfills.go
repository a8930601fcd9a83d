package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

// CreateBackfill implements engine.BackfillStore. Both ends of a range are part of it: ranges that share one overlap. Those
// who create backfills of one DAG at once wait for each other at its limit's row.
func (s *Store) CreateBackfill(ctx context.Context, b engine.NewBackfill) (int64, []engine.Created, error) {
	var id int64
	var created []engine.Created
	name := "backfills of " + b.DAG
	if err := s.makeLimits(ctx, []string{name}); err != nil {
		return 0, nil, fmt.Errorf("create backfill of DAG %q: %w", b.DAG, err)
	}
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, lockLimits, []string{name}); err != nil {
			return err
		}
		if err := registered(ctx, tx, []engine.NewRun{{DAG: b.DAG}}); err != nil {
			return err
		}
		other, err := query(ctx, tx, pgx.RowTo[int64], `SELECT id FROM tidemill.backfills
			WHERE dag_id = $1 AND completed_at IS NULL AND from_date <= $3 AND to_date >= $2 LIMIT 1`, b.DAG, b.From, b.To)
		if err != nil {
			return err
		}
		if len(other) > 0 {
			return fmt.Errorf("it overlaps backfill %d: %w", other[0], engine.ErrConflict)
		}
		err = tx.QueryRow(ctx, `INSERT INTO tidemill.backfills (dag_id, from_date, to_date, max_active_runs, backwards, reprocess, params, tasks,
				triggered_by, paused, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now(), now()) RETURNING id`,
			b.DAG, b.From, b.To, b.MaxActiveRuns, b.Backwards, b.Reprocess, b.Params, b.Tasks, clean(b.TriggeredBy), b.Paused).Scan(&id)
		if err != nil {
			return err
		}
		runs := append([]engine.NewRun(nil), b.Runs...)
		for i := range runs {
			runs[i].Backfill = id
		}
		if created, err = createRuns(ctx, tx, runs); err != nil {
			return err
		}
		return audit(ctx, tx, b.Acts)
	})
	if err != nil {
		return 0, nil, fmt.Errorf("create backfill of DAG %q: %w", b.DAG, err)
	}
	return id, created, nil
}

// AdoptRuns implements engine.BackfillStore. engine.ErrNotFound when there is no such backfill or one of the runs is missing.
func (s *Store) AdoptRuns(ctx context.Context, backfill int64, runs []int64) error {
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		found, err := query(ctx, tx, pgx.RowTo[int64], lockRuns, runs)
		if err != nil {
			return err
		}
		exists, err := query(ctx, tx, pgx.RowTo[int64], `SELECT id FROM tidemill.backfills WHERE id = $1`, backfill)
		if err != nil {
			return err
		}
		there := map[int64]bool{}
		for _, k := range found {
			there[k] = true
		}
		for _, k := range runs {
			if !there[k] {
				return fmt.Errorf("run %d: %w", k, engine.ErrNotFound)
			}
		}
		if len(exists) == 0 {
			return engine.ErrNotFound
		}
		_, err = tx.Exec(ctx, `UPDATE tidemill.runs SET backfill_id = $1 WHERE id = ANY($2)`, backfill, runs)
		return err
	})
	if err != nil {
		return fmt.Errorf("adopt %d runs into backfill %d: %w", len(runs), backfill, err)
	}
	return nil
}

// openBackfill tells of a backfill whether it has not ended yet.
const openBackfill = `SELECT completed_at IS NULL FROM tidemill.backfills WHERE id = $1`

// SetBackfillPaused implements engine.BackfillStore.
func (s *Store) SetBackfillPaused(ctx context.Context, id int64, paused bool, acts ...engine.AuditEntry) error {
	return s.changeBy(ctx, acts, personal{
		what: fmt.Sprintf("pause backfill %d (%t)", id, paused),
		sql:  `UPDATE tidemill.backfills SET paused = $2, updated_at = now() WHERE id = $1 AND paused <> $2 AND completed_at IS NULL`, args: []any{id, paused},
		asked: openBackfill,
	})
}

// EndBackfill implements engine.BackfillStore.
func (s *Store) EndBackfill(ctx context.Context, id int64, cancelled bool, acts ...engine.AuditEntry) error {
	return s.changeBy(ctx, acts, personal{
		what: fmt.Sprintf("end backfill %d", id),
		sql: `UPDATE tidemill.backfills SET cancelled = $2, updated_at = now(), completed_at = now(), paused = false
			WHERE id = $1 AND completed_at IS NULL`, args: []any{id, cancelled},
		asked: openBackfill,
	})
}

// FinishBackfills implements engine.BackfillStore.
func (s *Store) FinishBackfills(ctx context.Context) ([]int64, error) {
	out, err := query(ctx, s.look, pgx.RowTo[int64], `WITH done AS (
			UPDATE tidemill.backfills b SET completed_at = now(), updated_at = now()
			WHERE b.completed_at IS NULL AND NOT b.paused
				AND NOT EXISTS (SELECT FROM tidemill.runs r WHERE r.backfill_id = b.id AND r.backfill_id > 0 AND r.state IN ('queued', 'running'))
			RETURNING b.id)
		SELECT id FROM done ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("finish backfills: %w", err)
	}
	return out, nil
}

const backfillColumns = `b.id, b.dag_id, b.from_date, b.to_date, b.max_active_runs, b.backwards, b.reprocess, b.params, b.tasks, b.triggered_by,
	b.paused, b.cancelled, b.created_at, b.updated_at, b.completed_at`

func scanBackfill(row pgx.CollectableRow) (b engine.BackfillRow, err error) {
	b.Counts = map[engine.RunState]int{}
	return b, row.Scan(&b.ID, &b.DAG, &b.From, &b.To, &b.MaxActiveRuns, &b.Backwards, &b.Reprocess, &b.Params, &b.Tasks, &b.TriggeredBy,
		&b.Paused, &b.Cancelled, &b.CreatedAt, &b.UpdatedAt, &b.CompletedAt)
}

// Backfills implements engine.BackfillStore: the newest first, and how many fit in all. A limit of 0 is none.
func (s *Store) Backfills(ctx context.Context, f engine.BackfillFilter) ([]engine.BackfillRow, int, error) {
	const fits = ` FROM tidemill.backfills b WHERE ($1 = '' OR b.dag_id = $1) AND (NOT $2 OR b.completed_at IS NULL)`
	var total int
	err := s.look.QueryRow(ctx, `SELECT count(*)`+fits, f.DAG, f.Open).Scan(&total)
	if err != nil {
		return nil, 0, fmt.Errorf("count backfills: %w", err)
	}
	out, err := query(ctx, s.look, scanBackfill, `SELECT `+backfillColumns+fits+` ORDER BY b.id DESC LIMIT nullif($3, 0) OFFSET $4`, f.DAG, f.Open, f.Limit, f.Offset)
	if err == nil {
		err = s.countRuns(ctx, out)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read backfills: %w", err)
	}
	return out, total, nil
}

// Backfill implements engine.BackfillStore.
func (s *Store) Backfill(ctx context.Context, id int64) (engine.BackfillRow, error) {
	out, err := query(ctx, s.look, scanBackfill, `SELECT `+backfillColumns+` FROM tidemill.backfills b WHERE b.id = $1`, id)
	if err == nil && len(out) == 0 {
		err = engine.ErrNotFound
	}
	if err == nil {
		err = s.countRuns(ctx, out)
	}
	if err != nil {
		return engine.BackfillRow{}, fmt.Errorf("backfill %d: %w", id, err)
	}
	return out[0], nil
}

// countRuns fills in how many runs of each state the backfills have.
func (s *Store) countRuns(ctx context.Context, rows []engine.BackfillRow) error {
	byID := map[int64]int{}
	var ids []int64
	for i := range rows {
		byID[rows[i].ID] = i
		ids = append(ids, rows[i].ID)
	}
	found, err := s.look.Query(ctx, `SELECT backfill_id, state, count(*) FROM tidemill.runs
		WHERE backfill_id > 0 AND backfill_id = ANY($1) GROUP BY 1, 2`, ids)
	if err != nil {
		return err
	}
	var id int64
	var state string
	var n int
	_, err = pgx.ForEachRow(found, []any{&id, &state, &n}, func() error {
		rows[byID[id]].Counts[engine.RunState(state)] = n
		return nil
	})
	return err
}
