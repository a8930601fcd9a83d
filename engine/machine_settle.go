package engine

import "fmt"

// settleTask decides the instances of a task that still wait for their upstreams.
func (m *machine) settleTask(t *Task) {
	st := &m.states.Tasks[t.index]
	if st.Mapped && st.collapse() {
		return
	}
	if t.over != nil && !st.Mapped {
		if st.Instances[0].State != None || !m.expand(t, st) {
			return
		}
	}
	for i := range st.Instances {
		in := &st.Instances[i]
		if in.State != None {
			continue
		}
		switch v, why := m.judge(t, st.mapIndex(i)); v {
		case VerdictRun:
			m.enqueue(t, in, st.mapIndex(i))
		case VerdictSkipped:
			m.decide(t, in, st.mapIndex(i), Skipped, why)
		case VerdictUpstreamFailed:
			m.decide(t, in, st.mapIndex(i), UpstreamFailed, why)
		}
	}
}

// expand makes the elements of a mapped task once its list is known; true when it has done so.
func (m *machine) expand(t *Task, st *TaskStates) bool {
	from := &m.states.Tasks[t.over.index]
	length := -1
	switch {
	case from.Mapped: // element-wise
		length = len(from.Instances)
	case from.Instances[0].State == Success && from.Length < 0:
		m.decide(t, &st.Instances[0], -1, Failed, fmt.Sprintf("%s is success but left no list in this run: clear it", t.over.spec.ID))
		return false
	case from.Instances[0].State == Success:
		length = from.Length
	}
	if length < 0 {
		// The list is not there yet, or never will be: then the task as a whole is decided, as a plain one would be.
		if s := from.summary(); s.Terminal() && s != Success {
			switch v, why := m.judge(t, -1); v {
			case VerdictSkipped:
				m.decide(t, &st.Instances[0], -1, Skipped, why)
			case VerdictUpstreamFailed:
				m.decide(t, &st.Instances[0], -1, UpstreamFailed, why)
			}
		}
		return false
	}
	switch {
	case length == 0:
		m.decide(t, &st.Instances[0], -1, Skipped, fmt.Sprintf("the list of %s is empty", t.over.spec.ID))
		return false
	case length > t.mapLimit:
		m.decide(t, &st.Instances[0], -1, Failed, fmt.Sprintf("the list of %s has %d elements, more than the limit of %d; raise it with engine.MapLimit", t.over.spec.ID, length, t.mapLimit))
		return false
	}
	st.Mapped = true
	tries := st.Instances[0].Try
	st.Instances = make([]Instance, length)
	for i := range st.Instances {
		st.Instances[i] = Instance{State: None, Try: tries}
	}
	m.touchDown(t)
	return true
}

// judge asks the rules about one instance: value edges want success, settled ones an end, order-only ones what the trigger
// rule says. What is certain to fail goes before what is certain to be skipped.
func (m *machine) judge(t *Task, mapIndex int) (Verdict, string) {
	var value, settled, order Upstreams
	for _, u := range t.up {
		to := &order
		switch u.kind {
		case ValueEdge:
			to = &value
		case SettledEdge:
			to = &settled
			if t.ruleSet {
				m.count(&order, t, u, mapIndex)
			}
		}
		m.count(to, t, u, mapIndex)
	}
	verdict := VerdictRun
	for _, v := range [...]Verdict{AllSuccess.Decide(value, false), AllDone.Decide(settled, false), t.spec.Rule.Decide(order, false)} {
		verdict = worse(verdict, v)
	}
	if verdict == VerdictSkipped || verdict == VerdictUpstreamFailed {
		return verdict, m.blame(t, mapIndex)
	}
	return verdict, ""
}

// worse joins two verdicts, so that the order in which upstreams end never matters: upstream_failed is certain whatever the rest
// says; skipped is only once nothing is open that could still fail.
func worse(a, b Verdict) Verdict {
	for _, v := range [...]Verdict{VerdictUpstreamFailed, VerdictWait, VerdictSkipped} {
		if a == v || b == v {
			return v
		}
	}
	return VerdictRun
}

// count adds the states behind an edge: of all instances, or of the one element for an edge from element to element.
func (m *machine) count(c *Upstreams, t *Task, u upstream, mapIndex int) {
	st := &m.states.Tasks[u.task.index]
	if u.task == t.over && st.Mapped && mapIndex >= 0 && u.kind == ValueEdge {
		if in := st.instance(mapIndex); in != nil {
			c.add(in.State)
		}
		return
	}
	for _, in := range st.Instances {
		c.add(in.State)
	}
}

func (c *Upstreams) add(s State) {
	c.Total++
	switch s {
	case Success:
		c.Success++
	case Failed:
		c.Failed++
	case UpstreamFailed:
		c.UpstreamFailed++
	case Skipped:
		c.Skipped++
	case Removed:
		c.Removed++
	}
}

// blame names the upstreams that decided, for people.
func (m *machine) blame(t *Task, mapIndex int) string {
	why := ""
	for _, u := range t.up {
		st := &m.states.Tasks[u.task.index]
		s := st.summary()
		if in := st.instance(mapIndex); in != nil && u.task == t.over {
			s = in.State
		}
		if s.Terminal() && s != Success {
			if why != "" {
				why += ", "
			}
			why += u.task.spec.ID + " is " + string(s)
		}
	}
	if why == "" {
		why = "its trigger rule " + string(t.spec.Rule) + " cannot hold any more"
	}
	return why
}
