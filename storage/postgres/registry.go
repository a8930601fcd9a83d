package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

const (
	upsertDAGs = `INSERT INTO tidemill.dags (dag_id, version, build, max_active_runs, registered_at, seen_at)
		SELECT c.dag_id, c.version, c.build, c.max_active_runs, now(), now()
		FROM unnest($1::text[], $2::text[], $3::text[], $4::int[]) AS c(dag_id, version, build, max_active_runs)
		ORDER BY c.dag_id
		ON CONFLICT (dag_id) DO UPDATE SET version = excluded.version, build = excluded.build,
			max_active_runs = excluded.max_active_runs, seen_at = excluded.seen_at`

	insertVersions = `INSERT INTO tidemill.dag_versions (dag_id, version, spec, created_at)
		SELECT c.dag_id, c.version, c.spec::json, now() FROM unnest($1::text[], $2::text[], $3::text[]) AS c(dag_id, version, spec)
		ORDER BY c.dag_id, c.version
		ON CONFLICT (dag_id, version) DO NOTHING`

	// lastScheduled is the logical date of a DAG's newest scheduled run.
	lastScheduled = `(SELECT r.logical_date FROM tidemill.runs r
		WHERE r.dag_id = d.dag_id AND r.logical_date IS NOT NULL AND r.run_type = 'scheduled' ORDER BY r.logical_date DESC LIMIT 1)`

	readDAGs = `SELECT d.dag_id, d.version, d.paused, d.unpaused_at, d.registered_at, d.max_active_runs, d.seen_at, v.spec::text, ` + lastScheduled + `
		FROM tidemill.dags d LEFT JOIN tidemill.dag_versions v ON v.dag_id = d.dag_id AND v.version = d.version`

	readHeads = `SELECT d.dag_id, d.version, d.paused, d.unpaused_at, d.registered_at, d.max_active_runs, d.seen_at, ` + lastScheduled + `
		FROM tidemill.dags d`
)

// Register implements engine.Registry.
func (s *Store) Register(ctx context.Context, dags []engine.DAGRecord) ([]engine.DAGStatus, error) {
	if len(dags) == 0 {
		return nil, nil
	}
	var ids, versions, builds, specs []string
	var limits []int32
	for _, d := range dags {
		spec, err := json.Marshal(d.Spec)
		if err != nil {
			return nil, fmt.Errorf("register DAG %q: encode its spec: %w", d.ID, err)
		}
		ids = append(ids, d.ID)
		versions = append(versions, d.Version)
		builds = append(builds, d.Build)
		specs = append(specs, string(spec))
		limits = append(limits, int32(d.MaxActiveRuns)) //nolint:gosec // checked at registration
	}
	var found []engine.DAGStatus
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, upsertDAGs, ids, versions, builds, limits); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, insertVersions, ids, versions, specs); err != nil {
			return err
		}
		if err := scheduleByAssets(ctx, tx, dags); err != nil {
			return err
		}
		var err error
		found, err = query(ctx, tx, scanDAG, readDAGs+` WHERE d.dag_id = ANY($1)`, ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("register %d DAGs: %w", len(dags), err)
	}
	byID := make(map[string]engine.DAGStatus, len(found))
	for _, d := range found {
		byID[d.ID] = d
	}
	out := make([]engine.DAGStatus, len(dags))
	for i, d := range dags {
		out[i] = byID[d.ID]
	}
	return out, nil
}

func scanDAG(row pgx.CollectableRow) (d engine.DAGStatus, err error) {
	var spec *string
	if err := row.Scan(&d.ID, &d.Version, &d.Paused, &d.UnpausedAt, &d.RegisteredAt, &d.MaxActiveRuns, &d.SeenAt, &spec, &d.LastScheduled); err != nil {
		return d, err
	}
	if spec == nil {
		return d, nil
	}
	if err := json.Unmarshal([]byte(*spec), &d.Spec); err != nil {
		return d, fmt.Errorf("decode spec of DAG %q: %w", d.ID, err)
	}
	return d, nil
}

// DAGStatuses implements engine.Reader: by id.
func (s *Store) DAGStatuses(ctx context.Context) ([]engine.DAGStatus, error) {
	out, err := query(ctx, s.look, scanDAG, readDAGs+` ORDER BY d.dag_id`)
	if err != nil {
		return nil, fmt.Errorf("read DAGs: %w", err)
	}
	return out, nil
}

