package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

type backfill struct {
	row engine.BackfillRow // Counts are counted when it is read
}

type createdBackfill struct {
	id   int64
	runs []engine.Created
}

// CreateBackfill implements engine.BackfillStore. Both ends of a range are part of it: ranges that share one overlap.
func (s *Store) CreateBackfill(ctx context.Context, b engine.NewBackfill) (int64, []engine.Created, error) {
	c, err := query(ctx, s, "CreateBackfill", func(now time.Time) (createdBackfill, error) {
		if _, err := s.dag(b.DAG); err != nil {
			return createdBackfill{}, err
		}
		for _, o := range s.backfills {
			if o.row.DAG == b.DAG && o.row.CompletedAt == nil && !o.row.From.After(b.To) && !b.From.After(o.row.To) {
				return createdBackfill{}, fmt.Errorf("backfill %d of DAG %q overlaps: %w", o.row.ID, b.DAG, engine.ErrConflict)
			}
		}
		id := int64(len(s.backfills) + 1)
		runs := slices.Clone(b.Runs)
		for i := range runs {
			runs[i].Backfill = id
		}
		created, err := s.createRuns(runs, now)
		if err != nil {
			return createdBackfill{}, err
		}
		s.backfills = append(s.backfills, &backfill{row: engine.BackfillRow{
			ID: id, DAG: b.DAG, From: b.From, To: b.To, MaxActiveRuns: b.MaxActiveRuns, Backwards: b.Backwards,
			Reprocess: b.Reprocess, Params: bytes.Clone(b.Params), Tasks: slices.Clone(b.Tasks),
			TriggeredBy: b.TriggeredBy, Paused: b.Paused, CreatedAt: now, UpdatedAt: now,
		}})
		s.note(b.Acts, now)
		return createdBackfill{id, created}, nil
	})
	return c.id, c.runs, err
}

// AdoptRuns implements engine.BackfillStore.
func (s *Store) AdoptRuns(ctx context.Context, id int64, runs []int64) error {
	return s.changeBackfill(ctx, "AdoptRuns", id, func(_ *backfill, _ time.Time) error {
		for _, k := range runs {
			if s.runs[k] == nil {
				return fmt.Errorf("run %d: %w", k, engine.ErrNotFound)
			}
		}
		for _, k := range runs {
			s.runs[k].change(s.runs[k].row.State, id)
		}
		return nil
	})
}

// SetBackfillPaused implements engine.BackfillStore.
func (s *Store) SetBackfillPaused(ctx context.Context, id int64, paused bool, acts ...engine.AuditEntry) error {
	return s.changeBackfill(ctx, "SetBackfillPaused", id, func(b *backfill, now time.Time) error {
		if b.row.CompletedAt != nil {
			return fmt.Errorf("backfill %d has ended: %w", id, engine.ErrConflict)
		}
		if b.row.Paused == paused {
			return nil
		}
		b.row.Paused, b.row.UpdatedAt = paused, now
		s.note(acts, now)
		return nil
	})
}

// EndBackfill implements engine.BackfillStore.
func (s *Store) EndBackfill(ctx context.Context, id int64, cancelled bool, acts ...engine.AuditEntry) error {
	return s.changeBackfill(ctx, "EndBackfill", id, func(b *backfill, now time.Time) error {
		if b.row.CompletedAt != nil {
			return fmt.Errorf("backfill %d has ended: %w", id, engine.ErrConflict)
		}
		b.row.CompletedAt, b.row.UpdatedAt, b.row.Cancelled, b.row.Paused = &now, now, cancelled, false
		s.note(acts, now)
		return nil
	})
}

func (s *Store) changeBackfill(ctx context.Context, op string, id int64, f func(*backfill, time.Time) error) error {
	return exec(ctx, s, op, func(now time.Time) error {
		b := s.backfill(id)
		if b == nil {
			return noBackfill(id)
		}
		return f(b, now)
	})
}

// FinishBackfills implements engine.BackfillStore.
func (s *Store) FinishBackfills(ctx context.Context) ([]int64, error) {
	return query(ctx, s, "FinishBackfills", func(now time.Time) ([]int64, error) {
		var out []int64
		for _, b := range s.backfills {
			if b.row.CompletedAt == nil && !b.row.Paused && s.over(b) {
				b.row.CompletedAt, b.row.UpdatedAt = copyOf(&now), now
				out = append(out, b.row.ID)
			}
		}
		return out, nil
	})
}

func (s *Store) over(b *backfill) bool {
	g := s.dags[b.row.DAG].groups[b.row.ID]
	return g == nil || g.running == 0 && g.held == 0 && g.queued.Len() == 0
}

// Backfills implements engine.BackfillStore: the newest first, and how many fit in all.
func (s *Store) Backfills(ctx context.Context, f engine.BackfillFilter) ([]engine.BackfillRow, int, error) {
	p, err := query(ctx, s, "Backfills", func(time.Time) (page[engine.BackfillRow], error) {
		var fit []*backfill
		for _, b := range slices.Backward(s.backfills) {
			if (f.DAG == "" || f.DAG == b.row.DAG) && (!f.Open || b.row.CompletedAt == nil) {
				fit = append(fit, b)
			}
		}
		return pageOf(fit, f.Limit, f.Offset, s.backfillRow), nil
	})
	return p.rows, p.total, err
}

// Backfill implements engine.BackfillStore. engine.ErrNotFound when there is none of that id.
func (s *Store) Backfill(ctx context.Context, id int64) (engine.BackfillRow, error) {
	return query(ctx, s, "Backfill", func(time.Time) (engine.BackfillRow, error) {
		b := s.backfill(id)
		if b == nil {
			return engine.BackfillRow{}, noBackfill(id)
		}
		return s.backfillRow(b), nil
	})
}

// backfill returns the backfill of an id, or nil.
func (s *Store) backfill(id int64) *backfill {
	if id < 1 || id > int64(len(s.backfills)) {
		return nil
	}
	return s.backfills[id-1]
}

func noBackfill(id int64) error { return fmt.Errorf("backfill %d: %w", id, engine.ErrNotFound) }

func (s *Store) backfillRow(b *backfill) engine.BackfillRow {
	row := b.row
	row.Params, row.Tasks, row.CompletedAt = bytes.Clone(row.Params), slices.Clone(row.Tasks), copyOf(row.CompletedAt)
	row.Counts = map[engine.RunState]int{}
	for _, r := range s.dags[row.DAG].all {
		if r.row.Backfill == row.ID {
			row.Counts[r.row.State]++
		}
	}
	return row
}
