package engine

import (
	"fmt"
	"slices"
	"sort"
)

// A Selection names task instances of a run, for clear and mark.
type Selection struct {
	Tasks      []string // task ids; none: every task
	MapIndexes []int    // elements of the tasks named; none: all of them
	Upstream   bool     // and everything that they follow
	Downstream bool     // and everything that follows them
	OnlyFailed bool     // of these, only those that are failed or upstream_failed
	Latest     bool     // a run that is pinned to another version (see [Pin]) leaves it for this process's
}

// pick lists the instances that s selects, in topological order.
func (m *machine) pick(s Selection) ([]TaskKey, error) {
	chosen := map[int]bool{}
	direct := map[int]bool{}
	for _, id := range s.Tasks {
		t, ok := m.def.byID[id]
		if !ok {
			return nil, fmt.Errorf("task %q of DAG %s: %w", id, m.def.Spec.DAG, ErrNotFound)
		}
		direct[t.index] = true
		chosen[t.index] = true
		if s.Upstream {
			m.walkUp(t, chosen)
		}
		if s.Downstream {
			m.walkDown(t, chosen)
		}
	}
	if len(s.Tasks) == 0 {
		for i := range m.def.tasks {
			chosen[i] = true
		}
	}
	order := make([]int, 0, len(chosen))
	for i := range chosen {
		order = append(order, i)
	}
	sort.Ints(order)
	var out []TaskKey
	for _, i := range order {
		st := &m.states.Tasks[i]
		for j, in := range st.Instances {
			index := st.mapIndex(j)
			if direct[i] && len(s.MapIndexes) > 0 && !slices.Contains(s.MapIndexes, index) {
				continue
			}
			if s.OnlyFailed && !in.State.Bad() {
				continue
			}
			out = append(out, m.key(m.def.tasks[i], index))
		}
	}
	return out, nil
}

func (m *machine) walkUp(t *Task, seen map[int]bool) {
	for _, u := range t.up {
		if !seen[u.task.index] {
			seen[u.task.index] = true
			m.walkUp(u.task, seen)
		}
	}
}

func (m *machine) walkDown(t *Task, seen map[int]bool) {
	for _, i := range t.down {
		if !seen[i] {
			seen[i] = true
			m.walkDown(m.def.tasks[i], seen)
		}
	}
}

// withSetups adds to what is to be cleared the setups that it needs and their teardowns.
func (m *machine) withSetups(keys []TaskKey) []TaskKey {
	chosen := map[TaskKey]bool{}
	for _, k := range keys {
		chosen[k] = true
	}
	add := func(t *Task) {
		st := &m.states.Tasks[t.index]
		for j := range st.Instances {
			if k := m.key(t, st.mapIndex(j)); !chosen[k] {
				chosen[k] = true
				keys = append(keys, k)
			}
		}
	}
	for i := 0; i < len(keys); i++ { // a setup may need another: what is added is looked at too
		t := m.def.byID[keys[i].Task]
		if t.spec.Teardown {
			continue
		}
		for _, s := range t.setups {
			add(s)
		}
		for _, d := range t.teardowns {
			add(d)
		}
	}
	return keys
}
