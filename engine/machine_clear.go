package engine

import "time"

// RestartGrace is how long a cleared attempt that still runs may take to end before it is fenced off.
const RestartGrace = 30 * time.Second

// clear makes instances run again. leased tells of each whether a worker was seen to hold it: such an attempt is asked to end
// and the instance starts anew when it has, or after the grace. A finished run goes back to queued. Clearing nothing changes nothing.
func (m *machine) clear(keys []TaskKey, leased map[TaskKey]bool) {
	if len(keys) == 0 {
		return
	}
	for _, k := range keys {
		t := m.def.byID[k.Task]
		if in := m.states.Tasks[t.index].instance(k.MapIndex); in != nil {
			m.clearInstance(t, in, k, leased[k])
		}
	}
	m.resume()
}

func (m *machine) clearInstance(t *Task, in *Instance, k TaskKey, leased bool) {
	in.Failures, in.Lost = 0, false
	m.dirty[t.index] = true
	if t.spec.HasVirtual {
		m.change.Close = append(m.change.Close, m.afresh(k, in))
	}
	switch in.State {
	case None, Restarting:
		return
	case Queued:
		if leased {
			m.release(in, k)
			in.State = Restarting
			m.change.Cancel = append(m.change.Cancel, k)
			m.change.Timers = append(m.change.Timers, Timer{TaskKey: k, Kind: TimerRestart, DueAt: m.now.Add(RestartGrace)})
			return
		}
		m.dequeue(k)
	}
	m.release(in, k)
	in.State = None
	if t.over == nil {
		m.states.Tasks[t.index].Length, m.states.Tasks[t.index].Taken = -1, ""
	}
}

// restart begins a cleared instance anew, now that its attempt has ended or was fenced off. What the attempt reported after it had
// been cleared is forgotten too.
func (m *machine) restart(t *Task, in *Instance, k TaskKey) {
	in.State = None
	m.dirty[t.index] = true
	if t.spec.HasVirtual {
		m.change.Close = append(m.change.Close, VirtualClose{Task: k, Forget: true})
	}
}

// collapse takes back the expansion of a mapped task of which no element has begun: it is mapped over the list as it is now. While a
// cleared element still runs the others wait for it, so that all of them read one list. It tells whether elements must wait.
func (st *TaskStates) collapse() (wait bool) {
	tries := 0
	begun := false
	for _, in := range st.Instances {
		wait = wait || in.State == Restarting
		begun = begun || in.State != None
		tries = max(tries, in.Try)
	}
	if !begun {
		*st = TaskStates{Length: -1, Instances: []Instance{{State: None, Try: tries}}}
	}
	return wait
}

// resume sends a finished run back to queued, and settles a running one. One that was about to fail, and only waited for its teardowns, begins
// anew as well: its time limit has passed, or is not looked at any more, and counts from now.
func (m *machine) resume() {
	if m.states.Doomed && m.row.State == RunRunning {
		at := m.now
		m.change.StartedAt = &at
		m.limitRun()
	}
	m.states.Doomed = false
	if m.row.State.Terminal() {
		m.change.State, m.change.Reopened, m.change.FailedTasks = RunQueued, true, 0
		return
	}
	m.touchAll()
}
