package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

const (
	// insertAssets stores events and makes each pending for the DAGs that its asset schedules.
	insertAssets = `WITH e AS (
			INSERT INTO tidemill.asset_events (asset, updated_at, dag_id, run_key, run_id, task_id, map_index, extra)
			SELECT c.asset, coalesce(c.updated_at, now()), c.dag_id, c.run_key, c.run_id, c.task_id, c.map_index, c.extra
			FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::int[], $8::bytea[])
				WITH ORDINALITY AS c(asset, updated_at, dag_id, run_key, run_id, task_id, map_index, extra, n)
			ORDER BY c.n
			RETURNING id, asset)
		INSERT INTO tidemill.asset_pending (dag_id, event_id)
		SELECT s.dag_id, e.id FROM e CROSS JOIN LATERAL (SELECT s.dag_id FROM tidemill.asset_schedules s WHERE s.asset = e.asset OFFSET 0) s`

	// The assets that schedule DAGs replace those of before; events of others are not pending any more.
	dropSchedules = `DELETE FROM tidemill.asset_schedules s WHERE s.dag_id = ANY($1)
		AND NOT EXISTS (SELECT FROM unnest($2::text[], $3::text[]) AS c(dag_id, asset) WHERE c.dag_id = s.dag_id AND c.asset = s.asset)`
	addSchedules = `INSERT INTO tidemill.asset_schedules (dag_id, asset)
		SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING`
	dropPending = `DELETE FROM tidemill.asset_pending p USING tidemill.asset_events e WHERE p.dag_id = ANY($1) AND e.id = p.event_id
		AND NOT EXISTS (SELECT FROM tidemill.asset_schedules s WHERE s.dag_id = p.dag_id AND s.asset = e.asset)`

	assetColumns = `e.id, e.asset, e.updated_at, e.dag_id, e.run_key, e.run_id, e.task_id, e.map_index, e.extra`
)

type assetRows struct {
	assets, dags, runIDs, tasks []string
	ats                         []*time.Time
	runs                        []int64
	indexes                     []int32
	extras                      [][]byte
}

func (o *assetRows) add(e *engine.AssetEvent) {
	var at *time.Time
	if !e.At.IsZero() {
		at = &e.At
	}
	o.assets = append(o.assets, e.Asset)
	o.ats = append(o.ats, at)
	o.dags = append(o.dags, e.DAG)
	o.runs = append(o.runs, e.Run)
	o.runIDs = append(o.runIDs, e.RunID)
	o.tasks = append(o.tasks, clean(e.Task))
	o.indexes = append(o.indexes, int32(e.MapIndex)) //nolint:gosec // bounded by the number of elements
	o.extras = append(o.extras, e.Extra)
}

func (o *assetRows) args() []any {
	return []any{o.assets, o.ats, o.dags, o.runs, o.runIDs, o.tasks, o.indexes, o.extras}
}

func (o *assetRows) queue(b *pgx.Batch) {
	if len(o.assets) > 0 {
		b.Queue(insertAssets, o.args()...)
	}
}

// EmitAsset implements engine.Outbox.
func (s *Store) EmitAsset(ctx context.Context, e engine.AssetEvent, acts ...engine.AuditEntry) error {
	var o assetRows
	o.add(&e)
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, insertAssets, o.args()...); err != nil {
			return err
		}
		return audit(ctx, tx, acts)
	})
	if err != nil {
		return fmt.Errorf("note the update of asset %q: %w", e.Asset, err)
	}
	return nil
}

// scheduleByAssets takes down which assets schedule DAGs, under the locks of the DAGs' rows.
func scheduleByAssets(ctx context.Context, tx pgx.Tx, dags []engine.DAGRecord) error {
	var ids, of, assets []string
	for i := range dags {
		ids = append(ids, dags[i].ID)
		for _, name := range dags[i].Spec.Assets.Names() {
			of = append(of, dags[i].ID)
			assets = append(assets, name)
		}
	}
	b := &pgx.Batch{}
	b.Queue(dropSchedules, ids, of, assets)
	b.Queue(addSchedules, of, assets)
	b.Queue(dropPending, ids)
	return tx.SendBatch(ctx, b).Close()
}

func assetTargets(e *engine.AssetEvent) []any {
	return []any{&e.ID, &e.Asset, &e.At, &e.DAG, &e.Run, &e.RunID, &e.Task, &e.MapIndex, &e.Extra}
}

func scanAsset(row pgx.CollectableRow) (e engine.AssetEvent, err error) {
	return e, row.Scan(assetTargets(&e)...)
}

