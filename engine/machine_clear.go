package engine

import "time"

// RestartGrace is how long a cleared attempt that still runs may take to end before it is fenced off.
const RestartGrace = 30 * time.Second

// clear makes instances run again. leased tells of each whether a worker was seen to hold it: such an attempt is asked to end
// and the instance starts anew when it has, or after the grace. A finished run goes back to queued.
func (m *machine) clear(keys []TaskKey, leased map[TaskKey]bool) {
	whole := m.wholeTasks(keys)
	for _, k := range keys {
		t := m.def.byID[k.Task]
		st := &m.states.Tasks[t.index]
		in := st.instance(k.MapIndex)
		if in == nil {
			continue
		}
		m.clearInstance(t, in, k, leased[k])
		if t.over != nil && st.Mapped && whole[k.Task] && k.MapIndex == len(st.Instances)-1 {
			m.collapse(st)
		}
	}
	m.resume()
}

func (m *machine) clearInstance(t *Task, in *Instance, k TaskKey, leased bool) {
	in.Failures, in.Lost = 0, false
	m.dirty[t.index] = true
	if t.spec.HasVirtual {
		m.change.Close = append(m.change.Close, VirtualClose{Task: k, Forget: true})
	}
	switch in.State {
	case None, Restarting:
		return
	case UpForRetry:
		m.change.Untimers = append(m.change.Untimers, Timer{TaskKey: k, Kind: TimerRetry})
	case Queued:
		if leased {
			in.State = Restarting
			m.change.Cancel = append(m.change.Cancel, k)
			m.change.Timers = append(m.change.Timers, Timer{TaskKey: k, Kind: TimerRestart, DueAt: m.now.Add(RestartGrace)})
			return
		}
		m.change.Dequeue = append(m.change.Dequeue, k)
	}
	in.State = None
	if t.over == nil {
		m.states.Tasks[t.index].Length = -1
	}
}

// wholeTasks tells which mapped tasks are cleared with every element, none of them running: they are mapped anew.
func (m *machine) wholeTasks(keys []TaskKey) map[string]bool {
	n := map[string]int{}
	for _, k := range keys {
		n[k.Task]++
	}
	whole := map[string]bool{}
	for id, count := range n {
		st := &m.states.Tasks[m.def.byID[id].index]
		whole[id] = st.Mapped && count == len(st.Instances)
	}
	return whole
}

// collapse takes back the expansion of a mapped task unless one of its elements still runs.
func (m *machine) collapse(st *TaskStates) {
	tries := 0
	for _, in := range st.Instances {
		if in.State != None {
			return
		}
		tries = max(tries, in.Try)
	}
	*st = TaskStates{Length: -1, Instances: []Instance{{State: None, Try: tries}}}
}

// resume sends a finished run back to queued, and settles a running one.
func (m *machine) resume() {
	if m.row.State.Terminal() {
		m.change.State, m.change.Reopened, m.change.FailedTasks = RunQueued, true, 0
		return
	}
	m.touchAll()
}
