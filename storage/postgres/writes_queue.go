package postgres

import (
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tidemill/tidemill/engine"
)

const (
	// lockQueueRows waits for claims that are under way, so that the next statement sees what they did.
	lockQueueRows = `SELECT q.run_id FROM unnest($1::bigint[], $2::text[], $3::int[]) AS c(run_id, task_id, map_index)
		CROSS JOIN LATERAL (SELECT q.run_id FROM tidemill.task_queue q
			WHERE q.run_id = c.run_id AND q.task_id = c.task_id AND q.map_index = c.map_index FOR UPDATE) q`

	dequeueRows = `DELETE FROM tidemill.task_queue q USING (
			SELECT q.at FROM unnest($1::bigint[], $2::text[], $3::int[]) AS c(run_id, task_id, map_index)
				CROSS JOIN LATERAL (SELECT q.ctid AS at FROM tidemill.task_queue q
					WHERE q.run_id = c.run_id AND q.task_id = c.task_id AND q.map_index = c.map_index OFFSET 0) q) c
		WHERE q.ctid = c.at`

	cancelRows = `UPDATE tidemill.task_queue q SET cancelled = true FROM (
			SELECT q.at FROM unnest($1::bigint[], $2::text[], $3::int[]) AS c(run_id, task_id, map_index)
				CROSS JOIN LATERAL (SELECT q.ctid AS at FROM tidemill.task_queue q
					WHERE q.run_id = c.run_id AND q.task_id = c.task_id AND q.map_index = c.map_index OFFSET 0) q) c
		WHERE q.ctid = c.at AND q.lease IS NOT NULL`

	// enqueueReady puts items into the queue that nobody holds yet.
	enqueueReady = `INSERT INTO tidemill.task_queue (run_id, task_id, map_index, dag_id, try, priority, queue, queued_at)
		SELECT c.run_id, c.task_id, c.map_index, c.dag_id, c.try, c.priority, c.queue, $8::timestamptz
		FROM unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::int[], $6::int[], $7::text[])
			WITH ORDINALITY AS c(run_id, task_id, map_index, dag_id, try, priority, queue, n)
		ORDER BY c.n`

	// enqueueHanded puts items into the queue that are all handed over to one worker, under one lease and no limit, of one DAG and queue: what
	// nearly every transition of a chain does. $5 to $10: DAG, priority, queue, time, worker, lease.
	enqueueHanded = `INSERT INTO tidemill.task_queue (run_id, task_id, map_index, try, dag_id, priority, queue, queued_at, lease, worker, leased_at, handed)
		SELECT c.run_id, c.task_id, c.map_index, c.try, $5::text, $6::int, $7::text, $8::timestamptz, $10::uuid, $9::bigint, $8::timestamptz, true
		FROM unnest($1::bigint[], $2::text[], $3::int[], $4::int[]) AS c(run_id, task_id, map_index, try)`

	// enqueueMixed puts items into the queue of which some are handed over, to worker $9, and some take slots of a pool.
	enqueueMixed = `INSERT INTO tidemill.task_queue (run_id, task_id, map_index, dag_id, try, priority, queue, queued_at, lease, worker, leased_at, pool, slots)
		SELECT c.run_id, c.task_id, c.map_index, c.dag_id, c.try, c.priority, c.queue, $8::timestamptz,
			c.lease, CASE WHEN c.lease IS NOT NULL THEN $9::bigint END, CASE WHEN c.lease IS NOT NULL THEN $8::timestamptz END,
			nullif(c.pool, ''), CASE WHEN c.pool <> '' THEN c.slots END
		FROM unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::int[], $6::int[], $7::text[], $10::uuid[], $11::text[], $12::int[])
			WITH ORDINALITY AS c(run_id, task_id, map_index, dag_id, try, priority, queue, lease, pool, slots, n)
		ORDER BY c.n`

	// replacingQueued takes the place of what an instance has in the queue; it counts as enqueued anew.
	replacingQueued = ` ON CONFLICT (run_id, task_id, map_index) DO UPDATE SET dag_id = excluded.dag_id, try = excluded.try,
		priority = excluded.priority, queue = excluded.queue, queued_at = excluded.queued_at, lease = excluded.lease,
		worker = excluded.worker, leased_at = excluded.leased_at, pool = excluded.pool, slots = excluded.slots, handed = excluded.handed, cancelled = false, seq = DEFAULT`
)

