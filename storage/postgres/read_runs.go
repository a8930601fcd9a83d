package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

const (
	runsWithStates = `SELECT ` + runColumns + `, r.states FROM tidemill.runs r`

	// runsThatFit holds each condition that a filter sets; those that it does not set are null or empty.
	runsThatFit = ` WHERE (cardinality($1::text[]) = 0 OR r.dag_id = ANY($1))
		AND (cardinality($2::text[]) = 0 OR r.state = ANY($2))
		AND (cardinality($3::text[]) = 0 OR r.run_type = ANY($3))
		AND ($4::timestamptz IS NULL OR r.logical_date >= $4)
		AND ($5::timestamptz IS NULL OR r.logical_date <= $5)
		AND (cardinality($6::timestamptz[]) = 0 OR r.logical_date = ANY($6))
		AND ($7::bigint = 0 OR r.backfill_id = $7)`
)

// runOrders are the columns by which runs can be ordered. Text is compared byte by byte, as Go does.
var runOrders = map[string]string{
	"key":     "r.id",
	"logical": "r.logical_date",
	"queued":  "r.queued_at",
	"started": "r.started_at",
	"ended":   "r.ended_at",
	"run_id":  `r.run_id COLLATE "C"`,
	"state":   `r.state COLLATE "C"`,
}

func scanRunWithStates(row pgx.CollectableRow) (r engine.RunRow, err error) {
	return r, row.Scan(append(runTargets(&r), &r.States)...)
}

// Runs implements engine.Reader. A time that is not set sorts after all others; runs alike sort by key.
func (s *Store) Runs(ctx context.Context, f engine.RunFilter) ([]engine.RunRow, int, error) {
	order, err := orderRuns(f.OrderBy)
	if err != nil {
		return nil, 0, err
	}
	args := []any{notNil(f.DAGs), texts(f.States), texts(f.Types), f.LogicalFrom, f.LogicalTo, stamps(f.Logicals), f.Backfill}
	var total int
	if err := s.look.QueryRow(ctx, `SELECT count(*) FROM tidemill.runs r`+runsThatFit, args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count runs: %w", err)
	}
	out, err := query(ctx, s.look, scanRunWithStates, runsWithStates+runsThatFit+order+` LIMIT nullif($8::int, 0) OFFSET $9`,
		append(args, f.Limit, f.Offset)...)
	if err != nil {
		return nil, 0, fmt.Errorf("read runs: %w", err)
	}
	return out, total, nil
}

func orderRuns(by string) (string, error) {
	if by == "" {
		by = "-key"
	}
	name, down := strings.CutPrefix(by, "-")
	column, ok := runOrders[name]
	if !ok {
		return "", fmt.Errorf("order runs by %q: want key, logical, queued, started, ended, run_id or state", by)
	}
	direction := "ASC"
	if down {
		direction = "DESC"
	}
	return fmt.Sprintf(" ORDER BY %s %s NULLS LAST, r.id %s", column, direction, direction), nil
}

// RunByID implements engine.Reader.
func (s *Store) RunByID(ctx context.Context, dag, runID string) (engine.RunRow, error) {
	out, err := query(ctx, s.look, scanRunWithStates, runsWithStates+` WHERE r.dag_id = $1 AND r.run_id = $2`, dag, runID)
	if err == nil && len(out) == 0 {
		err = engine.ErrNotFound
	}
	if err != nil {
		return engine.RunRow{}, fmt.Errorf("run %q of DAG %q: %w", runID, dag, err)
	}
	return out[0], nil
}

// RunsByKey implements engine.Reader: those that there are, by key.
func (s *Store) RunsByKey(ctx context.Context, keys []int64) ([]engine.RunRow, error) {
	out, err := query(ctx, s.look, scanRunWithStates, runsWithStates+` WHERE r.id = ANY($1) ORDER BY r.id`, keys)
	if err != nil {
		return nil, fmt.Errorf("read runs: %w", err)
	}
	return out, nil
}
