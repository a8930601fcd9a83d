package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// A machine changes one run. It is made from what a transition found, told what happened, settled and asked for the change. It
// is pure: the same run, definition, time and events always give the same change, but for fresh event ids.
type machine struct {
	def    *Definition
	now    time.Time
	row    RunRow
	states RunStates
	change RunChange
	dirty  []bool // tasks whose instances may be decided
	who    actor
	pin    string     // version that the run is pinned to; "": none
	parts  clearNodes // runners of which only some nodes are cleared

	// Of a process whose version is not for the run to be on: it ends attempts and leaves what follows to others.
	outdated bool
	whole    RunStates // as the run has them, aligned with wholeIDs
	wholeIDs []string
}

// actor is what is acting, for history.
type actor struct {
	worker string
	build  string
	by     string // a person
}

// newMachine decodes a run. v is the version that the row names.
func newMachine(def *Definition, now time.Time, row RunRow, v runVersion, who actor) (*machine, error) {
	return new(scratch).machine(def, now, row, v, who)
}

// machine is newMachine in the scratch's room: the machine made before is of no use any more.
func (c *scratch) machine(def *Definition, now time.Time, row RunRow, v runVersion, who actor) (*machine, error) {
	m := &c.m
	*m = machine{def: def, now: now, row: row, who: who, pin: pin(row, v), dirty: sized(&c.dirty, len(def.tasks))}
	m.change = RunChange{Key: row.Key, State: row.State, Version: row.Version, FailedTasks: row.FailedTasks}
	if len(row.States) == 0 {
		m.states = newRunStates(def)
		m.leaveOut(row.OnlyTasks)
		m.change.Version = def.Version
		return m, nil
	}
	s, err := c.decode(row.States)
	if err != nil {
		return nil, fmt.Errorf("run %s of %s: %w", row.RunID, row.DAG, err)
	}
	if row.Version != def.Version && (m.pin != "" && !v.released || outdated(def, row)) {
		m.outdated, m.whole, m.wholeIDs = true, s, v.tasks
		m.states = s.adapt(v.tasks, def.taskIDs)
		return m, nil
	}
	if row.Version != def.Version {
		m.dequeueRemoved(s, v.tasks)
		s = s.adapt(v.tasks, def.taskIDs)
		m.reshape(s)
		m.change.Version = def.Version
		m.touchAll()
	}
	if len(s.Tasks) != len(def.tasks) {
		return nil, fmt.Errorf("run %s of %s: states of %d tasks for %d: %w", row.RunID, row.DAG, len(s.Tasks), len(def.tasks), errStates)
	}
	m.states = s
	return m, nil
}

// start begins a queued run: every task may be decided.
func (m *machine) start() {
	if m.row.State != RunQueued {
		return
	}
	m.change.State = RunRunning
	at := m.now
	m.change.StartedAt = &at
	m.limitRun()
	m.touchAll()
}

// limitRun sets when a run that goes on has taken as long as it may.
func (m *machine) limitRun() {
	began := cmp.Or(m.change.StartedAt, m.row.StartedAt)
	if limit := m.def.Spec.RunTimeout; limit > 0 && m.change.State == RunRunning && began != nil {
		tm := m.runTimer(TimerRunLimit)
		tm.DueAt = began.Add(time.Duration(limit))
		m.change.Timers = append(m.change.Timers, tm)
	}
}

func (m *machine) touchAll() {
	for i := range m.dirty {
		m.dirty[i] = true
	}
}

func (m *machine) touchDown(t *Task) {
	for _, i := range t.down {
		m.dirty[i] = true
	}
	for _, i := range t.below {
		m.dirty[i] = true
	}
}

func (m *machine) key(t *Task, mapIndex int) TaskKey {
	return TaskKey{Run: m.row.Key, Task: t.spec.ID, MapIndex: mapIndex}
}

// dequeue takes an instance out of the queue, and untime a timer away, also where this very transition has put it there: what is taken out
// goes before what is put in.
func (m *machine) dequeue(k TaskKey) {
	m.change.Dequeue = append(m.change.Dequeue, k)
	m.change.Enqueue = slices.DeleteFunc(m.change.Enqueue, func(q QueueItem) bool { return q.TaskKey == k })
}

