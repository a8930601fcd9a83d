package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

const insertAudit = `INSERT INTO tidemill.audit_log (at, logical_date, map_index, try_number, done_by, event, dag_id, run_id, task_id, extra)
	SELECT clock_timestamp(), c.logical_date, c.map_index, c.try_number, c.done_by, c.event, c.dag_id, c.run_id, c.task_id, c.extra::json
	FROM unnest($1::timestamptz[], $2::int[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
		WITH ORDINALITY AS c(logical_date, map_index, try_number, done_by, event, dag_id, run_id, task_id, extra, n)
	ORDER BY c.n`

// auditRows are entries of the audit log.
type auditRows struct {
	logicals            []*time.Time
	indexes, tries      []int32
	by, events          []string
	dags, runIDs, tasks []string
	extras              []*string
}

func (o *auditRows) add(acts []engine.AuditEntry) {
	for i := range acts {
		a := &acts[i]
		o.logicals = append(o.logicals, a.Logical)
		o.indexes = append(o.indexes, int32(a.MapIndex)) //nolint:gosec // bounded by the number of elements
		o.tries = append(o.tries, int32(a.Try))          //nolint:gosec // bounded by the number of tries
		o.by = append(o.by, clean(a.By))
		o.events = append(o.events, a.Event)
		o.dags = append(o.dags, clean(a.DAG))
		o.runIDs = append(o.runIDs, clean(a.RunID))
		o.tasks = append(o.tasks, clean(a.Task))
		var extra *string
		if len(a.Extra) > 0 {
			text := clean(string(a.Extra))
			extra = &text
		}
		o.extras = append(o.extras, extra)
	}
}

func (o *auditRows) queue(b *pgx.Batch) {
	if len(o.events) > 0 {
		b.Queue(insertAudit, o.args()...)
	}
}

func (o *auditRows) args() []any {
	return []any{o.logicals, o.indexes, o.tries, o.by, o.events, o.dags, o.runIDs, o.tasks, o.extras}
}

// audit stores what people did, in the transaction of the change.
func audit(ctx context.Context, tx pgx.Tx, acts []engine.AuditEntry) error {
	if len(acts) == 0 {
		return nil
	}
	var o auditRows
	o.add(acts)
	_, err := tx.Exec(ctx, insertAudit, o.args()...)
	return err
}

// A personal is a change by a person's word.
type personal struct {
	what string // is done, for errors
	// sql makes the change, and touches no row when all is as asked for already.
	sql  string
	args []any
	// asked looks, by the first argument, for what is to be changed: it yields a row when it is there, and whether it may be changed still.
	// "": what sql does not touch is not there.
	asked string
}

// changeBy makes a change and stores what it leaves in the audit log, which is nothing when it changes nothing. engine.ErrNotFound when
// there is nothing to change, engine.ErrConflict when it may not be changed any more.
func (s *Store) changeBy(ctx context.Context, acts []engine.AuditEntry, c personal) error {
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, c.sql, c.args...)
		switch {
		case err != nil:
			return err
		case tag.RowsAffected() > 0:
			return audit(ctx, tx, acts)
		case c.asked == "":
			return final{engine.ErrNotFound}
		}
		open := false
		if err := tx.QueryRow(ctx, c.asked, c.args[0]).Scan(&open); err != nil {
			if errors.Is(err, pgx.ErrNoRows) {
				err = final{engine.ErrNotFound}
			}
			return err
		}
		if !open {
			return final{engine.ErrConflict}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", c.what, err)
	}
	return nil
}

// deleteBy deletes a batch, returns how many rows went, and stores acts when some did.
func (s *Store) deleteBy(ctx context.Context, acts []engine.AuditEntry, what, sql string, args ...any) (int, error) {
	n := 0
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sql, args...)
		if n = int(tag.RowsAffected()); err != nil || n == 0 {
			return err
		}
		return audit(ctx, tx, acts)
	})
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return n, nil
}

// PruneAudit implements engine.AuditStore.
func (s *Store) PruneAudit(ctx context.Context, before time.Time, limit int, acts ...engine.AuditEntry) (int, error) {
	return s.deleteBy(ctx, acts, "prune the audit log from before "+before.Format(time.RFC3339), `DELETE FROM tidemill.audit_log WHERE id IN (
		SELECT a.id FROM tidemill.audit_log a WHERE a.at < $1 ORDER BY a.at, a.id LIMIT $2 FOR UPDATE SKIP LOCKED)`, before, limit)
}

const auditColumns = `a.id, a.at, a.logical_date, a.map_index, a.try_number, a.done_by, a.event, a.dag_id, a.run_id, a.task_id, a.extra::text`

func scanAudit(row pgx.CollectableRow) (a engine.AuditEntry, err error) {
	var extra *string
	err = row.Scan(&a.ID, &a.At, &a.Logical, &a.MapIndex, &a.Try, &a.By, &a.Event, &a.DAG, &a.RunID, &a.Task, &extra)
	if extra != nil {
		a.Extra = []byte(*extra)
	}
	return a, err
}

