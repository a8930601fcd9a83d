package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// An Asset is a thing that tasks update and DAGs are scheduled by, named by a URI or any name: a table, a file, a report.
type Asset string

// An AssetCondition says which assets must have been updated since a DAG's last run for the next: an [Asset], [All] or [Any].
type AssetCondition interface{ assetSpec() AssetSpec }

func (a Asset) assetSpec() AssetSpec { return AssetSpec{Asset: string(a)} }

type allOf []AssetCondition

func (c allOf) assetSpec() AssetSpec { return AssetSpec{All: specsOf(c)} }

type anyOf []AssetCondition

func (c anyOf) assetSpec() AssetSpec { return AssetSpec{Any: specsOf(c)} }

func specsOf(cs []AssetCondition) []AssetSpec {
	out := make([]AssetSpec, len(cs))
	for i, c := range cs {
		out[i] = c.assetSpec()
	}
	return out
}

// All holds when each of the conditions does.
func All(conditions ...AssetCondition) AssetCondition { return allOf(conditions) }

// Any holds when one of the conditions does.
func Any(conditions ...AssetCondition) AssetCondition { return anyOf(conditions) }

// OnAssets runs the DAG when the condition holds over the updates since the run before, besides its [Schedule] if it has one. A run knows
// the events that triggered it: see [TriggeringEvents].
func OnAssets(c AssetCondition) DAGOption {
	return dagOption(func(g *graph) {
		s := c.assetSpec()
		g.failEach(g.where, "OnAssets: ", s.check())
		g.spec.Assets = &s
	})
}

// Updates says that the task updates assets: each of its successes is an event for each of them.
func Updates(assets ...Asset) TaskOption {
	return taskOption(func(t *Task) {
		for _, a := range assets {
			if err := checkAsset(string(a)); err != nil {
				t.g.fail(t.where, "task %q: Updates: %v", t.spec.ID, err)
			}
			if !slices.Contains(t.spec.Updates, string(a)) {
				t.spec.Updates = append(t.spec.Updates, string(a))
			}
		}
	})
}

func checkAsset(name string) error {
	if name == "" || len(name) > 1500 || printable(name) != name {
		return fmt.Errorf("asset %q: a name has 1 to 1,500 bytes of text", name)
	}
	return nil
}

func (s AssetSpec) check() error {
	if s.Asset != "" {
		return checkAsset(s.Asset)
	}
	parts := append(s.All[:len(s.All):len(s.All)], s.Any...)
	if len(parts) == 0 {
		return fmt.Errorf("a condition without an asset")
	}
	var errs []error
	for _, p := range parts {
		errs = append(errs, p.check())
	}
	return errors.Join(errs...)
}

// Names are the assets that the condition is about, sorted.
func (s *AssetSpec) Names() []string {
	if s == nil {
		return nil
	}
	seen := map[string]bool{}
	var walk func(AssetSpec)
	walk = func(s AssetSpec) {
		if s.Asset != "" {
			seen[s.Asset] = true
		}
		for _, p := range s.All {
			walk(p)
		}
		for _, p := range s.Any {
			walk(p)
		}
	}
	walk(*s)
	return slices.Sorted(maps.Keys(seen))
}

// Holds tells whether the condition holds when these assets have been updated.
func (s AssetSpec) Holds(updated map[string]bool) bool {
	if s.Asset != "" {
		return updated[s.Asset]
	}
	for _, p := range s.All {
		if !p.Holds(updated) {
			return false
		}
	}
	for _, p := range s.Any {
		if p.Holds(updated) {
			return true
		}
	}
	return len(s.All) > 0
}

// Attach adds facts to the event of an asset that the task updates, for those who are triggered by it. extra encodes as a JSON object.
// It errs outside a task and for an asset that the task does not declare with [Updates].
func Attach(ctx context.Context, a Asset, extra any) error {
	t, ok := ctx.Value(taskContextKey{}).(*taskContext)
	if !ok || !slices.Contains(t.updates, string(a)) {
		return fmt.Errorf("attach to asset %q: this task does not update it; say so with engine.Updates", a)
	}
	raw, err := json.Marshal(extra)
	if err != nil {
		return fmt.Errorf("attach to asset %q: %w", a, err)
	}
	if len(raw) == 0 || raw[0] != '{' {
		return fmt.Errorf("attach to asset %q: %T is no JSON object; give a struct or a map", a, extra)
	}
	if len(raw) > maxExtra {
		return fmt.Errorf("attach to asset %q: %d bytes; at most %d are kept", a, len(raw), maxExtra)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.extras == nil {
		t.extras = map[string][]byte{}
	}
	t.extras[string(a)] = raw
	return nil
}

// maxExtra is how many bytes may be attached to an asset's event.
const maxExtra = 64 << 10

// TriggeringEvents are the asset events that triggered the run which ctx's task is part of, oldest first; none for other runs.
func TriggeringEvents(ctx context.Context) ([]AssetEvent, error) {
	t, ok := ctx.Value(taskContextKey{}).(*taskContext)
	if !ok || t.store == nil {
		return nil, fmt.Errorf("read triggering events: not in a task")
	}
	return t.store.RunAssets(ctx, t.info.Run)
}

// updated notes the events of the assets that a successful task updates.
func (m *machine) updated(t *Task, mapIndex int, extras map[string][]byte) {
	for _, name := range t.spec.Updates {
		m.change.Assets = append(m.change.Assets, AssetEvent{
			Asset: name, At: m.now, DAG: m.row.DAG, Run: m.row.Key, RunID: m.row.RunID, Task: t.spec.ID, MapIndex: mapIndex, Extra: extras[name],
		})
	}
}

// makeTriggered makes the runs of DAGs whose assets have been updated.
func (r *Runtime) makeTriggered(ctx context.Context) (bool, error) {
	dags := r.assetDAGs
	if len(dags) == 0 {
		return false, nil
	}
	pending, err := r.store.PendingAssets(ctx, dags)
	if err != nil || len(pending) == 0 {
		return false, err
	}
	standings, err := r.standings(ctx)
	if err != nil {
		return false, err
	}
	now, err := r.store.Now(ctx)
	if err != nil {
		return false, err
	}
	byDAG := map[string][]AssetEvent{}
	for _, e := range pending {
		byDAG[e.For] = append(byDAG[e.For], e)
	}
	for _, id := range slices.Sorted(maps.Keys(byDAG)) {
		d, s := r.catalog.defs[id], standings[id]
		if d == nil || d.Spec.Assets == nil || s.Paused || s.Version != d.Version {
			continue
		}
		updated, ids := map[string]bool{}, []int64(nil)
		for _, e := range byDAG[id] {
			updated[e.Asset] = true
			ids = append(ids, e.ID)
		}
		if !d.Spec.Assets.Holds(updated) {
			continue
		}
		n := d.newRun(AssetRun, now)
		n.RunID = runID(AssetRun, now)
		n.TriggeredBy = "assets"
		if _, err := r.store.CreateAssetRun(ctx, n, ids); err != nil && !isConflict(err) {
			return false, err
		}
	}
	return false, nil
}
