package postgres

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

const (
	// insertEvents leaves a message for each receiver of webhooks.
	insertEvents = `INSERT INTO tidemill.outbox (event_id, kind, receiver, hook, dag_id, run_id, task_id, map_index, type, data, at, next_at)
		SELECT c.id, 'webhook', r.name, '', c.dag_id, c.run_id, c.task_id, -1, c.type, c.data, c.at, clock_timestamp()
		FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::bigint[], $6::text[], $7::bytea[])
			WITH ORDINALITY AS c(id, type, at, dag_id, run_id, task_id, data, n)
			CROSS JOIN tidemill.receivers r
		ORDER BY c.n, r.name`

	insertCallbacks = `INSERT INTO tidemill.outbox (event_id, kind, receiver, hook, dag_id, run_id, task_id, map_index, type, data, at, next_at)
		SELECT c.id, 'callback', '', c.hook, c.dag_id, c.run_id, c.task_id, c.map_index, '', c.data, $8, $8
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::int[], $7::bytea[])
			WITH ORDINALITY AS c(id, hook, dag_id, run_id, task_id, map_index, data, n)
		ORDER BY c.n`
)

type eventColumns struct {
	ids   uuids
	types []string
	at    []time.Time
	dags  []string
	runs  []int64
	tasks []string
	data  [][]byte
}

func (o *eventColumns) add(e *engine.Event) {
	o.ids = append(o.ids, e.ID)
	o.types = append(o.types, e.Type)
	o.at = append(o.at, e.At)
	o.dags = append(o.dags, e.DAG)
	o.runs = append(o.runs, e.Run)
	o.tasks = append(o.tasks, e.Task)
	o.data = append(o.data, e.Data)
}

func (o *eventColumns) queue(b *pgx.Batch) {
	if len(o.ids) > 0 {
		b.Queue(insertEvents, o.args()...)
	}
}

func (o *eventColumns) args() []any {
	return []any{o.ids, o.types, o.at, o.dags, o.runs, o.tasks, o.data}
}

type callbackColumns struct {
	keyColumns
	ids   uuids
	hooks []string
	dags  []string
	data  [][]byte
}

func (o *callbackColumns) add(c *engine.CallbackCall) {
	o.keyColumns.add(c.TaskKey)
	o.ids = append(o.ids, c.ID)
	o.hooks = append(o.hooks, c.Hook)
	o.dags = append(o.dags, c.DAG)
	o.data = append(o.data, c.Data)
}

func (o *callbackColumns) queue(b *pgx.Batch, now time.Time) {
	if len(o.ids) > 0 {
		b.Queue(insertCallbacks, o.ids, o.hooks, o.dags, o.runs, o.tasks, o.indexes, o.data, now)
	}
}