const handTo = `UPDATE tidemill.task_queue q SET run_id = c.run_id, task_id = c.task_id, map_index = c.map_index, try = c.try, dag_id = $1::text,
	priority = $2::int, queue = $3::text, queued_at = $4::timestamptz, leased_at = $4::timestamptz, worker = $5::bigint, lease = $6::uuid,
	handed = true, pool = NULL, slots = NULL, cancelled = false
	`

var (
	// dropEnded takes the rows of ended leases out of the queue.
	dropEnded = allOf(`DELETE FROM tidemill.task_queue q WHERE q.ctid = ANY($1::tid[])`, "$1")

	// moveHanded is enqueueHanded into rows that carried leases which have ended, in place of what was there: less work than taking one out
	// and putting another in. $1 to $6: DAG, priority, queue, time, worker, lease.
	moveHanded = allOf(handTo+`FROM unnest($7::bigint[], $8::text[], $9::int[], $10::int[], $11::tid[]) AS c(run_id, task_id, map_index, try, at)
		WHERE q.ctid = c.at`, "$7")

	// dropProven and moveProven do the same with the rows that carry some leases.
	dropProven = allOf(`DELETE FROM tidemill.task_queue q USING (
			SELECT c.lease, q.at FROM unnest($1::bigint[], $2::text[], $3::int[], $4::uuid[]) AS c(run_id, task_id, map_index, lease)
				CROSS JOIN LATERAL (SELECT q.ctid AS at FROM tidemill.task_queue q
					WHERE q.run_id = c.run_id AND q.task_id = c.task_id AND q.map_index = c.map_index OFFSET 0) q) c
		WHERE q.ctid = c.at AND q.lease = c.lease`, "$1")

	moveProven = allOf(handTo+`FROM (
			SELECT c.run_id, c.task_id, c.map_index, c.try, c.was, q.at
			FROM unnest($7::bigint[], $8::text[], $9::int[], $10::int[], $11::bigint[], $12::text[], $13::int[], $14::uuid[])
				AS c(run_id, task_id, map_index, try, old_run, old_task, old_index, was)
				CROSS JOIN LATERAL (SELECT q.ctid AS at FROM tidemill.task_queue q
					WHERE q.run_id = c.old_run AND q.task_id = c.old_task AND q.map_index = c.old_index OFFSET 0) q) c
		WHERE q.ctid = c.at AND q.lease = c.was`, "$7")
)

// leaseColumns are leases.
type leaseColumns struct {
	keyColumns
	ids uuids
}

func (o *leaseColumns) add(l engine.Lease) {
	o.keyColumns.add(l.TaskKey)
	o.ids = append(o.ids, l.ID)
}

// args are the columns of some of them.
func (o *leaseColumns) args(from, to int) []any {
	return []any{o.runs[from:to], o.tasks[from:to], o.indexes[from:to], o.ids[from:to]}
}

type queueColumns struct {
	keyColumns
	dags       []string
	tries      []int32
	priorities []int32
	queues     []string
	leases     []pgtype.UUID
	handed     bool // some item is handed over
	limited    bool // some item is counted by a limit, or nobody's yet
	pools      []string
	slots      []int32
	pooled     bool // whether any takes slots of a pool
}

func (o *queueColumns) add(q *engine.QueueItem, pin string) {
	o.keyColumns.add(q.TaskKey)
	o.dags = append(o.dags, q.DAG)
	o.tries = append(o.tries, int32(q.Try))                //nolint:gosec // tries stay small
	o.priorities = append(o.priorities, int32(q.Priority)) //nolint:gosec // checked at registration
	o.queues = append(o.queues, engine.PinnedTo(q.Queue, pin))
	o.leases = append(o.leases, nullable(q.Lease))
	o.pools = append(o.pools, q.Pool)
	o.slots = append(o.slots, int32(q.Slots)) //nolint:gosec // checked at registration
	o.pooled = o.pooled || q.Pool != ""
	o.limited = o.limited || !q.Free || q.Lease == uuid.Nil
	o.handed = o.handed || q.Lease != uuid.Nil
}

