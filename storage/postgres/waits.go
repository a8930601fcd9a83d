package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

const (
	deleteWaits = `DELETE FROM tidemill.waits w USING (
			SELECT w.at FROM unnest($1::bigint[], $2::text[], $3::int[]) AS c(run_id, task_id, map_index)
				CROSS JOIN LATERAL (SELECT w.ctid AS at FROM tidemill.waits w
					WHERE w.run_id = c.run_id AND w.task_id = c.task_id AND w.map_index = c.map_index OFFSET 0) w) c
		WHERE w.ctid = c.at`

	setWaits = `INSERT INTO tidemill.waits (run_id, task_id, map_index, dag_id, kind, target_dag, target_run, reason, since)
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[])
		ON CONFLICT (run_id, task_id, map_index) DO UPDATE SET kind = excluded.kind, target_dag = excluded.target_dag,
			target_run = excluded.target_run, reason = excluded.reason, since = excluded.since`

	waitColumns = `w.run_id, w.task_id, w.map_index, w.kind, w.target_dag, w.target_run, w.reason, w.since`

	// dueWaits are read on from a key. Of those for a run only those whose run is over, or not there.
	dueWaits = `SELECT ` + waitColumns + `, coalesce(t.state, '')
		FROM tidemill.waits w LEFT JOIN tidemill.runs t ON w.kind = 'run' AND t.dag_id = w.target_dag AND t.run_id = w.target_run
		WHERE w.dag_id = ANY($1) AND w.kind = $2 AND (w.run_id, w.task_id, w.map_index) > ($3, $4, $5)
			AND (t.id IS NULL OR t.state IN ('success', 'failed'))
		ORDER BY w.run_id, w.task_id, w.map_index LIMIT $6`
)

type waitRows struct {
	keyColumns
	dags, kinds, targetDAGs, targetRuns, reasons []string
	since                                        []time.Time
}

// add takes in a wait of a run of a DAG.
func (o *waitRows) add(w *engine.Wait, dag string) {
	o.keyColumns.add(w.TaskKey)
	o.dags = append(o.dags, dag)
	o.kinds = append(o.kinds, string(w.Kind))
	o.targetDAGs = append(o.targetDAGs, w.DAG)
	o.targetRuns = append(o.targetRuns, w.RunID)
	o.reasons = append(o.reasons, clean(w.Reason))
	o.since = append(o.since, w.Since)
}

func (o *waitRows) queue(b *pgx.Batch) {
	if len(o.runs) > 0 {
		b.Queue(setWaits, o.runs, o.tasks, o.indexes, o.dags, o.kinds, o.targetDAGs, o.targetRuns, o.reasons, o.since)
	}
}

func waitTargets(w *engine.Wait) []any {
	return []any{&w.Run, &w.Task, &w.MapIndex, (*string)(&w.Kind), &w.DAG, &w.RunID, &w.Reason, &w.Since}
}

// Waits implements engine.Dispatcher.
func (s *Store) Waits(ctx context.Context, dags []string, kind engine.WaitKind, after engine.TaskKey, limit int) ([]engine.DueWait, error) {
	out, err := query(ctx, s.look, func(row pgx.CollectableRow) (w engine.DueWait, err error) {
		return w, row.Scan(append(waitTargets(&w.Wait), (*string)(&w.Target))...)
	}, dueWaits, dags, string(kind), after.Run, after.Task, after.MapIndex, limit)
	if err != nil {
		return nil, fmt.Errorf("find waits: %w", err)
	}
	return out, nil
}

// RunWaits implements engine.Reader: by key.
func (s *Store) RunWaits(ctx context.Context, runs []int64) ([]engine.Wait, error) {
	out, err := query(ctx, s.look, func(row pgx.CollectableRow) (w engine.Wait, err error) {
		return w, row.Scan(waitTargets(&w)...)
	}, `SELECT `+waitColumns+` FROM tidemill.waits w WHERE w.run_id = ANY($1) ORDER BY w.run_id, w.task_id, w.map_index`, runs)
	if err != nil {
		return nil, fmt.Errorf("read waits: %w", err)
	}
	return out, nil
}
