package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

const (
	setTaskNote = `INSERT INTO tidemill.task_notes AS n (run_id, task_id, map_index, note, written_by, written_at)
		SELECT r.id, $2, $3, $4, $5, now() FROM tidemill.runs r WHERE r.id = $1
		ON CONFLICT (run_id, task_id, map_index) DO UPDATE SET note = excluded.note, written_by = excluded.written_by,
			written_at = excluded.written_at
		WHERE n.note <> excluded.note`

	dropTaskNote = `DELETE FROM tidemill.task_notes WHERE run_id = $1 AND task_id = $2 AND map_index = $3`

	notedRun = `SELECT true FROM tidemill.runs WHERE id = $1`

	// nameElement keeps the lease in place until the name is stored.
	nameElement = `WITH held AS (SELECT run_id, task_id, map_index FROM tidemill.task_queue
			WHERE run_id = $1 AND task_id = $2 AND map_index = $3 AND lease = $4 FOR KEY SHARE)
		INSERT INTO tidemill.element_names (run_id, task_id, map_index, name) SELECT run_id, task_id, map_index, $5 FROM held
		ON CONFLICT (run_id, task_id, map_index) DO UPDATE SET name = excluded.name`
)

// SetRunNote implements engine.Registry.
func (s *Store) SetRunNote(ctx context.Context, run int64, note, by string, acts ...engine.AuditEntry) error {
	return s.changeBy(ctx, acts, personal{
		what: fmt.Sprintf("note run %d", run),
		sql:  `UPDATE tidemill.runs SET note = $2, note_by = $3 WHERE id = $1 AND note <> $2`, args: []any{run, clean(note), clean(by)},
		asked: notedRun,
	})
}

// SetTaskNote implements engine.Registry.
func (s *Store) SetTaskNote(ctx context.Context, key engine.TaskKey, note, by string, acts ...engine.AuditEntry) error {
	c := personal{what: fmt.Sprintf("note task %q of run %d", key.Task, key.Run), sql: dropTaskNote, args: []any{key.Run, key.Task, key.MapIndex}, asked: notedRun}
	if note != "" {
		c.sql, c.args = setTaskNote, append(c.args, clean(note), clean(by))
	}
	return s.changeBy(ctx, acts, c)
}

// NameElement implements engine.Dispatcher. The name stays until it is replaced.
func (s *Store) NameElement(ctx context.Context, lease engine.Lease, name string) error {
	err := s.repeat(ctx, func(ctx context.Context) error {
		tag, err := s.look.Exec(ctx, nameElement, lease.Run, lease.Task, lease.MapIndex, nullable(lease.ID), clean(name))
		if err == nil && tag.RowsAffected() == 0 {
			return final{engine.ErrLostLease}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("name element %d of task %q of run %d: %w", lease.MapIndex, lease.Task, lease.Run, err)
	}
	return nil
}

// TaskNotes implements engine.Reader.
func (s *Store) TaskNotes(ctx context.Context, runs []int64) (map[engine.TaskKey]string, error) {
	return s.texts(ctx, "read notes", `SELECT run_id, task_id, map_index, note FROM tidemill.task_notes WHERE run_id = ANY($1)`, runs)
}

// ElementNames implements engine.Reader.
func (s *Store) ElementNames(ctx context.Context, runs []int64) (map[engine.TaskKey]string, error) {
	return s.texts(ctx, "read names of elements", `SELECT run_id, task_id, map_index, name FROM tidemill.element_names WHERE run_id = ANY($1)`, runs)
}

// texts reads one text for each of some instances.
func (s *Store) texts(ctx context.Context, what, sql string, runs []int64) (map[engine.TaskKey]string, error) {
	out := map[engine.TaskKey]string{}
	rows, err := s.look.Query(ctx, sql, runs)
	if err == nil {
		var k engine.TaskKey
		var text string
		_, err = pgx.ForEachRow(rows, []any{&k.Run, &k.Task, &k.MapIndex, &text}, func() error {
			out[k] = text
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}