// PendingAssets implements engine.Dispatcher.
func (s *Store) PendingAssets(ctx context.Context, dags []string) ([]engine.AssetEvent, error) {
	out, err := query(ctx, s.look, func(row pgx.CollectableRow) (e engine.AssetEvent, err error) {
		return e, row.Scan(append(assetTargets(&e), &e.For)...)
	}, `SELECT `+assetColumns+`, p.dag_id FROM tidemill.asset_pending p JOIN tidemill.asset_events e ON e.id = p.event_id
		WHERE p.dag_id = ANY($1) ORDER BY e.updated_at, e.id, p.dag_id COLLATE "C"`, dags)
	if err != nil {
		return nil, fmt.Errorf("find pending asset events: %w", err)
	}
	return out, nil
}

// CreateAssetRun implements engine.Dispatcher. Of two that want one event the second waits for the first and then finds it gone.
// engine.ErrConflict, too, when there is a run of that id or logical date already; engine.ErrNotFound when the DAG was never registered.
func (s *Store) CreateAssetRun(ctx context.Context, n engine.NewRun, events []int64) (int64, error) {
	events = slices.Compact(slices.Sorted(slices.Values(events)))
	var key int64
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if len(events) > 0 {
			tag, err := tx.Exec(ctx, `DELETE FROM tidemill.asset_pending WHERE dag_id = $1 AND event_id = ANY($2)`, n.DAG, events)
			if err != nil {
				return err
			}
			if tag.RowsAffected() != int64(len(events)) {
				return final{fmt.Errorf("%d of %d events are not pending: %w", int64(len(events))-tag.RowsAffected(), len(events), engine.ErrConflict)}
			}
		}
		created, err := createRuns(ctx, tx, []engine.NewRun{n})
		if err != nil {
			return err
		}
		if created[0].Exists {
			return final{fmt.Errorf("it exists: %w", engine.ErrConflict)}
		}
		key = created[0].Key
		_, err = tx.Exec(ctx, `INSERT INTO tidemill.run_assets (run_id, event_id) SELECT $1, * FROM unnest($2::bigint[])`, key, events)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("create run %q of DAG %q, triggered by assets: %w", n.RunID, n.DAG, err)
	}
	return key, nil
}

// DropPending implements engine.Dispatcher. The scheduler takes the same rows, in the order of its own: they are locked in that first.
func (s *Store) DropPending(ctx context.Context, dag, asset string, before time.Time, acts ...engine.AuditEntry) (int, error) {
	var until *time.Time
	if !before.IsZero() {
		until = &before
	}
	return s.deleteBy(ctx, acts, fmt.Sprintf("drop the pending updates of asset %q for DAG %q", asset, dag), `DELETE FROM tidemill.asset_pending d USING (
			SELECT p.dag_id, p.event_id FROM tidemill.asset_pending p JOIN tidemill.asset_events e ON e.id = p.event_id
			WHERE ($1 = '' OR p.dag_id = $1) AND ($2 = '' OR e.asset = $2) AND ($3::timestamptz IS NULL OR e.updated_at < $3)
			ORDER BY p.dag_id, p.event_id FOR UPDATE OF p) c
		WHERE d.dag_id = c.dag_id AND d.event_id = c.event_id`, dag, asset, until)
}

// RunAssets implements engine.Reader.
func (s *Store) RunAssets(ctx context.Context, run int64) ([]engine.AssetEvent, error) {
	out, err := query(ctx, s.look, scanAsset, `SELECT `+assetColumns+` FROM tidemill.run_assets a JOIN tidemill.asset_events e ON e.id = a.event_id
		WHERE a.run_id = $1 ORDER BY e.updated_at, e.id`, run)
	if err != nil {
		return nil, fmt.Errorf("read the asset events of run %d: %w", run, err)
	}
	return out, nil
}

// RunEvents implements engine.Reader.
func (s *Store) RunEvents(ctx context.Context, runs []int64) (map[int64][]int64, error) {
	type pair struct{ run, event int64 }
	pairs, err := query(ctx, s.look, func(row pgx.CollectableRow) (p pair, err error) {
		return p, row.Scan(&p.run, &p.event)
	}, `SELECT run_id, event_id FROM tidemill.run_assets WHERE run_id = ANY($1) ORDER BY run_id, event_id`, runs)
	if err != nil {
		return nil, fmt.Errorf("read which asset events triggered %d runs: %w", len(runs), err)
	}
	out := map[int64][]int64{}
	for _, p := range pairs {
		out[p.run] = append(out[p.run], p.event)
	}
	return out, nil
}

// AssetEvents implements engine.Reader.
func (s *Store) AssetEvents(ctx context.Context, asset string, limit int) ([]engine.AssetEvent, error) {
	which, args := ``, []any{limit}
	if asset != "" {
		which, args = ` WHERE e.asset = $2`, []any{limit, asset}
	}
	out, err := query(ctx, s.look, scanAsset, `SELECT `+assetColumns+` FROM tidemill.asset_events e`+which+` ORDER BY e.id DESC LIMIT $1`, args...)
	if err != nil {
		return nil, fmt.Errorf("read asset events: %w", err)
	}
	return out, nil
}
