package engine

import (
	"slices"
)

// leaveOut removes the tasks that a run with a subset of tasks does not have.
func (m *machine) leaveOut(only []string) {
	if len(only) == 0 {
		return
	}
	for i, t := range m.def.tasks {
		if !slices.Contains(only, t.spec.ID) {
			m.states.Tasks[i].Instances[0].State = Removed
		}
	}
}

// reshape starts tasks anew that have become mapped, or are so no more, under another version: neither their instances nor their
// outputs mean the same.
func (m *machine) reshape(s RunStates) {
	for i, t := range m.def.tasks {
		st := &s.Tasks[i]
		if st.Mapped == (t.over != nil) {
			continue
		}
		if first := st.Instances[0].State; !st.Mapped && first != Success && (first == None || first.Terminal()) {
			continue // a mapped task before its expansion, or one that was decided as a whole, looks like this too
		}
		tries := 0
		for j, in := range st.Instances {
			tries = max(tries, in.Try)
			m.withdraw(in, TaskKey{m.row.Key, t.spec.ID, st.mapIndex(j)})
		}
		*st = TaskStates{Length: -1, Instances: []Instance{{State: None, Try: tries}}}
	}
}

// withdraw takes an instance out of queue and timers.
func (m *machine) withdraw(in Instance, key TaskKey) {
	if !in.State.Terminal() && in.State != None {
		m.dequeue(key)
		m.release(&in, key)
	}
}

// dequeueRemoved takes what is left of tasks that are no more out of queue and timers.
func (m *machine) dequeueRemoved(s RunStates, taskIDs []string) {
	for i, id := range taskIDs {
		if _, stays := m.def.byID[id]; stays || i >= len(s.Tasks) {
			continue
		}
		for j, in := range s.Tasks[i].Instances {
			key := TaskKey{m.row.Key, id, s.Tasks[i].mapIndex(j)}
			m.withdraw(in, key)
			if !in.State.Terminal() {
				m.change.Attempts = append(m.change.Attempts, Attempt{TaskKey: key, State: Removed, EndedAt: m.now, Version: m.def.Version, Error: "its task has left the DAG"})
			}
		}
	}
}

// mine tells whether this process decides what follows in the run: it is on its version, or may be moved to it.
func (m *machine) mine() bool {
	if m.pin != "" {
		return m.pin == m.def.Version
	}
	return !outdated(m.def, m.row)
}

// starts tells whether this process may start the run. What follows in one that is pinned to another version, and was cleared, it leaves to
// that.
func (m *machine) starts() bool { return m.mine() || !outdated(m.def, m.row) }

// outdated tells whether the DAG has moved on from the version that this process has: then it must not move runs to its own.
func outdated(def *Definition, row RunRow) bool {
	return row.DAGVersion != "" && row.DAGVersion != def.Version
}

// restore puts what an outdated process has changed back into the states as the run has them.
func (m *machine) restore() {
	for i, id := range m.wholeIDs {
		if t, ok := m.def.byID[id]; ok && i < len(m.whole.Tasks) {
			m.whole.Tasks[i] = m.states.Tasks[t.index]
		}
	}
	m.states = m.whole
}
