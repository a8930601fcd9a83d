package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/turns"
)

// Tasks of DAGs with exact limits, and those that take slots of pools, are claimed under the locks of these limits, in one
// transaction: it locks them by name in a statement of its own, then counts what is leased, then chooses, task by task, what
// that leaves room for, and leases it.

const (
	// readyOf tells which DAGs have ready tasks.
	readyOf = `SELECT c.dag_id FROM unnest($1::text[]) WITH ORDINALITY AS c(dag_id, n)
		WHERE NOT EXISTS (SELECT FROM tidemill.dags d WHERE d.dag_id = c.dag_id AND d.paused OFFSET 0)
			AND (EXISTS (SELECT FROM tidemill.task_queue q WHERE q.dag_id = c.dag_id AND q.pool IS NULL AND NOT q.handed AND q.lease IS NULL AND q.queue = ANY($2) OFFSET 0)
				OR EXISTS (SELECT FROM tidemill.task_queue q WHERE q.dag_id = c.dag_id AND q.pool IS NOT NULL AND q.lease IS NULL AND q.queue = ANY($2) OFFSET 0))
		ORDER BY c.n`

	// inOrder makes ready tasks be read through the index that has their order, as far as they are wanted. How many that are and how
	// few the filters leave is not known to a generic plan, which may choose to read and sort them all.
	inOrder = `SET LOCAL enable_sort = off`

	// leaseChosen leases tasks that were chosen: the rows that are still the same and free.
	leaseChosen = `WITH picked AS MATERIALIZED (
			SELECT q.id FROM unnest($3::bigint[], $4::text[], $5::int[], $6::bigint[]) AS c(run_id, task_id, map_index, seq)
				CROSS JOIN LATERAL (SELECT q.ctid AS id FROM tidemill.task_queue q
					WHERE q.run_id = c.run_id AND q.task_id = c.task_id AND q.map_index = c.map_index AND q.seq = c.seq AND q.lease IS NULL
					FOR UPDATE SKIP LOCKED) q),
		leased AS (
			UPDATE tidemill.task_queue q SET lease = $2, worker = $1, leased_at = clock_timestamp()
			FROM picked p WHERE q.ctid = p.id
			RETURNING q.run_id, q.task_id, q.map_index, q.dag_id, q.try, q.priority, q.seq, q.pool, q.slots),
		pooled AS (
			INSERT INTO tidemill.pool_leases (pool, run_id, task_id, map_index, lease, slots)
			SELECT l.pool, l.run_id, l.task_id, l.map_index, $2, l.slots FROM leased l WHERE l.pool IS NOT NULL),
		counted AS (
			INSERT INTO tidemill.dag_leases (dag_id, run_id, task_id, map_index, lease)
			SELECT l.dag_id, l.run_id, l.task_id, l.map_index, $2 FROM leased l WHERE l.dag_id = ANY($7))
		` + selectLeased
)

// An exactClaim is the DAGs with exact limits that have ready tasks.
type exactClaim struct {
	dags  []contender
	quota []contender // the same with no more room than their share of the slots
}

// Ready implements engine.Dispatcher: in the order given.
func (s *Store) Ready(ctx context.Context, dags, queues []string) ([]string, error) {
	if len(dags) > manyDAGs {
		queued, _, err := s.queued(ctx, false)
		if err != nil {
			return nil, fmt.Errorf("find DAGs with ready tasks: %w", err)
		}
		some := make([]string, 0, len(queued))
		for _, id := range dags {
			if queued[id] {
				some = append(some, id)
			}
		}
		if dags = some; len(dags) > manyDAGs {
			return dags, nil // some may have tasks only that are leased by now
		}
	}
	out, err := query(ctx, s.work, pgx.RowTo[string], readyOf, dags, queues)
	if err != nil {
		return nil, fmt.Errorf("find DAGs with ready tasks: %w", err)
	}
	return out, nil
}

