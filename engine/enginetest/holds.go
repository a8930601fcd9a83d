package enginetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// HeldRuns implements engine.Dispatcher.
func (s *Store) HeldRuns(ctx context.Context, dags []string, limit int) ([]engine.RunRow, error) {
	return query(ctx, s, "HeldRuns", func(time.Time) ([]engine.RunRow, error) {
		var out []engine.RunRow
		for _, d := range s.known(dags) {
			for r := range d.held {
				out = append(out, copyRun(r.row))
			}
		}
		slices.SortFunc(out, func(a, b engine.RunRow) int { return cmp.Compare(a.Key, b.Key) })
		return out[:min(len(out), limit)], nil
	})
}

// Release implements engine.Dispatcher. One that is not held stays as it is; ErrNotFound when there is no such run.
func (s *Store) Release(ctx context.Context, key int64) error {
	return exec(ctx, s, "Release", func(time.Time) error {
		r, err := s.run(key)
		if err == nil {
			r.release()
		}
		return err
	})
}

func (s *Store) run(key int64) (*run, error) {
	if r := s.runs[key]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("run %d: %w", key, engine.ErrNotFound)
}
