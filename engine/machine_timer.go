package engine

import "time"

// timerFired takes in that a timer is due. A timer that no longer fits the state changes nothing but that it is gone.
func (m *machine) timerFired(tm Timer) {
	m.untime(tm)
	switch tm.Kind {
	case TimerDeadline:
		m.deadlinePassed()
		return
	case TimerSettle:
		m.limitRun() // it may have been started by a process that does not know the limit
		m.touchAll()
		return
	case TimerRunLimit:
		m.runLimitPassed(tm)
		return
	}
	t, ok := m.def.byID[tm.Task]
	if !ok {
		return
	}
	in := m.states.Tasks[t.index].instance(tm.MapIndex)
	if in == nil {
		return
	}
	switch {
	case tm.Kind == TimerRetry && in.State == UpForRetry:
		m.enqueue(t, in, tm.MapIndex)
	case tm.Kind == TimerPoke && in.State == UpForReschedule:
		m.requeue(t, in, tm.MapIndex)
	case tm.Kind == TimerGiveUp && in.Poked:
		m.gaveUp(t, in, tm.TaskKey)
	case tm.Kind == TimerRestart && in.State == Restarting:
		// The grace is over and the body has not ended: its lease is taken, so that it can change nothing any more.
		m.dequeue(tm.TaskKey)
		m.change.Attempts = append(m.change.Attempts, Attempt{
			TaskKey: tm.TaskKey, Try: in.Try, State: None, Ending: EndCancelled, EndedAt: m.now, Version: m.change.Version,
			Error: "cleared while it ran; it did not end within the grace and was fenced off",
		})
		m.restart(t, in, tm.TaskKey)
	}
}

func (m *machine) deadlinePassed() {
	if m.states.DeadlineFired || m.change.State.Terminal() {
		return
	}
	m.states.DeadlineFired = true
	ev := CallbackEvent{State: string(m.change.State), Error: "the run is not over " + m.row.Deadline.String() + " after it was queued"}
	m.call(nil, -1, onDeadline, EventDeadlineMissed, ev)
	m.event(nil, -1, EventDeadlineMissed, ev)
}

// runLimitPassed ends a run that has had its time. A timer that was read before the run was cleared and started anew is not this start's:
// then it is set for this one.
func (m *machine) runLimitPassed(tm Timer) {
	limit := time.Duration(m.def.Spec.RunTimeout)
	if m.change.State != RunRunning || m.row.StartedAt == nil || limit <= 0 {
		return
	}
	if tm.DueAt = m.row.StartedAt.Add(limit); tm.DueAt.After(m.now) {
		m.change.Timers = append(m.change.Timers, tm)
		return
	}
	m.endUnfinished(RunFailed, "it has run for "+limit.String()+", as long as it may")
}