// readyExact finds the DAGs with exact limits that have ready tasks, and their shares of the slots beside the free ones.
func (s *Store) readyExact(ctx context.Context, c engine.ClaimRequest, free, exact []contender) (exactClaim, error) {
	var e exactClaim
	if len(exact) == 0 {
		return e, nil
	}
	var ids []string
	for _, d := range append(exact[:len(exact):len(exact)], free...) {
		ids = append(ids, d.ID)
	}
	found, err := s.Ready(ctx, ids, c.Queues)
	if err != nil {
		return e, err
	}
	ready := map[string]bool{}
	for _, id := range found {
		ready[id] = true
	}
	var all []engine.ClaimDAG
	var due []float64
	for i, d := range append(exact[:len(exact):len(exact)], free...) {
		if ready[d.ID] {
			all = append(all, d.ClaimDAG)
			due = append(due, d.due)
			if i < len(exact) {
				e.dags = append(e.dags, d)
			}
		}
	}
	for i, n := range turns.Share(all, due, c.Slots)[:len(e.dags)] {
		if n > 0 {
			d := e.dags[i]
			d.Room = n
			e.quota = append(e.quota, d)
		}
	}
	return e, nil
}

// rest is what of the DAGs contends for the slots that others have left: those that took all of their share.
func (e exactClaim) rest(claimed []engine.Leased) []contender {
	got, quota := countByDAG(claimed), map[string]int{}
	for _, d := range e.quota {
		quota[d.ID] = d.Room
	}
	var out []contender
	for _, d := range e.dags {
		if n := got[d.ID]; n >= quota[d.ID] && n < d.Room {
			out = append(out, d.after(n))
		}
	}
	return out
}

// claimExact claims tasks of DAGs with exact limits.
func (s *Store) claimExact(ctx context.Context, c engine.ClaimRequest, dags []contender, slots int) ([]engine.Leased, error) {
	if len(dags) == 0 || slots <= 0 {
		return nil, nil
	}
	var ids, names []string
	for _, d := range dags {
		ids = append(ids, d.ID)
		names = append(names, taskLimit(d.ID))
	}
	pools, err := query(ctx, s.work, pgx.RowTo[string], usedPools, ids)
	if err != nil {
		return nil, err
	}
	for _, p := range pools {
		names = append(names, poolLimit(p))
	}
	if err := s.makeLimits(ctx, names); err != nil {
		return nil, err
	}
	counted := []string{}
	for _, d := range dags {
		if d.MaxActive > 0 || len(d.TaskLimits) > 0 {
			counted = append(counted, d.ID)
		}
	}
	adopt, adopted := s.ledger.due(counted, s.clock.Now())
	var out []engine.Leased
	looked := false
	err = s.repeat(ctx, func(ctx context.Context) error {
		out = nil
		conn, err := s.work.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		return s.writeOn(ctx, s.work, conn, func(ctx context.Context, tx pgx.Tx) (err error) {
			out, err = claimUnderLimits(ctx, tx, c, underLimits{dags, names, pools, counted, adopt, slots, &looked})
			return err
		})
	})
	if err == nil && looked {
		adopted()
	}
	return out, err
}

// underLimits is what a claim under limits needs to know: the DAGs, the names of the limits, the pools that are used, which of the DAGs
// are counted, of which of these the ledger is to be completed, and how many tasks are wanted. looked is set when that has been done.
type underLimits struct {
	dags                         []contender
	names, pools, counted, adopt []string
	slots                        int
	looked                       *bool
}

func claimUnderLimits(ctx context.Context, tx pgx.Tx, c engine.ClaimRequest, u underLimits) ([]engine.Leased, error) {
	b := &pgx.Batch{}
	b.Queue(inOrder)
	b.Queue(lockLimits, u.names)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return nil, err
	}
	if alive, err := lockWorker(ctx, tx, c.Worker); err != nil || !alive {
		return nil, err
	}
	active, err := countActive(ctx, tx, u.counted, u.adopt)
	if err != nil {
		return nil, err
	}
	*u.looked = true
	rooms, err := poolRooms(ctx, tx, u.pools)
	if err != nil {
		return nil, err
	}
	x := &chooser{ctx: ctx, tx: tx, queues: c.Queues, page: u.slots, pools: rooms}
	for _, d := range u.dags {
		x.add(d, active)
	}
	chosen, err := x.choose(u.slots)
	if err != nil || len(chosen) == 0 {
		return nil, err
	}
	var keys keyColumns
	var seqs []int64
	for _, t := range chosen {
		keys.add(t.TaskKey)
		seqs = append(seqs, t.seq)
	}
	rows, err := tx.Query(ctx, leaseChosen, c.Worker, nullable(c.Lease), keys.runs, keys.tasks, keys.indexes, seqs, u.counted)
	if err != nil {
		return nil, err
	}
	out, _, err := collectLeased(rows, c)
	return out, err
}

// beforeAll is where the order of a DAG's ready tasks begins.
var beforeAll = readyTask{priority: math.MaxInt32, seq: -1}
