package postgres

import (
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tidemill/tidemill/engine"
)

// What a transition finds out under the locks of its runs, of what its caller believed.

const (
	// findLeases: what is leased changes under its run's lock only.
	findLeases = `SELECT c.n, q.at FROM unnest($1::bigint[], $2::text[], $3::int[], $4::uuid[]) WITH ORDINALITY AS c(run_id, task_id, map_index, lease, n)
		CROSS JOIN LATERAL (SELECT q.ctid AS at FROM tidemill.task_queue q
			WHERE q.run_id = c.run_id AND q.task_id = c.task_id AND q.map_index = c.map_index AND q.lease = c.lease OFFSET 0) q`

	// timers and waits of a run change under its lock only.
	findTimers = `SELECT c.n FROM unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::timestamptz[]) WITH ORDINALITY AS c(run_id, task_id, map_index, kind, due_at, n)
		CROSS JOIN LATERAL (SELECT t.due_at FROM tidemill.timers t
			WHERE t.run_id = c.run_id AND t.task_id = c.task_id AND t.map_index = c.map_index AND t.kind = c.kind OFFSET 0) t
		WHERE t.due_at = c.due_at`

	findWaits = `SELECT c.n FROM unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::timestamptz[])
			WITH ORDINALITY AS c(run_id, task_id, map_index, kind, target_dag, target_run, since, n)
		CROSS JOIN LATERAL (SELECT w.kind, w.target_dag, w.target_run, w.since FROM tidemill.waits w
			WHERE w.run_id = c.run_id AND w.task_id = c.task_id AND w.map_index = c.map_index OFFSET 0) w
		WHERE (w.kind, w.target_dag, w.target_run, w.since) = (c.kind, c.target_dag, c.target_run, c.since)`

	// keepWorker keeps a worker's row until the transaction is over: what is handed over to it is never an orphan unseen.
	keepWorker = `SELECT FROM tidemill.workers WHERE id = $1 FOR KEY SHARE`
)

// queueFind queues what tells how much of what a transition's caller believed is so.
func queueFind(b *pgx.Batch, t *engine.Transition, f *found) {
	queueEnds(b, t.Ends, f)
	if len(t.Timers) > 0 {
		var o timerColumns
		for _, tm := range t.Timers {
			o.add(tm, "")
		}
		b.Queue(findTimers, o.runs, o.tasks, o.indexes, o.kinds, o.dues).Query(marking(f.Due))
	}
	if len(t.Waits) > 0 {
		var o waitRows
		for i := range t.Waits {
			o.add(&t.Waits[i], "")
		}
		b.Queue(findWaits, o.runs, o.tasks, o.indexes, o.kinds, o.targetDAGs, o.targetRuns, o.since).Query(marking(f.Wait))
	}
	if t.Worker != 0 {
		b.Queue(keepWorker, t.Worker).Exec(func(tag pgconn.CommandTag) error {
			f.Worker = tag.RowsAffected() == 1
			return nil
		})
	}
}

// marking sets those of found whose numbers, counted from 1, are read.
func marking(found []bool) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var n int64
		_, err := pgx.ForEachRow(rows, []any{&n}, func() error {
			found[n-1] = true
			return nil
		})
		return err
	}
}

// queueEnds queues the search for the queue's rows that still carry their lease, in the order of their keys.
func queueEnds(b *pgx.Batch, ends []engine.Lease, f *found) {
	if len(ends) == 0 {
		return
	}
	order := make([]int, len(ends))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return compareKeys(ends[i].TaskKey, ends[j].TaskKey) })
	var keys keyColumns
	keys.grow(len(ends))
	leases := make(uuids, 0, len(ends))
	for _, i := range order {
		keys.add(ends[i].TaskKey)
		leases = append(leases, ends[i].ID)
	}
	f.ended = make([]pgtype.TID, 0, len(ends))
	b.Queue(findLeases, keys.runs, keys.tasks, keys.indexes, leases).Query(func(rows pgx.Rows) error {
		var n int64
		var at pgtype.TID
		_, err := pgx.ForEachRow(rows, []any{&n, &at}, func() error {
			if k := len(f.ended); k > 0 && f.ended[k-1] == at {
				return nil // the same lease twice
			}
			f.Held[order[n-1]] = true
			f.ended = append(f.ended, at)
			return nil
		})
		return err
	})
}