// grow makes room for n more.
func (o *queueColumns) grow(n int) {
	o.keyColumns.grow(n)
	o.dags, o.tries, o.priorities, o.queues = slices.Grow(o.dags, n), slices.Grow(o.tries, n), slices.Grow(o.priorities, n), slices.Grow(o.queues, n)
	o.leases, o.pools, o.slots = slices.Grow(o.leases, n), slices.Grow(o.pools, n), slices.Grow(o.slots, n)
}

// uniform tells whether a column has one value throughout.
func uniform[T comparable](column []T) bool {
	for _, v := range column {
		if v != column[0] {
			return false
		}
	}
	return true
}

// alike tells whether the items are all handed over, as enqueueHanded asks for it.
func (o *queueColumns) alike() bool {
	return !o.limited && uniform(o.dags) && uniform(o.priorities) && uniform(o.queues) && uniform(o.leases)
}

// queueMoved queues the first n items into as many rows of the queue, which are free and which the statement's last arguments tell, and leaves
// the others. The items must be alike.
func (o *queueColumns) queueMoved(b *pgx.Batch, sql string, now time.Time, worker int64, n int, free ...any) {
	if n == 0 {
		return
	}
	b.Queue(sql, append([]any{o.dags[0], o.priorities[0], o.queues[0], now, worker, o.leases[0], o.runs[:n], o.tasks[:n], o.indexes[:n], o.tries[:n]}, free...)...)
	o.runs, o.tasks, o.indexes, o.tries = o.runs[n:], o.tasks[n:], o.indexes[n:], o.tries[n:]
	o.dags, o.priorities, o.queues, o.leases = o.dags[n:], o.priorities[n:], o.queues[n:], o.leases[n:]
	o.pools, o.slots = o.pools[n:], o.slots[n:]
}

func (o *queueColumns) queue(b *pgx.Batch, now time.Time, worker int64, replace bool) {
	if len(o.runs) == 0 {
		return
	}
	args := []any{o.runs, o.tasks, o.indexes, o.dags, o.tries, o.priorities, o.queues, now}
	sql := enqueueReady
	switch {
	case o.alike():
		sql = enqueueHanded
		args = []any{o.runs, o.tasks, o.indexes, o.tries, o.dags[0], o.priorities[0], o.queues[0], now, worker, o.leases[0]}
	case o.pooled || o.handed:
		sql = enqueueMixed
		args = append(args, worker, o.leases, o.pools, o.slots)
	}
	if replace {
		sql += replacingQueued
	}
	b.Queue(sql, args...)
}

const (
	deleteTimers = `DELETE FROM tidemill.timers t USING (
			SELECT t.at FROM unnest($1::bigint[], $2::text[], $3::int[], $4::text[]) AS c(run_id, task_id, map_index, kind)
				CROSS JOIN LATERAL (SELECT t.ctid AS at FROM tidemill.timers t
					WHERE t.run_id = c.run_id AND t.task_id = c.task_id AND t.map_index = c.map_index AND t.kind = c.kind OFFSET 0) t) c
		WHERE t.ctid = c.at`

	setTimers = `INSERT INTO tidemill.timers (run_id, task_id, map_index, kind, dag_id, due_at)
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::text[], $6::timestamptz[])
		ON CONFLICT (run_id, task_id, map_index, kind) DO UPDATE SET due_at = excluded.due_at`
)

type timerColumns struct {
	keyColumns
	kinds []string
	dags  []string
	dues  []time.Time
}

func (o *timerColumns) add(t engine.Timer, dag string) {
	o.keyColumns.add(t.TaskKey)
	o.kinds = append(o.kinds, string(t.Kind))
	o.dags = append(o.dags, dag)
	o.dues = append(o.dues, t.DueAt)
}

func (o *timerColumns) queueDelete(b *pgx.Batch) {
	if len(o.runs) > 0 {
		b.Queue(deleteTimers, o.runs, o.tasks, o.indexes, o.kinds)
	}
}

func (o *timerColumns) queueSet(b *pgx.Batch) {
	if len(o.runs) > 0 {
		b.Queue(setTimers, o.runs, o.tasks, o.indexes, o.kinds, o.dags, o.dues)
	}
}
