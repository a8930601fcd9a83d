package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

// A limit over all processes is held by counting under a lock: the row of tidemill.limits that has its name.

func taskLimit(dag string) string { return "tasks of " + dag }

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

const (
	countLeased = `SELECT q.dag_id, q.task_id, count(*) FROM tidemill.task_queue q
		WHERE q.dag_id = ANY($1) AND q.lease IS NOT NULL GROUP BY 1, 2`

	// claimExact claims tasks of one DAG whose limits are locked: $7 tasks with a limit, $8 how many more of each.
	claimExact = `WITH candidates AS MATERIALIZED (
			SELECT c.id FROM (
				SELECT q.ctid AS id, q.task_id, q.priority, q.seq, row_number() OVER (PARTITION BY q.task_id ORDER BY q.priority DESC, q.seq) AS nth
				FROM tidemill.task_queue q
				WHERE q.dag_id = $5 AND q.lease IS NULL AND q.queue = ANY($4)) c
				LEFT JOIN unnest($6::text[], $7::int[]) AS l(task_id, room) ON l.task_id = c.task_id
			WHERE l.room IS NULL OR c.nth <= l.room
			ORDER BY c.priority DESC, c.seq LIMIT $3),
		chosen AS MATERIALIZED (
			SELECT q.ctid AS id FROM tidemill.task_queue q JOIN candidates c ON q.ctid = c.id WHERE q.lease IS NULL FOR UPDATE OF q SKIP LOCKED),
		leased AS (
			UPDATE tidemill.task_queue q SET lease = $2, worker = $1, leased_at = clock_timestamp()
			FROM chosen c WHERE q.ctid = c.id
			RETURNING q.run_id, q.task_id, q.map_index, q.dag_id, q.try, q.priority, q.seq)
		SELECT l.run_id, l.task_id, l.map_index, l.dag_id, l.try, r.*
		FROM (SELECT l.*, row_number() OVER (PARTITION BY l.run_id ORDER BY l.priority DESC, l.seq) AS nth FROM leased l) l
			LEFT JOIN LATERAL (SELECT ` + runColumns + ` FROM tidemill.runs r WHERE r.id = l.run_id AND l.nth = 1 OFFSET 0) r ON true
		ORDER BY l.run_id, l.nth`
)

// claimLimited claims tasks of the DAGs that have exact limits, in one transaction: it locks the limits by name in a
// statement of its own, counts what is leased, and claims what that leaves. When other DAGs wait for their turn it leaves
// them their share of the slots.
func (s *Store) claimLimited(ctx context.Context, c engine.ClaimRequest, dags []engine.ClaimDAG, slots int, others bool) ([]engine.Leased, error) {
	if len(dags) == 0 || slots <= 0 {
		return nil, nil
	}
	ids := make([]string, len(dags))
	for i, d := range dags {
		ids[i] = d.ID
	}
	ready, err := query(ctx, s.work, pgx.RowTo[string], `SELECT c.dag_id FROM unnest($1::text[]) AS c(dag_id)
		WHERE NOT EXISTS (SELECT FROM tidemill.dags d WHERE d.dag_id = c.dag_id AND d.paused OFFSET 0)
			AND EXISTS (SELECT FROM tidemill.task_queue q WHERE q.dag_id = c.dag_id AND q.lease IS NULL AND q.queue = ANY($2) OFFSET 0)`, ids, c.Queues)
	if err != nil || len(ready) == 0 {
		return nil, err
	}
	var limited []engine.ClaimDAG
	var names []string
	for _, d := range dags {
		if slices.Contains(ready, d.ID) {
			limited = append(limited, d)
			names = append(names, taskLimit(d.ID))
		}
	}
	if err := s.makeLimits(ctx, names); err != nil {
		return nil, err
	}
	var out []engine.Leased
	err = s.repeat(ctx, func(ctx context.Context) error {
		out = nil
		conn, err := s.work.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		return s.writeOn(ctx, conn, func(ctx context.Context, tx pgx.Tx) (err error) {
			out, err = claimUnderLimits(ctx, tx, c, limited, slots, others)
			return err
		})
	})
	return out, err
}

func claimUnderLimits(ctx context.Context, tx pgx.Tx, c engine.ClaimRequest, dags []engine.ClaimDAG, slots int, others bool) ([]engine.Leased, error) {
	var ids, names []string
	for _, d := range dags {
		ids = append(ids, d.ID)
		names = append(names, taskLimit(d.ID))
	}
	if _, err := tx.Exec(ctx, lockLimits, names); err != nil {
		return nil, err
	}
	if alive, err := lockWorker(ctx, tx, c.Worker); err != nil || !alive {
		return nil, err
	}
	active, err := countActive(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	claimants := len(dags)
	if others {
		claimants++
	}
	var out []engine.Leased
	for i, d := range dags {
		share := (slots + claimants - i - 1) / (claimants - i)
		room := active.room(d, min(share, d.Room))
		if room <= 0 {
			continue
		}
		tasks, rooms := active.taskRooms(d)
		rows, err := tx.Query(ctx, claimExact, c.Worker, nullable(c.Lease), room, c.Queues, d.ID, tasks, rooms)
		if err != nil {
			return nil, err
		}
		got, err := collectLeased(rows, c)
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
		slots -= len(got)
	}
	return out, nil
}

// An activity counts leases: of DAGs (task "") and of their tasks.
type activity map[[2]string]int

func countActive(ctx context.Context, tx pgx.Tx, dags []string) (activity, error) {
	rows, err := tx.Query(ctx, countLeased, dags)
	if err != nil {
		return nil, err
	}
	a := activity{}
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

// taskRooms returns the tasks that have a limit, and how many more of each may be leased.
func (a activity) taskRooms(d engine.ClaimDAG) (tasks []string, rooms []int32) {
	for task, limit := range d.TaskLimits {
		tasks = append(tasks, task)
		rooms = append(rooms, int32(max(0, limit-a[[2]string{d.ID, task}]))) //nolint:gosec // bounded by the limit
	}
	return tasks, rooms
}