func (m *machine) untime(t Timer) {
	m.change.Untimers = append(m.change.Untimers, t)
	m.change.Timers = slices.DeleteFunc(m.change.Timers, func(set Timer) bool { return set.TaskKey == t.TaskKey && set.Kind == t.Kind })
}

// unwait and unask do the same with waits and questions.
func (m *machine) unwait(k TaskKey) {
	m.change.Unwaits = append(m.change.Unwaits, k)
	m.change.Waits = slices.DeleteFunc(m.change.Waits, func(w Wait) bool { return w.TaskKey == k })
}

func (m *machine) unask(k TaskKey) {
	m.change.Unask = append(m.change.Unask, k)
	m.change.Ask = slices.DeleteFunc(m.change.Ask, func(q QuestionRow) bool { return q.TaskKey == k })
}

// enqueue makes an instance ready under a new try.
func (m *machine) enqueue(t *Task, in *Instance, mapIndex int) {
	in.Try++
	m.requeue(t, in, mapIndex)
}

// requeue makes an instance ready to go on with its try.
func (m *machine) requeue(t *Task, in *Instance, mapIndex int) {
	in.State = Queued
	m.change.Enqueue = append(m.change.Enqueue, QueueItem{
		TaskKey: m.key(t, mapIndex), DAG: m.row.DAG, Try: in.Try, Queue: t.spec.Queue, Priority: t.spec.Priority + m.row.Priority,
		Pool: t.spec.Pool, Slots: t.spec.PoolSlots,
	})
}

// decide ends an instance that is not to run.
func (m *machine) decide(t *Task, in *Instance, mapIndex int, s State, why string) {
	in.State = s
	m.change.Attempts = append(m.change.Attempts, Attempt{
		TaskKey: m.key(t, mapIndex), Try: 0, State: s, EndedAt: m.now, Version: m.def.Version, Error: why,
	})
	m.ended(t, mapIndex, s, AttemptEnd{Error: why})
}

// ended tells the world that an instance is over.
func (m *machine) ended(t *Task, mapIndex int, s State, e AttemptEnd) {
	m.touchDown(t)
	ev := CallbackEvent{State: string(s), Ending: e.Ending, Error: e.Error, Try: e.Try}
	switch s {
	case Success:
		m.call(t, mapIndex, onSuccess, EventTaskSucceeded, ev)
	case Skipped:
		m.call(t, mapIndex, onSkipped, EventTaskSkipped, ev)
	case Failed:
		m.call(t, mapIndex, onFailure, EventTaskFailed, ev)
		m.event(t, mapIndex, EventTaskFailed, ev)
	}
}

func (m *machine) fill(t *Task, mapIndex int, typ string, ev CallbackEvent) CallbackEvent {
	ev.ID, ev.Type, ev.At = uuid.New(), typ, m.now
	ev.DAG, ev.Run, ev.RunType, ev.Logical, ev.MapIndex, ev.By = m.row.DAG, m.row.RunID, m.row.Type, m.row.Logical, mapIndex, m.who.by
	if t != nil {
		ev.Task = t.spec.ID
	}
	return ev
}

// call puts the callbacks that hang on a task (t nil: on the DAG) into the outbox.
func (m *machine) call(t *Task, mapIndex int, h hook, typ string, ev CallbackEvent) {
	set := m.def.callbacks
	key := TaskKey{Run: m.row.Key, MapIndex: -1}
	if t != nil {
		set, key = t.callbacks, m.key(t, mapIndex)
	}
	for i := range set[h] {
		ev := m.fill(t, mapIndex, typ, ev)
		m.change.Callbacks = append(m.change.Callbacks, CallbackCall{ID: ev.ID, Hook: hookName(h, i), DAG: m.row.DAG, TaskKey: key, Data: marshalEvent(ev)})
	}
}

// event puts an event for webhooks into the outbox.
func (m *machine) event(t *Task, mapIndex int, typ string, ev CallbackEvent) {
	ev = m.fill(t, mapIndex, typ, ev)
	m.change.Events = append(m.change.Events, Event{ID: ev.ID, Type: typ, At: ev.At, DAG: ev.DAG, Run: m.row.Key, Task: ev.Task, Data: marshalEvent(ev)})
}

