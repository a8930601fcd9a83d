package engine

import (
	"context"
	"fmt"
	"slices"
)

// clearNodes are the virtual nodes that a selection names, by the instance that reports them.
type clearNodes map[TaskKey][]string

// nodesIn takes the virtual nodes out of a selection: the runners take their place among its tasks, so that what lies up and down of them is
// found, and are told which of their nodes are meant. A runner that is named itself stands for all of its nodes.
func (c *Control) nodesIn(ctx context.Context, d *Definition, row RunRow, s Selection) (Selection, clearNodes, error) {
	if !slices.ContainsFunc(s.Tasks, func(id string) bool { _, ok := d.byID[id]; return !ok }) {
		return s, nil, nil
	}
	rows, err := c.store.Virtuals(ctx, []int64{row.Key})
	if err != nil {
		return s, nil, err
	}
	tasks, nodes := []string(nil), clearNodes{}
	for _, id := range s.Tasks {
		runners := runnersOf(rows, id, s.MapIndexes)
		if _, ok := d.byID[id]; ok || len(runners) == 0 { // one that there is not is refused where tasks are picked
			tasks = append(tasks, id)
			continue
		}
		for _, r := range runners {
			nodes[r] = append(nodes[r], id)
		}
	}
	for r, picked := range nodes {
		if slices.Contains(s.Tasks, r.Task) {
			delete(nodes, r)
			continue
		}
		if !slices.Contains(tasks, r.Task) {
			tasks = append(tasks, r.Task)
		}
		nodes[r] = spread(rows, r, picked, s)
	}
	slices.Sort(tasks) // maps have no order
	s.Tasks = tasks
	return s, nodes, nil
}

// runnersOf are the instances that report a node of that id.
func runnersOf(rows []VirtualRow, id string, mapIndexes []int) []TaskKey {
	var out []TaskKey
	for _, v := range rows {
		if v.ID == id && (len(mapIndexes) == 0 || slices.Contains(mapIndexes, v.Runner.MapIndex)) {
			out = append(out, v.Runner)
		}
	}
	return out
}

// spread adds to nodes of a runner those up and down of them, as the selection asks, and leaves out those that did not fail, as it asks. They
// are in the order in which they were first reported.
func spread(rows []VirtualRow, runner TaskKey, picked []string, s Selection) []string {
	in := map[string]bool{}
	for _, id := range picked {
		in[id] = true
	}
	var own []VirtualState
	for _, v := range rows {
		if v.Runner == runner {
			own = append(own, v.VirtualState)
		}
	}
	if s.Upstream {
		up := map[string][]string{}
		for _, v := range own {
			up[v.ID] = v.Upstream
		}
		reach(in, picked, up)
	}
	if s.Downstream {
		down := map[string][]string{}
		for _, v := range own {
			for _, u := range v.Upstream {
				down[u] = append(down[u], v.ID)
			}
		}
		reach(in, picked, down)
	}
	var out []string
	for _, v := range own {
		if in[v.ID] && (!s.OnlyFailed || v.State.Bad()) {
			out = append(out, v.ID)
		}
	}
	return out
}

// reach adds to a set all that can be reached from some by edges.
func reach(set map[string]bool, from []string, edges map[string][]string) {
	seen := map[string]bool{}
	for next := slices.Clone(from); len(next) > 0; next = next[1:] {
		for _, id := range edges[next[0]] {
			if !seen[id] {
				seen[id], set[id] = true, true
				next = append(next, id)
			}
		}
	}
}

// clearParts has runners clear only some of their nodes: those runners of which no node is left are left out of keys. A runner that runs is
// refused: what it reports would be of both.
func (m *machine) clearParts(keys []TaskKey, parts clearNodes, leased map[TaskKey]bool) ([]TaskKey, error) {
	m.parts = parts
	var out []TaskKey
	for _, k := range keys {
		nodes, part := parts[k]
		switch {
		case part && leased[k]:
			return nil, fmt.Errorf("%s runs, and %v with it: clear it once it has ended, or clear the whole of it: %w", k.Task, nodes, ErrConflict)
		case part && len(nodes) == 0:
			continue
		}
		out = append(out, k)
	}
	return out, nil
}

// told are the keys that a clear tells of: the nodes in the place of a runner that clears only some.
func (p clearNodes) told(keys []TaskKey) []TaskKey {
	if len(p) == 0 {
		return keys
	}
	var out []TaskKey
	for _, k := range keys {
		nodes, part := p[k]
		if !part {
			out = append(out, k)
		}
		for _, id := range nodes {
			out = append(out, TaskKey{k.Run, id, k.MapIndex})
		}
	}
	return out
}

// afresh is what becomes of a runner's nodes when it is cleared.
func (m *machine) afresh(k TaskKey, in *Instance) VirtualClose {
	if nodes, ok := m.parts[k]; ok {
		return VirtualClose{Task: k, Again: nodes, Try: in.Try + 1}
	}
	return VirtualClose{Task: k, Forget: true}
}
