package engine

import "fmt"

// markable are those of some instances that a mark changes: not those that are in that state already, unless they are given an output.
func (m *machine) markable(keys []TaskKey, to State, withOutput bool) []TaskKey {
	var out []TaskKey
	for _, k := range keys {
		in := m.states.Tasks[m.def.byID[k.Task].index].instance(k.MapIndex)
		if in != nil && (in.State != to || withOutput && to == Success) {
			out = append(out, k)
		}
	}
	return out
}

// mark ends instances, which are markable, by a person's word. outputs holds what each successful one yields; the caller has looked for it.
// What failed or was given up downstream of a success is cleared, so that the run goes on.
func (m *machine) mark(keys []TaskKey, to State, outputs map[TaskKey][]byte) error {
	marked := map[TaskKey]bool{}
	for _, k := range keys {
		marked[k] = true
		t := m.def.byID[k.Task]
		st := &m.states.Tasks[t.index]
		in := st.instance(k.MapIndex)
		m.interrupt(t, in, k)
		in.Try++
		a := Attempt{TaskKey: k, Try: in.Try, State: to, Ending: EndSuccess, EndedAt: m.now, Version: m.change.Version, By: m.who.by, Output: outputs[k]}
		if to == Failed {
			a.Ending, a.Error = EndFailed, "marked failed by "+m.who.by
		} else if err := st.measure(t, a.Output); err != nil {
			return &InvalidError{Field: "output", Message: fmt.Sprintf("of %s: %v", k.Task, err)}
		}
		in.State = to
		m.change.Attempts = append(m.change.Attempts, a)
		m.ended(t, k.MapIndex, to, AttemptEnd{Ending: a.Ending, Error: a.Error, Try: a.Try})
	}
	if to == Success {
		m.clearBelow(keys, marked)
	}
	m.touchAll()
	m.rejudge()
	return nil
}

// interrupt ends what an instance was doing: its place in the queue is taken, whoever held it, and what it waits for.
func (m *machine) interrupt(t *Task, in *Instance, k TaskKey) {
	m.release(in, k)
	if in.State != Queued && in.State != Restarting {
		return
	}
	m.dequeue(k)
	m.change.Attempts = append(m.change.Attempts, Attempt{
		TaskKey: k, Try: in.Try, State: in.State, Ending: EndCancelled, EndedAt: m.now, Version: m.change.Version,
		Error: "marked by " + m.who.by + " before it ended", By: m.who.by,
	})
	if t.spec.HasVirtual {
		m.change.Close = append(m.change.Close, VirtualClose{Task: k, State: Skipped, Why: "its runner was marked by " + m.who.by})
	}
}

// clearBelow clears what failed, or was given up, below the instances that were marked successful.
func (m *machine) clearBelow(keys []TaskKey, marked map[TaskKey]bool) {
	below := map[int]bool{}
	for _, k := range keys {
		m.walkDown(m.def.byID[k.Task], below)
	}
	for i := range below {
		t, st := m.def.tasks[i], &m.states.Tasks[i]
		for j := range st.Instances {
			k := m.key(t, st.mapIndex(j))
			if st.Instances[j].State.Bad() && !marked[k] {
				m.clearInstance(t, &st.Instances[j], k, false)
			}
		}
	}
}

// rejudge gives a finished run its state anew: back to queued when there is something to do, else what its tasks say.
func (m *machine) rejudge() {
	if !m.row.State.Terminal() {
		return
	}
	for _, t := range m.states.Tasks {
		for _, in := range t.Instances {
			if !in.State.Terminal() {
				m.resume()
				return
			}
		}
	}
	m.change.State = RunRunning
	m.verdict()
	if m.change.State == m.row.State {
		m.change.Events, m.change.Callbacks = dropRunEvents(m.change.Events), dropRunCalls(m.change.Callbacks)
	}
}

func dropRunEvents(events []Event) []Event {
	var out []Event
	for _, e := range events {
		if e.Task != "" {
			out = append(out, e)
		}
	}
	return out
}

func dropRunCalls(calls []CallbackCall) []CallbackCall {
	var out []CallbackCall
	for _, c := range calls {
		if c.Task != "" {
			out = append(out, c)
		}
	}
	return out
}

// markRun ends a run by a person's word: what is unfinished ends with it.
func (m *machine) markRun(to RunState) {
	if m.change.State != to {
		m.endUnfinished(to, "marked "+string(to)+" by "+m.who.by)
	}
}

// endUnfinished ends a run now, and with it what is unfinished. When it is to fail, teardowns of a run that has begun still run, and the
// run ends with them.
func (m *machine) endUnfinished(to RunState, why string) {
	m.states.Doomed = false
	wait := false
	for i, t := range m.def.tasks {
		st := &m.states.Tasks[i]
		for j := range st.Instances {
			in, k := &st.Instances[j], m.key(t, st.mapIndex(j))
			switch {
			case to == RunSuccess && (in.State.Bad() || !in.State.Terminal()):
				m.endWithRun(t, in, k, Attempt{State: Success, Ending: EndSuccess})
			case to == RunSuccess || in.State.Terminal():
			case t.spec.Teardown && m.change.State == RunRunning:
				wait = true
			case in.State == None:
				m.decide(t, in, k.MapIndex, Skipped, "its run was ended: "+why)
			default:
				m.endWithRun(t, in, k, Attempt{State: Failed, Ending: EndFailed, Error: "its run was ended: " + why})
			}
		}
	}
	if wait {
		m.states.Doomed = true
		return
	}
	failed := 0
	for _, t := range m.states.Tasks {
		if t.summary() == Failed {
			failed++
		}
	}
	m.endRun(to, failed, why)
}

// endWithRun ends an instance because its run was marked.
func (m *machine) endWithRun(t *Task, in *Instance, k TaskKey, a Attempt) {
	m.interrupt(t, in, k)
	in.Try++
	in.State = a.State
	a.TaskKey, a.Try, a.EndedAt, a.Version, a.By = k, in.Try, m.now, m.change.Version, m.who.by
	m.change.Attempts = append(m.change.Attempts, a)
	m.ended(t, k.MapIndex, a.State, AttemptEnd{Ending: a.Ending, Error: a.Error, Try: a.Try})
}
