package enginetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// A pool is one that was set, or one of which tasks are leased still.
type pool struct {
	engine.Pool
	set  bool
	used int // slots of leased tasks
}

func (s *Store) pool(name string) *pool {
	p := s.pools[name]
	if p == nil {
		p = &pool{Pool: engine.Pool{Name: name}}
		s.pools[name] = p
	}
	return p
}

// usePool counts what a lease takes of its pool, or with sign −1 gives back.
func (s *Store) usePool(it *item, sign int) {
	if it.Pool != "" {
		s.pool(it.Pool).used += sign * it.Slots
	}
}

// SetPool implements engine.Registry.
func (s *Store) SetPool(ctx context.Context, p engine.Pool, acts ...engine.AuditEntry) error {
	return exec(ctx, s, "SetPool", func(now time.Time) error {
		old := s.pool(p.Name)
		if old.set && old.Pool == p {
			return nil
		}
		old.Pool, old.set = p, true
		s.note(acts, now)
		return nil
	})
}

// DeletePool implements engine.Registry. ErrNotFound when there is none of that name.
func (s *Store) DeletePool(ctx context.Context, name string, acts ...engine.AuditEntry) error {
	return exec(ctx, s, "DeletePool", func(now time.Time) error {
		p := s.pools[name]
		if p == nil || !p.set {
			return fmt.Errorf("pool %q: %w", name, engine.ErrNotFound)
		}
		p.Pool, p.set = engine.Pool{Name: name}, false
		s.note(acts, now)
		return nil
	})
}

// Pools implements engine.Reader.
func (s *Store) Pools(ctx context.Context) ([]engine.PoolRow, error) {
	return query(ctx, s, "Pools", func(time.Time) ([]engine.PoolRow, error) {
		queued := map[string]int{}
		for _, d := range s.dags {
			for _, ready := range d.ready {
				for _, it := range ready.elems {
					if it.Pool != "" {
						queued[it.Pool] += it.Slots
					}
				}
			}
		}
		var out []engine.PoolRow
		for _, name := range slices.Sorted(maps.Keys(s.pools)) {
			if p := s.pools[name]; p.set {
				out = append(out, engine.PoolRow{Pool: p.Pool, Running: p.used, Queued: queued[name]})
			}
		}
		return out, nil
	})
}