// DAGStatus implements engine.Reader.
func (s *Store) DAGStatus(ctx context.Context, dag string) (engine.DAGStatus, error) {
	out, err := query(ctx, s.look, scanDAG, readDAGs+` WHERE d.dag_id = $1`, dag)
	if err == nil && len(out) == 0 {
		err = engine.ErrNotFound
	}
	if err != nil {
		return engine.DAGStatus{}, fmt.Errorf("read DAG %q: %w", dag, err)
	}
	return out[0], nil
}

// DAGHeads implements engine.Reader: by id.
func (s *Store) DAGHeads(ctx context.Context, dags ...string) ([]engine.DAGStatus, error) {
	sql, args := readHeads, []any{}
	if len(dags) > 0 {
		sql, args = readHeads+` WHERE d.dag_id = ANY($1)`, append(args, dags)
	}
	out, err := query(ctx, s.look, func(row pgx.CollectableRow) (d engine.DAGStatus, err error) {
		return d, row.Scan(&d.ID, &d.Version, &d.Paused, &d.UnpausedAt, &d.RegisteredAt, &d.MaxActiveRuns, &d.SeenAt, &d.LastScheduled)
	}, sql+` ORDER BY d.dag_id`, args...)
	if err != nil {
		return nil, fmt.Errorf("read the heads of DAGs: %w", err)
	}
	return out, nil
}

// Standings implements engine.Reader.
func (s *Store) Standings(ctx context.Context) ([]engine.Standing, error) {
	out, err := query(ctx, s.look, func(row pgx.CollectableRow) (d engine.Standing, err error) {
		return d, row.Scan(&d.ID, &d.Version, &d.Paused)
	}, `SELECT dag_id, version, paused FROM tidemill.dags`)
	if err != nil {
		return nil, fmt.Errorf("read how DAGs stand: %w", err)
	}
	return out, nil
}

// Spec implements engine.Reader.
func (s *Store) Spec(ctx context.Context, dag, version string) (engine.Spec, error) {
	var spec engine.Spec
	var text string
	err := s.look.QueryRow(ctx, `SELECT spec::text FROM tidemill.dag_versions WHERE dag_id = $1 AND version = $2`, dag, version).Scan(&text)
	if err != nil {
		return spec, fmt.Errorf("read version %q of DAG %q: %w", version, dag, notFound(err))
	}
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return spec, fmt.Errorf("decode version %q of DAG %q: %w", version, dag, err)
	}
	return spec, nil
}

// DAGVersions implements engine.Reader.
func (s *Store) DAGVersions(ctx context.Context, dag string) ([]engine.DAGVersion, error) {
	out, err := query(ctx, s.look, func(row pgx.CollectableRow) (v engine.DAGVersion, err error) {
		return v, row.Scan(&v.Version, &v.At)
	}, `SELECT version, created_at FROM tidemill.dag_versions WHERE dag_id = $1 ORDER BY created_at, version`, dag)
	if err != nil {
		return nil, fmt.Errorf("read the versions of DAG %q: %w", dag, err)
	}
	return out, nil
}

// SetPaused implements engine.Registry.
func (s *Store) SetPaused(ctx context.Context, dag string, paused bool, acts ...engine.AuditEntry) error {
	return s.changeBy(ctx, acts, personal{
		what: fmt.Sprintf("pause DAG %q (%t)", dag, paused),
		sql: `UPDATE tidemill.dags SET paused = $2, unpaused_at = CASE WHEN $2 THEN unpaused_at ELSE clock_timestamp() END
			WHERE dag_id = $1 AND paused <> $2`, args: []any{dag, paused},
		asked: `SELECT true FROM tidemill.dags WHERE dag_id = $1`,
	})
}

// change runs one statement that must find its row; engine.ErrNotFound when it does not.
func (s *Store) change(ctx context.Context, what, sql string, args ...any) error {
	tag, err := s.look.Exec(ctx, sql, args...)
	if err == nil && tag.RowsAffected() == 0 {
		err = engine.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// notFound turns the lack of a row into engine.ErrNotFound.
func notFound(err error) error {
	if err == pgx.ErrNoRows { //nolint:errorlint // as Scan returns it
		return engine.ErrNotFound
	}
	return err
}
