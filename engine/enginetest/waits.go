package enginetest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// wait takes out the waits that are over and sets the new ones.
func (r *run) wait(set []engine.Wait, over []engine.TaskKey) {
	for _, k := range over {
		delete(r.waits, k)
	}
	for _, w := range set {
		if r.waits == nil {
			r.waits = map[engine.TaskKey]engine.Wait{}
		}
		r.waits[w.TaskKey] = w
	}
	if len(r.waits) > 0 {
		r.scope.waiting[r] = struct{}{}
	} else {
		delete(r.scope.waiting, r)
	}
}

// Waits implements engine.Dispatcher.
func (s *Store) Waits(ctx context.Context, dags []string, kind engine.WaitKind, after engine.TaskKey, limit int) ([]engine.DueWait, error) {
	return query(ctx, s, "Waits", func(time.Time) ([]engine.DueWait, error) {
		var out []engine.DueWait
		for _, d := range s.scoped(dags) {
			for r := range d.waiting {
				for _, w := range r.waits {
					if w.Kind != kind || compareKeys(w.TaskKey, after) <= 0 {
						continue
					}
					if target, due := s.target(w); due {
						out = append(out, engine.DueWait{Wait: w, Target: target})
					}
				}
			}
		}
		slices.SortFunc(out, func(a, b engine.DueWait) int { return compareKeys(a.TaskKey, b.TaskKey) })
		return out[:min(len(out), limit)], nil
	})
}

// target tells whether a wait is to be looked at, and for one for a run how that ended.
func (s *Store) target(w engine.Wait) (engine.RunState, bool) {
	if w.Kind != engine.WaitRun {
		return "", true
	}
	d := s.dags[w.DAG]
	if d == nil || d.byID[w.RunID] == nil {
		return "", true
	}
	state := d.byID[w.RunID].row.State
	return state, state.Terminal()
}

// RunWaits implements engine.Reader: by key.
func (s *Store) RunWaits(ctx context.Context, runs []int64) ([]engine.Wait, error) {
	return query(ctx, s, "RunWaits", func(time.Time) ([]engine.Wait, error) {
		var out []engine.Wait
		for _, r := range s.found(runs) {
			out = append(out, slices.Collect(maps.Values(r.waits))...)
		}
		slices.SortFunc(out, func(a, b engine.Wait) int { return compareKeys(a.TaskKey, b.TaskKey) })
		return out, nil
	})
}

func compareKeys(a, b engine.TaskKey) int {
	return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Task, b.Task), cmp.Compare(a.MapIndex, b.MapIndex))
}
