package postgres

import "github.com/jackc/pgx/v5"

// Of a run that is pinned to a version of its DAG, queue, timers and waits carry that version in their names, so that only processes of it
// look at them (see engine.PinnedTo).
const (
	repinQueue = `UPDATE tidemill.task_queue q SET queue = split_part(q.queue, '@', 1) || CASE WHEN c.pin <> '' THEN '@' || c.pin ELSE '' END
		FROM (SELECT q.run_id, q.task_id, q.map_index, c.pin FROM unnest($1::bigint[], $2::text[]) AS c(run_id, pin)
			JOIN tidemill.task_queue q ON q.run_id = c.run_id ORDER BY 1, 2, 3 FOR UPDATE OF q) c
		WHERE (q.run_id, q.task_id, q.map_index) = (c.run_id, c.task_id, c.map_index)`
	repinTimers = `UPDATE tidemill.timers t SET dag_id = c.dag_id FROM unnest($1::bigint[], $2::text[]) AS c(run_id, dag_id) WHERE t.run_id = c.run_id`
	repinWaits  = `UPDATE tidemill.waits w SET dag_id = c.dag_id FROM unnest($1::bigint[], $2::text[]) AS c(run_id, dag_id) WHERE w.run_id = c.run_id`
)

// pinColumns are runs that become pinned to another version, or to none.
type pinColumns struct {
	keys       []int64
	dags, pins []string
}

func (o *pinColumns) queue(b *pgx.Batch) {
	if len(o.keys) > 0 {
		b.Queue(repinQueue, o.keys, o.pins)
		b.Queue(repinTimers, o.keys, o.dags)
		b.Queue(repinWaits, o.keys, o.dags)
	}
}
