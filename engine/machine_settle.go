package engine

import "fmt"

// settleTask decides the instances of a task that still wait for their upstreams.
func (m *machine) settleTask(t *Task) {
	st := &m.states.Tasks[t.index]
	if st.Mapped && st.collapse() {
		return
	}
	if t.over != nil && !st.Mapped {
		m.split(t, st)
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
			m.ready(t, in, st.mapIndex(i))
		case VerdictSkipped:
			m.decide(t, in, st.mapIndex(i), Skipped, why)
		case VerdictUpstreamFailed:
			m.decide(t, in, st.mapIndex(i), UpstreamFailed, why)
		}
	}
}

// ready makes an instance whose upstreams let it run ready, or holds it until the run before it has got as far.
func (m *machine) ready(t *Task, in *Instance, mapIndex int) {
	if !t.spec.DependsOnPast || m.row.IgnorePast || m.row.Logical == nil {
		m.enqueue(t, in, mapIndex)
		return
	}
	in.State = Scheduled
	m.change.Waits = append(m.change.Waits, Wait{
		TaskKey: m.key(t, mapIndex), Kind: WaitPast, DAG: m.row.DAG, Since: m.now, Reason: "depends on past: the run before this one has not got as far",
	})
}

// expand makes the elements of a mapped task once its list is known; true when it has done so.
func (m *machine) expand(t *Task, st *TaskStates) bool {
	length, ready := m.elements(t)
	if !ready {
		return false
	}
	if length < 0 {
		m.decide(t, &st.Instances[0], -1, Failed, m.noList(t))
		return false
	}
	switch {
	case length == 0:
		m.decide(t, &st.Instances[0], -1, Skipped, fmt.Sprintf("%s is empty", t.listName()))
		return false
	case length > t.mapLimit:
		m.decide(t, &st.Instances[0], -1, Failed, fmt.Sprintf("%s has %d elements, more than the limit of %d; raise it with engine.MapLimit", t.listName(), length, t.mapLimit))
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

// split gives a task that was upstream_failed as a whole the elements of what it is mapped over element by element, once there are any: it
// shows the same whether its upstreams failed before or after. All of them are upstream_failed, so nothing follows.
func (m *machine) split(t *Task, st *TaskStates) {
	whole, from := st.Instances[0], &m.states.Tasks[t.over.index]
	if whole.State != UpstreamFailed || t.overAll || !from.Mapped {
		return
	}
	st.Mapped = true
	st.Instances = make([]Instance, len(from.Instances))
	why := m.blame(t, -1)
	for i := range st.Instances {
		st.Instances[i].Try = whole.Try
		m.decide(t, &st.Instances[i], i, UpstreamFailed, why)
	}
}

// noList says why a mapped task has no list.
func (m *machine) noList(t *Task) string {
	for _, over := range [...]*Task{t.over, t.cross} {
		if over != nil && m.states.Tasks[over.index].summary() == Removed {
			return over.spec.ID + ", whose list it is mapped over, is not part of this run"
		}
	}
	return t.over.spec.ID + " is success but left no list in this run: clear it"
}

// listName is what a mapped task is mapped over, for people.
func (t *Task) listName() string {
	if t.cross != nil {
		return "the pairing of the lists of " + t.over.spec.ID + " and " + t.cross.spec.ID
	}
	return "the list of " + t.over.spec.ID
}

// elements says how many instances a mapped task has; ready tells whether that is known, else it is decided as a whole where that is
// certain. −1: what it is mapped over has left no list. All its upstreams must let it run before its list is looked at: were it expanded
// as soon as the list is there, one whose list is empty would be skipped or upstream_failed by what ended first.
func (m *machine) elements(t *Task) (n int, ready bool) {
	if from := &m.states.Tasks[t.over.index]; from.Mapped && !t.overAll {
		return len(from.Instances), true // element by element: each waits for its own
	}
	switch v, why := m.judge(t, -1); v {
	case VerdictSkipped:
		m.decide(t, &m.states.Tasks[t.index].Instances[0], -1, Skipped, why)
		return 0, false
	case VerdictUpstreamFailed:
		m.decide(t, &m.states.Tasks[t.index].Instances[0], -1, UpstreamFailed, why)
		return 0, false
	case VerdictWait:
		return 0, false
	}
	n = 1
	for _, over := range [...]*Task{t.over, t.cross} {
		if over == nil {
			continue
		}
		from := &m.states.Tasks[over.index]
		switch {
		case from.summary() == Removed: // left out of the run, or of the DAG
			return -1, true
		case from.summary() != Success:
			return 0, false
		case from.Mapped:
			n *= len(from.Instances)
		case from.Length < 0:
			return -1, true
		default:
			n *= from.Length
		}
	}
	return n, true
}

// judge asks the rules about one instance: value edges want success, settled ones an end, optional ones no failure, order-only ones what
// the trigger rule says. What is certain to fail goes before what is certain to be skipped.
func (m *machine) judge(t *Task, mapIndex int) (Verdict, string) {
	var value, settled, optional, first, order Upstreams
	for _, u := range t.up {
		switch u.kind {
		case ValueEdge:
			m.count(&value, t, u, mapIndex)
		case SettledEdge:
			m.count(&settled, t, u, mapIndex)
			if t.ruleSet {
				m.count(&order, t, u, mapIndex)
			}
		case OptionalEdge:
			if t.ruleSet {
				m.count(&order, t, u, mapIndex)
			} else {
				optional.add(m.outcome(u))
			}
		case FirstEdge:
			first.add(m.outcome(u))
		default:
			m.count(&order, t, u, mapIndex)
		}
	}
	for _, s := range t.setups {
		order.addSetup(m.states.Tasks[s.index].summary())
	}
	verdict := joint(
		says(AllSuccess, value, false), says(AllDone, settled, false), says(NoneFailed, optional, false),
		says(NoneFailedMinOneSuccess, first, false), says(t.spec.Rule, order, t.spec.Teardown),
	)
	if verdict == VerdictSkipped || verdict == VerdictUpstreamFailed {
		return verdict, m.blame(t, mapIndex)
	}
	return verdict, ""
}

// An opinion is what one kind of edges says.
type opinion struct {
	verdict Verdict
	mayFail bool // it waits, and may yet say upstream_failed
}

func says(r TriggerRule, u Upstreams, teardown bool) opinion {
	v, mayFail := r.withSetups(u, teardown)
	return opinion{v, mayFail}
}

// joint joins opinions, so that the order in which upstreams end never matters: upstream_failed is certain whatever the rest says;
// skipped is once nothing is open that could still fail.
func joint(opinions ...opinion) Verdict {
	var skip, wait, mayFail bool
	for _, o := range opinions {
		switch o.verdict {
		case VerdictUpstreamFailed:
			return VerdictUpstreamFailed
		case VerdictSkipped:
			skip = true
		case VerdictWait:
			wait = true
			mayFail = mayFail || o.mayFail
		}
	}
	switch {
	case skip && !mayFail:
		return VerdictSkipped
	case wait || skip:
		return VerdictWait
	}
	return VerdictRun
}

// count adds the states behind an edge: of all instances, or of the one element for an edge from element to element.
func (m *machine) count(c *Upstreams, t *Task, u upstream, mapIndex int) {
	st := &m.states.Tasks[u.task.index]
	if u.task == t.over && !t.overAll && st.Mapped && mapIndex >= 0 && u.kind == ValueEdge {
		if in := st.instance(mapIndex); in != nil {
			c.add(in.State)
		}
		return
	}
	for _, in := range st.Instances {
		c.add(st.by(in.State, u.port))
	}
}

// by is the state of an instance as one sees it who follows a way out of it: a way that was not taken is skipped.
func (st *TaskStates) by(s State, port string) State {
	if s == Success && port != "" && st.Taken != port {
		return Skipped
	}
	return s
}

// outcome is how the task behind an edge stands as a whole: success only when every instance of it is.
func (m *machine) outcome(u upstream) State {
	st := &m.states.Tasks[u.task.index]
	s := st.summary()
	if s == Success {
		for _, in := range st.Instances {
			if in.State == Skipped {
				return Skipped
			}
		}
	}
	return st.by(s, u.port)
}

func (c *Upstreams) addSetup(s State) {
	switch {
	case s == Removed:
		return
	case s == Success:
		c.SetupsSuccess++
	case s == Skipped:
		c.SetupsSkipped++
	case s.Bad():
		c.SetupsBad++
	}
	c.Setups++
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
		switch {
		case s == Success && st.by(s, u.port) != s:
			why = also(why, u.task.spec.ID+" went "+st.Taken)
		case s.Terminal() && s != Success:
			why = also(why, u.task.spec.ID+" is "+string(s))
		}
	}
	for _, u := range t.setups {
		if s := m.states.Tasks[u.index].summary(); s.Terminal() && s != Success && !t.follows(u) {
			why = also(why, "its setup "+u.spec.ID+" is "+string(s))
		}
	}
	if why == "" {
		why = "its trigger rule " + string(t.spec.Rule) + " cannot hold any more"
	}
	return why
}

func also(why, more string) string {
	if why == "" {
		return more
	}
	return why + ", " + more
}

// follows tells whether t follows u directly.
func (t *Task) follows(u *Task) bool {
	for _, up := range t.up {
		if up.task == u {
			return true
		}
	}
	return false
}
