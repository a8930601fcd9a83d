package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

// A limit over all processes is held by counting under a lock: the row of tidemill.limits that has its name.

func taskLimit(dag string) string { return "tasks of " + dag }

func poolLimit(name string) string { return "pool " + name }

// runLimit names the limit of running runs of a DAG (backfill 0) or of a backfill.
func runLimit(dag string, backfill int64) string {
	if backfill != 0 {
		return fmt.Sprintf("runs of backfill %d", backfill)
	}
	return "runs of " + dag
}

const lockLimits = `SELECT name FROM tidemill.limits WHERE name = ANY($1) ORDER BY name FOR UPDATE`

// makeLimits makes the rows of limits that are locked for the first time.
func (s *Store) makeLimits(ctx context.Context, names []string) error {
	_, err := s.look.Exec(ctx, `INSERT INTO tidemill.limits (name) SELECT DISTINCT n FROM unnest($1::text[]) AS n
		WHERE NOT EXISTS (SELECT FROM tidemill.limits l WHERE l.name = n) ORDER BY n ON CONFLICT DO NOTHING`, names)
	if err != nil {
		return fmt.Errorf("make limits: %w", err)
	}
	return nil
}

// countLeased reads all tasks of the DAGs, ready ones too: the price of an exact limit of a DAG or a task.
const countLeased = `SELECT q.dag_id, q.task_id, count(*) FROM (
		SELECT q.dag_id, q.task_id FROM tidemill.task_queue q WHERE q.dag_id = ANY($1) AND q.pool IS NULL AND NOT q.handed AND q.lease IS NOT NULL
		UNION ALL
		SELECT q.dag_id, q.task_id FROM tidemill.task_queue q WHERE q.dag_id = ANY($1) AND q.pool IS NOT NULL AND q.lease IS NOT NULL) q
	GROUP BY 1, 2`

// An activity counts leases: of DAGs (task "") and of their tasks.
type activity map[[2]string]int

func countActive(ctx context.Context, tx pgx.Tx, dags []string) (activity, error) {
	a := activity{}
	if len(dags) == 0 {
		return a, nil
	}
	rows, err := tx.Query(ctx, countLeased, dags)
	if err != nil {
		return nil, err
	}
	var dag, task string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&dag, &task, &n}, func() error {
		a[[2]string{dag, ""}] += n
		a[[2]string{dag, task}] += n
		return nil
	})
	return a, err
}

// room returns how many more of a DAG's tasks may be leased, at most upTo.
func (a activity) room(d engine.ClaimDAG, upTo int) int {
	if d.MaxActive <= 0 {
		return upTo
	}
	return min(upTo, d.MaxActive-a[[2]string{d.ID, ""}])
}

// taskRooms returns how many more may be leased of each task that has a limit.
func (a activity) taskRooms(d engine.ClaimDAG) map[string]int {
	rooms := make(map[string]int, len(d.TaskLimits))
	for task, limit := range d.TaskLimits {
		rooms[task] = limit - a[[2]string{d.ID, task}]
	}
	return rooms
}
