package enginetest

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/engine"
)

type note struct{ text, by string }

// SetRunNote implements engine.Registry.
func (s *Store) SetRunNote(ctx context.Context, key int64, text, by string, acts ...engine.AuditEntry) error {
	return exec(ctx, s, "SetRunNote", func(now time.Time) error {
		r, err := s.run(key)
		if err == nil && r.row.Note != text {
			r.row.Note, r.noteBy = text, by
			s.note(acts, now)
		}
		return err
	})
}

// SetTaskNote implements engine.Registry.
func (s *Store) SetTaskNote(ctx context.Context, key engine.TaskKey, text, by string, acts ...engine.AuditEntry) error {
	return exec(ctx, s, "SetTaskNote", func(now time.Time) error {
		r, err := s.run(key.Run)
		if err != nil {
			return err
		}
		if r.notes[key].text == text {
			return nil
		}
		s.note(acts, now)
		if text == "" {
			delete(r.notes, key)
			return nil
		}
		if r.notes == nil {
			r.notes = map[engine.TaskKey]note{}
		}
		r.notes[key] = note{text, by}
		return nil
	})
}

// TaskNotes implements engine.Reader.
func (s *Store) TaskNotes(ctx context.Context, runs []int64) (map[engine.TaskKey]string, error) {
	return query(ctx, s, "TaskNotes", func(time.Time) (map[engine.TaskKey]string, error) {
		out := map[engine.TaskKey]string{}
		for _, r := range s.found(runs) {
			for k, n := range r.notes {
				out[k] = n.text
			}
		}
		return out, nil
	})
}

// NameElement implements engine.Dispatcher. The name stays until it is replaced.
func (s *Store) NameElement(ctx context.Context, lease engine.Lease, name string) error {
	return exec(ctx, s, "NameElement", func(time.Time) error {
		it := s.holder(lease)
		if it == nil {
			return fmt.Errorf("task %q of run %d: %w", lease.Task, lease.Run, engine.ErrLostLease)
		}
		if it.run.names == nil {
			it.run.names = map[engine.TaskKey]string{}
		}
		it.run.names[lease.TaskKey] = name
		return nil
	})
}

// ElementNames implements engine.Reader.
func (s *Store) ElementNames(ctx context.Context, runs []int64) (map[engine.TaskKey]string, error) {
	return query(ctx, s, "ElementNames", func(time.Time) (map[engine.TaskKey]string, error) {
		out := map[engine.TaskKey]string{}
		for _, r := range s.found(runs) {
			for k, n := range r.names {
				out[k] = n
			}
		}
		return out, nil
	})
}
