package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
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

// What is leased of DAGs whose tasks are counted is in a ledger beside the queue, tidemill.dag_leases: counting reads no ready task.
const (
	// isHeld says that the queue's row still carries the lease of the ledger's row l.
	isHeld = `EXISTS (SELECT FROM tidemill.task_queue q
		WHERE q.run_id = l.run_id AND q.task_id = l.task_id AND q.map_index = l.map_index AND q.lease = l.lease OFFSET 0)`

	countLeased = `SELECT l.dag_id, l.task_id, count(*) FROM tidemill.dag_leases l WHERE l.dag_id = ANY($1) AND ` + isHeld + ` GROUP BY 1, 2`

	// dropVoid deletes what ends have left behind of some DAGs, dropVoidOfRuns of some of their runs. Both may meet.
	dropVoid = `DELETE FROM tidemill.dag_leases d USING (SELECT l.ctid AS at FROM tidemill.dag_leases l
		WHERE l.dag_id = ANY($1) AND NOT ` + isHeld + ` FOR UPDATE OF l SKIP LOCKED) v WHERE d.ctid = v.at`
	dropVoidOfRuns = `DELETE FROM tidemill.dag_leases d USING (SELECT l.ctid AS at FROM tidemill.dag_leases l
		WHERE l.dag_id = ANY($1) AND l.run_id = ANY($2) AND NOT ` + isHeld + ` FOR UPDATE OF l SKIP LOCKED) v WHERE d.ctid = v.at`

	// noteLeases enters tasks that are handed over.
	noteLeases = `INSERT INTO tidemill.dag_leases (dag_id, run_id, task_id, map_index, lease)
		SELECT c.dag_id, c.run_id, c.task_id, c.map_index, c.lease
		FROM unnest($1::text[], $2::bigint[], $3::text[], $4::int[], $5::uuid[]) AS c(dag_id, run_id, task_id, map_index, lease)`

	// adoptLeases enters what is leased of DAGs and not in the ledger: it was leased, or handed over, when its DAG was not counted yet. This
	// reads all tasks of the DAGs. What was handed over is found through the runs that run, since no other has leases.
	adoptLeases = `INSERT INTO tidemill.dag_leases (dag_id, run_id, task_id, map_index, lease)
		SELECT q.dag_id, q.run_id, q.task_id, q.map_index, q.lease FROM tidemill.task_queue q WHERE q.dag_id = ANY($1) AND q.pool IS NULL AND NOT q.handed AND q.lease IS NOT NULL
		UNION ALL
		SELECT q.dag_id, q.run_id, q.task_id, q.map_index, q.lease FROM tidemill.task_queue q WHERE q.dag_id = ANY($1) AND q.pool IS NOT NULL AND q.lease IS NOT NULL
		UNION ALL
		SELECT r.dag_id, r.id, q.task_id, q.map_index, q.lease FROM tidemill.runs r CROSS JOIN LATERAL (SELECT q.task_id, q.map_index, q.lease
			FROM tidemill.task_queue q WHERE q.run_id = r.id AND q.handed AND q.lease IS NOT NULL OFFSET 0) q WHERE r.dag_id = ANY($1) AND r.state = 'running'
		ON CONFLICT DO NOTHING`
)

// adoptAgain is how long after a DAG's first claim what is not in the ledger is looked for once more: by then processes of older versions,
// for which the DAG was not counted, have stopped claiming its tasks.
const adoptAgain = 5 * time.Second

// An adoption is how far a store is with one DAG.
type adoption struct {
	first time.Time
	twice bool
}

// A ledger keeps for which DAGs a store has looked for leases that are not in the database's ledger.
type ledger struct {
	mu   sync.Mutex
	dags map[string]adoption
}

// due returns those of the DAGs that are to be looked through now; done tells that they were.
func (l *ledger) due(dags []string, now time.Time) (out []string, done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range dags {
		if a, ok := l.dags[id]; !ok || !a.twice && now.Sub(a.first) >= adoptAgain {
			out = append(out, id)
		}
	}
	return out, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.dags == nil {
			l.dags = map[string]adoption{}
		}
		for _, id := range out {
			a, ok := l.dags[id]
			if !ok {
				a.first = now
			}
			a.twice = ok
			l.dags[id] = a
		}
	}
}

// countedRows are tasks of counted DAGs that are handed over.
type countedRows struct {
	keyColumns
	dags   []string
	leases uuids
}

func (o *countedRows) add(q *engine.QueueItem) {
	if q.Lease != uuid.Nil && !q.Free {
		o.keyColumns.add(q.TaskKey)
		o.dags = append(o.dags, q.DAG)
		o.leases = append(o.leases, q.Lease)
	}
}

func (o *countedRows) queue(b *pgx.Batch) {
	if len(o.runs) > 0 {
		b.Queue(dropVoidOfRuns, o.dags, o.runs)
		b.Queue(noteLeases, o.dags, o.runs, o.tasks, o.indexes, o.leases)
	}
}

// An activity counts leases: of DAGs (task "") and of their tasks.
type activity map[[2]string]int

// countActive counts under the locks of the DAGs' limits. Of adopt, DAGs among them, the ledger is completed first.
func countActive(ctx context.Context, tx pgx.Tx, dags, adopt []string) (activity, error) {
	a := activity{}
	if len(dags) == 0 {
		return a, nil
	}
	b := &pgx.Batch{}
	if len(adopt) > 0 {
		b.Queue(adoptLeases, adopt)
	}
	b.Queue(dropVoid, dags)
	b.Queue(countLeased, dags).Query(func(rows pgx.Rows) error {
		var dag, task string
		var n int
		_, err := pgx.ForEachRow(rows, []any{&dag, &task, &n}, func() error {
			a[[2]string{dag, ""}] += n
			a[[2]string{dag, task}] += n
			return nil
		})
		return err
	})
	return a, tx.SendBatch(ctx, b).Close()
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
