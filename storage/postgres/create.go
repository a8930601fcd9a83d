package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

const (
	// insertRuns makes the runs that are not there yet, in the order given. $14 is microseconds, $16 lists the names of tasks as JSON.
	insertRuns = `INSERT INTO tidemill.runs (dag_id, run_id, run_type, logical_date, interval_start, interval_end, params, version, backfill_id,
			position, triggered_by, note, priority, deadline, ignore_past, only_tasks, hold, queued_at, state)
		SELECT c.dag_id, c.run_id, c.run_type, c.logical_date, c.interval_start, c.interval_end, c.params, c.version, c.backfill_id,
			c.position, c.triggered_by, c.note, c.priority, c.deadline * interval '1 microsecond', c.ignore_past,
			CASE WHEN c.only_tasks IS NOT NULL THEN ARRAY(SELECT t.value FROM json_array_elements_text(c.only_tasks::json) WITH ORDINALITY AS t(value, n) ORDER BY t.n) END,
			c.hold::json, now(), 'queued'
		FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[], $7::bytea[], $8::text[], $9::bigint[],
				$10::int[], $11::text[], $12::text[], $13::int[], $14::bigint[], $15::boolean[], $16::text[], $17::text[])
			WITH ORDINALITY AS c(dag_id, run_id, run_type, logical_date, interval_start, interval_end, params, version, backfill_id,
				position, triggered_by, note, priority, deadline, ignore_past, only_tasks, hold, n)
		ORDER BY c.n
		ON CONFLICT DO NOTHING RETURNING id, dag_id, run_id`

	findRun = `SELECT id FROM tidemill.runs WHERE dag_id = $1 AND (logical_date = $2 OR run_id = $3) ORDER BY logical_date = $2 DESC NULLS LAST LIMIT 1`

	insertDeadline = `INSERT INTO tidemill.timers (run_id, task_id, map_index, kind, dag_id, due_at)
		SELECT r.id, '', -1, $2, r.dag_id, r.queued_at + r.deadline FROM tidemill.runs r WHERE r.id = ANY($1)`
)

// CreateRuns implements engine.Registry, in two round trips. A DAG that was never registered is engine.ErrNotFound.
func (s *Store) CreateRuns(ctx context.Context, runs []engine.NewRun) ([]engine.Created, error) {
	if len(runs) == 0 {
		return nil, nil
	}
	c := creation{runs: runs}
	err := s.repeat(ctx, func(ctx context.Context) error {
		conn, err := s.look.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		defer rollback(ctx, conn.Conn())
		var m mark
		b := &pgx.Batch{}
		s.look.queueBegin(b)
		c.queue(b)
		b.Queue(`SELECT ` + markColumns).QueryRow(func(row pgx.Row) error { return row.Scan(m.targets()...) })
		if err := conn.SendBatch(ctx, b).Close(); err != nil {
			return beforeCommit(conn.Conn(), err)
		}
		if err := c.known(); err != nil {
			return err
		}
		b = &pgx.Batch{}
		c.queueRest(b)
		b.Queue("COMMIT")
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitLimit)
		defer cancel()
		if err := conn.SendBatch(last, b).Close(); err != nil {
			if lost(err) && conn.Conn().IsClosed() {
				return s.settle(ctx, m, err)
			}
			return err
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("create %d runs: %w", len(runs), err)
	}
	return c.out, nil
}

// createRuns is CreateRuns within a transaction.
func createRuns(ctx context.Context, tx pgx.Tx, runs []engine.NewRun) ([]engine.Created, error) {
	if len(runs) == 0 {
		return []engine.Created{}, nil
	}
	c := creation{runs: runs}
	b := &pgx.Batch{}
	c.queue(b)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		return nil, err
	}
	if err := c.known(); err != nil {
		return nil, err
	}
	b = &pgx.Batch{}
	c.queueRest(b)
	return c.out, tx.SendBatch(ctx, b).Close()
}

// A creation inserts runs. A run that is there already, committed or not, makes the insertion wait for it and then do nothing; it is looked
// up in a later statement, which sees it.
type creation struct {
	runs    []engine.NewRun
	out     []engine.Created
	missing []string // DAGs that were never registered
}

// queue queues the insertions. It can be called again when the transaction is repeated.
func (c *creation) queue(b *pgx.Batch) {
	c.out, c.missing = make([]engine.Created, len(c.runs)), nil
	b.Queue(unregistered, dagsOf(c.runs)).Query(func(rows pgx.Rows) (err error) {
		c.missing, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	at := make(map[[2]string]int, len(c.runs)) // by DAG and id: of two alike the first is made
	var o newRunColumns
	for i := range c.runs {
		o.add(&c.runs[i])
		k := [2]string{c.runs[i].DAG, c.runs[i].RunID}
		if _, ok := at[k]; !ok {
			at[k] = i
		}
	}
	o.queue(b, func(key int64, dag, run string) { c.out[at[[2]string{dag, run}]].Key = key })
}

// known errs when a DAG was never registered.
func (c *creation) known() error {
	if len(c.missing) > 0 {
		return fmt.Errorf("DAG %q: %w", c.missing[0], engine.ErrNotFound)
	}
	return nil
}

// queueRest queues what follows from the insertions: the runs that were there already are looked up, deadlines are set, and who asked for the
// new ones is noted.
func (c *creation) queueRest(b *pgx.Batch) {
	var timed []int64
	for i := range c.runs {
		switch r := &c.runs[i]; {
		case c.out[i].Key == 0:
			c.out[i].Exists = true
			b.Queue(findRun, r.DAG, r.Logical, r.RunID).QueryRow(func(row pgx.Row) error { return row.Scan(&c.out[i].Key) })
		case r.Deadline > 0:
			timed = append(timed, c.out[i].Key)
		}
	}
	var acts auditRows
	for i := range c.runs {
		if !c.out[i].Exists {
			acts.add(c.runs[i].Acts)
		}
	}
	acts.queue(b)
	if len(timed) > 0 {
		b.Queue(insertDeadline, timed, string(engine.TimerDeadline))
	}
}

const unregistered = `SELECT c.dag_id FROM unnest($1::text[]) AS c(dag_id)
	WHERE NOT EXISTS (SELECT FROM tidemill.dags d WHERE d.dag_id = c.dag_id)`

// dagsOf are the DAGs of some runs, each once.
func dagsOf(runs []engine.NewRun) []string {
	seen := map[string]bool{}
	var ids []string
	for i := range runs {
		if id := runs[i].DAG; !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids
}

func registered(ctx context.Context, tx pgx.Tx, runs []engine.NewRun) error {
	c := creation{}
	var err error
	if c.missing, err = query(ctx, tx, pgx.RowTo[string], unregistered, dagsOf(runs)); err != nil {
		return err
	}
	return c.known()
}
