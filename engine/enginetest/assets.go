package enginetest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// schedule takes down which assets schedule a DAG. Events of others are not pending for it any more.
func (s *Store) schedule(d *dag, spec *engine.AssetSpec) {
	d.updated = map[string]bool{}
	for _, name := range spec.Names() {
		d.updated[name] = true
	}
	maps.DeleteFunc(d.pending, func(id int64, _ bool) bool { return !d.updated[s.assets[id-1].Asset] })
}

// EmitAsset implements engine.Outbox.
func (s *Store) EmitAsset(ctx context.Context, e engine.AssetEvent, acts ...engine.AuditEntry) error {
	return exec(ctx, s, "EmitAsset", func(now time.Time) error {
		s.update([]engine.AssetEvent{e}, now)
		s.note(acts, now)
		return nil
	})
}

// update stores events of assets, pending for each DAG that is scheduled by them. One without a time is of now.
func (s *Store) update(events []engine.AssetEvent, now time.Time) {
	for _, e := range events {
		e = copyAsset(e)
		e.ID, e.For = int64(len(s.assets)+1), ""
		if e.At.IsZero() {
			e.At = now
		}
		s.assets = append(s.assets, e)
		for _, d := range s.dags {
			if d.updated[e.Asset] {
				d.pending[e.ID] = true
			}
		}
	}
}

// PendingAssets implements engine.Dispatcher.
func (s *Store) PendingAssets(ctx context.Context, dags []string) ([]engine.AssetEvent, error) {
	return query(ctx, s, "PendingAssets", func(time.Time) ([]engine.AssetEvent, error) {
		var out []engine.AssetEvent
		for _, d := range s.known(dags) {
			for id := range d.pending {
				e := copyAsset(s.assets[id-1])
				e.For = d.status.ID
				out = append(out, e)
			}
		}
		sortAssets(out)
		return out, nil
	})
}

func sortAssets(es []engine.AssetEvent) {
	slices.SortFunc(es, func(a, b engine.AssetEvent) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID), cmp.Compare(a.For, b.For))
	})
}

// CreateAssetRun implements engine.Dispatcher. ErrConflict, too, when there is a run of that id or logical date already; ErrNotFound when
// the DAG was never registered.
func (s *Store) CreateAssetRun(ctx context.Context, n engine.NewRun, events []int64) (int64, error) {
	return query(ctx, s, "CreateAssetRun", func(now time.Time) (int64, error) {
		d, err := s.dag(n.DAG)
		if err != nil {
			return 0, err
		}
		for _, id := range events {
			if !d.pending[id] {
				return 0, fmt.Errorf("event %d is not pending for DAG %q: %w", id, n.DAG, engine.ErrConflict)
			}
		}
		c := s.createRun(n, now)
		if c.Exists {
			return 0, fmt.Errorf("run %q of DAG %q exists: %w", n.RunID, n.DAG, engine.ErrConflict)
		}
		for _, id := range events {
			delete(d.pending, id)
		}
		s.runs[c.Key].events = slices.Clone(events)
		return c.Key, nil
	})
}

// DropPending implements engine.Dispatcher.
func (s *Store) DropPending(ctx context.Context, dag, asset string, before time.Time, acts ...engine.AuditEntry) (int, error) {
	return s.prune(ctx, "DropPending", acts, func() int {
		n := 0
		for id, d := range s.dags {
			if dag != "" && id != dag {
				continue
			}
			maps.DeleteFunc(d.pending, func(id int64, _ bool) bool {
				e := &s.assets[id-1]
				drop := (asset == "" || e.Asset == asset) && (before.IsZero() || e.At.Before(before))
				if drop {
					n++
				}
				return drop
			})
		}
		return n
	})
}

// RunAssets implements engine.Reader.
func (s *Store) RunAssets(ctx context.Context, key int64) ([]engine.AssetEvent, error) {
	return query(ctx, s, "RunAssets", func(time.Time) ([]engine.AssetEvent, error) {
		var out []engine.AssetEvent
		if r := s.runs[key]; r != nil {
			for _, id := range r.events {
				out = append(out, copyAsset(s.assets[id-1]))
			}
		}
		sortAssets(out)
		return out, nil
	})
}

// RunEvents implements engine.Reader.
func (s *Store) RunEvents(ctx context.Context, runs []int64) (map[int64][]int64, error) {
	return query(ctx, s, "RunEvents", func(time.Time) (map[int64][]int64, error) {
		out := map[int64][]int64{}
		for _, key := range runs {
			if r := s.runs[key]; r != nil && len(r.events) > 0 {
				out[key] = slices.Sorted(slices.Values(r.events))
			}
		}
		return out, nil
	})
}

// AssetEvents implements engine.Reader.
func (s *Store) AssetEvents(ctx context.Context, asset string, limit int) ([]engine.AssetEvent, error) {
	return query(ctx, s, "AssetEvents", func(time.Time) ([]engine.AssetEvent, error) {
		var out []engine.AssetEvent
		for _, e := range slices.Backward(s.assets) {
			if len(out) < limit && (asset == "" || asset == e.Asset) && !s.noAssets[e.ID] {
				out = append(out, copyAsset(e))
			}
		}
		return out, nil
	})
}