// settle decides everything that follows from what happened, to the end: tasks in topological order, then the run.
func (m *machine) settle() {
	if m.outdated {
		tm := m.runTimer(TimerSettle)
		tm.DueAt = m.now
		m.change.Timers = append(m.change.Timers, tm)
		return
	}
	if m.change.State != RunRunning {
		return
	}
	for i, t := range m.def.tasks {
		if m.dirty[i] {
			m.settleTask(t)
		}
	}
	m.verdict()
}

// verdict ends the run when nothing is unfinished.
func (m *machine) verdict() {
	for i := range m.states.Tasks {
		if m.states.Tasks[i].open() {
			return
		}
	}
	tasks := make([]VerdictTask, len(m.def.leaves))
	copy(tasks, m.def.leaves)
	for i := range tasks {
		tasks[i].State = m.states.Tasks[i].summary()
	}
	state, failed, done := RunVerdict(tasks, m.def.Spec.FailOnAnyTask)
	if !done {
		return
	}
	if m.states.Doomed {
		state = RunFailed
	}
	m.endRun(state, failed, "")
}

func (m *machine) endRun(state RunState, failed int, why string) {
	at := m.now
	if began := cmp.Or(m.change.StartedAt, m.row.StartedAt); began != nil && began.After(at) { // by a clock that is a little ahead of this one
		at = *began
	}
	m.change.State, m.change.EndedAt, m.change.FailedTasks = state, &at, failed
	m.untime(m.runTimer(TimerDeadline))
	if m.def.Spec.RunTimeout > 0 {
		m.untime(m.runTimer(TimerRunLimit))
	}
	ev := CallbackEvent{State: string(state), Failed: failed, FailedIDs: m.failedIDs(), Error: why}
	if state == RunFailed {
		m.call(nil, -1, onFailure, EventRunFailed, ev)
		m.event(nil, -1, EventRunFailed, ev)
		return
	}
	m.call(nil, -1, onSuccess, EventRunSucceeded, ev)
	m.event(nil, -1, EventRunSucceeded, ev)
}

// failedIDs names what has failed, as far as it is told.
func (m *machine) failedIDs() []string {
	const most = 100
	var ids []string
	for i := range m.states.Tasks {
		st := &m.states.Tasks[i]
		for j, in := range st.Instances {
			if in.State != Failed || len(ids) == most {
				continue
			}
			id := m.def.tasks[i].spec.ID
			if element := st.mapIndex(j); element >= 0 {
				id += "[" + strconv.Itoa(element) + "]"
			}
			ids = append(ids, id)
		}
	}
	return ids
}

func (m *machine) runTimer(k TimerKind) Timer {
	return Timer{TaskKey: TaskKey{Run: m.row.Key, MapIndex: -1}, Kind: k}
}

// result is the change to store.
func (m *machine) result() RunChange {
	m.change.Pin = m.pin
	if m.outdated {
		m.restore()
	} else if m.change.Pin = ""; m.def.Spec.Pin {
		m.change.Pin = m.def.Version
	}
	m.change.Repin = m.change.Pin != m.pin
	m.change.States = m.states.Encode()
	return m.change
}

// inputsRead notes which tries an attempt read, for history: a JSON object from task to try.
func inputsRead(from readings) []byte {
	if len(from) == 0 {
		return nil
	}
	type read struct {
		id  string
		try int
	}
	one := [1]read{}
	reads := one[:0]
	for _, r := range from {
		for i := range r.Attempts {
			id := r.task.spec.ID
			if at := r.Attempts[i].MapIndex; at >= 0 {
				id += "[" + strconv.Itoa(at) + "]"
			}
			reads = append(reads, read{id, r.Attempts[i].Try})
		}
	}
	slices.SortStableFunc(reads, func(a, b read) int { return cmp.Compare(a.id, b.id) })
	out := make([]byte, 0, 32*len(reads)+2)
	for i, r := range reads {
		if i+1 < len(reads) && reads[i+1].id == r.id {
			continue // of several tries of one, the last
		}
		if len(out) > 0 {
			out = append(out, ',')
		} else {
			out = append(out, '{')
		}
		out = append(out, '"') // no id has anything to escape: see checkID
		out = append(out, r.id...)
		out = append(out, '"', ':')
		out = strconv.AppendInt(out, int64(r.try), 10)
	}
	if len(out) == 0 {
		return []byte("{}")
	}
	return append(out, '}')
}
