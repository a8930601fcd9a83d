package enginetest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// RunByID implements engine.Reader.
func (s *Store) RunByID(ctx context.Context, id, runID string) (engine.RunRow, error) {
	return query(ctx, s, "RunByID", func(time.Time) (engine.RunRow, error) {
		if d := s.dags[id]; d != nil {
			if r := d.byID[runID]; r != nil {
				return copyRun(r.row), nil
			}
		}
		return engine.RunRow{}, fmt.Errorf("run %q of DAG %q: %w", runID, id, engine.ErrNotFound)
	})
}

// RunsByKey implements engine.Reader: those that there are, by key.
func (s *Store) RunsByKey(ctx context.Context, keys []int64) ([]engine.RunRow, error) {
	return query(ctx, s, "RunsByKey", func(time.Time) ([]engine.RunRow, error) {
		var out []engine.RunRow
		for _, r := range s.found(keys) {
			out = append(out, copyRun(r.row))
		}
		return out, nil
	})
}

// Runs implements engine.Reader. A time that is not set sorts after all others; runs alike sort by key.
func (s *Store) Runs(ctx context.Context, f engine.RunFilter) ([]engine.RunRow, int, error) {
	p, err := query(ctx, s, "Runs", func(time.Time) (page[engine.RunRow], error) {
		order, err := runOrder(f.OrderBy)
		if err != nil {
			return page[engine.RunRow]{}, err
		}
		fit := s.fitting(f)
		slices.SortFunc(fit, order)
		return pageOf(fit, f.Limit, f.Offset, func(r *run) engine.RunRow { return copyRun(r.row) }), nil
	})
	return p.rows, p.total, err
}

func (s *Store) fitting(f engine.RunFilter) []*run {
	of := slices.Collect(maps.Values(s.dags))
	if len(f.DAGs) > 0 {
		of = s.known(f.DAGs)
	}
	var out []*run
	for _, d := range of {
		for _, r := range d.all {
			if fits(f, r.row) {
				out = append(out, r)
			}
		}
	}
	return out
}

// fits tells whether a run fits all of a filter but its DAGs.
func fits(f engine.RunFilter, r engine.RunRow) bool {
	switch {
	case len(f.States) > 0 && !slices.Contains(f.States, r.State),
		len(f.Types) > 0 && !slices.Contains(f.Types, r.Type),
		f.Backfill != 0 && f.Backfill != r.Backfill,
		f.LogicalFrom != nil && (r.Logical == nil || r.Logical.Before(*f.LogicalFrom)),
		f.LogicalTo != nil && (r.Logical == nil || r.Logical.After(*f.LogicalTo)),
		len(f.Logicals) > 0 && (r.Logical == nil || !slices.ContainsFunc(f.Logicals, r.Logical.Equal)):
		return false
	}
	return true
}

func runOrder(by string) (func(a, b *run) int, error) {
	if by == "" {
		by = "-key"
	}
	name, down := strings.CutPrefix(by, "-")
	var order func(a, b *run) int
	switch name {
	case "key":
		order = func(a, b *run) int { return cmp.Compare(a.row.Key, b.row.Key) }
	case "run_id":
		order = func(a, b *run) int { return cmp.Compare(a.row.RunID, b.row.RunID) }
	case "state":
		order = func(a, b *run) int { return cmp.Compare(a.row.State, b.row.State) }
	case "queued":
		order = func(a, b *run) int { return a.row.QueuedAt.Compare(b.row.QueuedAt) }
	case "logical":
		return byTime(down, func(r *run) *time.Time { return r.row.Logical }), nil
	case "started":
		return byTime(down, func(r *run) *time.Time { return r.row.StartedAt }), nil
	case "ended":
		return byTime(down, func(r *run) *time.Time { return r.row.EndedAt }), nil
	default:
		return nil, fmt.Errorf("order runs by %q: want key, logical, queued, started, ended, run_id or state", by)
	}
	return turned(down, order), nil
}

func turned(down bool, order func(a, b *run) int) func(a, b *run) int {
	return func(a, b *run) int {
		c := cmp.Or(order(a, b), cmp.Compare(a.row.Key, b.row.Key))
		if down {
			return -c
		}
		return c
	}
}

func byTime(down bool, at func(*run) *time.Time) func(a, b *run) int {
	set := turned(down, func(a, b *run) int { return at(a).Compare(*at(b)) })
	return func(a, b *run) int {
		switch x, y := at(a), at(b); {
		case x != nil && y != nil:
			return set(a, b)
		case x != nil:
			return -1
		case y != nil:
			return 1
		}
		return cmp.Compare(a.row.Key, b.row.Key)
	}
}