// auditFields are the columns that entries are found and ordered by.
var auditFields = map[string]string{
	"id": "a.id", "when": "a.at", "logical_date": "a.logical_date", "dag_id": "a.dag_id", "task_id": "a.task_id", "run_id": "a.run_id",
	"event": "a.event", "owner": "a.done_by", "extra": "a.extra::text",
}

// Audit implements engine.AuditStore. A limit of 0 is none.
func (s *Store) Audit(ctx context.Context, f engine.AuditFilter) ([]engine.AuditEntry, int, error) {
	w, err := auditWhere(&f)
	if err != nil {
		return nil, 0, err
	}
	order, err := auditOrder(f.OrderBy)
	if err != nil {
		return nil, 0, err
	}
	var total int
	err = s.look.QueryRow(ctx, `SELECT count(*) FROM tidemill.audit_log a`+w.text(), w.args...).Scan(&total)
	if err != nil {
		return nil, 0, fmt.Errorf("count entries of the audit log: %w", err)
	}
	out, err := query(ctx, s.look, scanAudit, `SELECT `+auditColumns+` FROM tidemill.audit_log a`+w.text()+order+
		` LIMIT nullif(`+w.arg(f.Limit)+`::bigint, 0) OFFSET `+w.arg(f.Offset)+`::bigint`, w.args...)
	if err != nil {
		return nil, 0, fmt.Errorf("read the audit log: %w", err)
	}
	return out, total, nil
}

// AuditEntry implements engine.AuditStore.
func (s *Store) AuditEntry(ctx context.Context, id int64) (engine.AuditEntry, error) {
	out, err := query(ctx, s.look, scanAudit, `SELECT `+auditColumns+` FROM tidemill.audit_log a WHERE a.id = $1`, id)
	if err == nil && len(out) == 0 {
		err = engine.ErrNotFound
	}
	if err != nil {
		return engine.AuditEntry{}, fmt.Errorf("read entry %d of the audit log: %w", id, err)
	}
	return out[0], nil
}

// A where is a condition that is put together, with its arguments.
type where struct {
	conditions []string
	args       []any
}

// arg adds an argument and returns its place.
func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return fmt.Sprintf("$%d", len(w.args))
}

func (w *where) add(left string, v any, right string) {
	w.conditions = append(w.conditions, left+w.arg(v)+right)
}

func (w *where) text() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

func auditWhere(f *engine.AuditFilter) (*where, error) {
	w := &where{}
	for _, is := range []struct{ column, want string }{{"a.dag_id", f.DAG}, {"a.run_id", f.RunID}, {"a.task_id", f.Task}, {"a.done_by", f.By}} {
		if is.want != "" {
			w.add(is.column+" = ", clean(is.want), "")
		}
	}
	if f.MapIndex != nil {
		w.add("a.task_id <> '' AND a.map_index = ", *f.MapIndex, "::bigint")
	}
	if f.Try != nil {
		w.add("a.try_number = ", *f.Try, "::bigint")
	}
	if len(f.Events) > 0 {
		w.add("a.event = ANY(", cleaned(f.Events), "::text[])")
	}
	if len(f.NotEvents) > 0 {
		w.add("a.event <> ALL(", cleaned(f.NotEvents), "::text[])")
	}
	if f.After != nil {
		w.add("a.at > ", *f.After, "")
	}
	if f.Before != nil {
		w.add("a.at < ", *f.Before, "")
	}
	for _, m := range f.Match {
		column, ok := auditFields[m.Field]
		switch m.Field {
		case "dag_id", "task_id", "run_id", "owner", "event":
		default:
			ok = false
		}
		if !ok {
			return nil, fmt.Errorf("match of the audit log by %q: there is no such field", m.Field)
		}
		m.Patterns = cleaned(m.Patterns)
		if err := m.Check(); err != nil {
			return nil, fmt.Errorf("match of the audit log: %w", err)
		}
		like := " LIKE ANY("
		if m.Fold {
			like = " ILIKE ANY("
		}
		w.add(column+" <> '' AND "+column+like, m.Patterns, "::text[])")
	}
	return w, nil
}

func cleaned(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = clean(s)
	}
	return out
}

func auditOrder(by []string) (string, error) {
	order := ""
	for _, o := range by {
		name, down := strings.CutPrefix(o, "-")
		column, ok := auditFields[name]
		if !ok {
			return "", fmt.Errorf("order of the audit log by %q: there is no such field", o)
		}
		if name != "id" && name != "when" && name != "logical_date" {
			column += ` COLLATE "C"`
		}
		if down {
			column += " DESC"
		}
		order += column + " NULLS LAST, "
	}
	return " ORDER BY " + order + "a.id", nil
}
