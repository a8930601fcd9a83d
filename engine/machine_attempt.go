package engine

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// An AttemptEnd is how a worker (or the reaper, for a lost one) says that an attempt ended.
type AttemptEnd struct {
	Lease     Lease
	Try       int
	Ending    Ending
	Err       error  // what the body returned; decides about retries
	Error     string // Err as text, for history
	Output    []byte
	QueuedAt  *time.Time
	StartedAt *time.Time
	Inputs    []byte
	Extras    map[string][]byte // JSON objects for the assets that it updates
	Suspend   *Suspension       // the try is not over: it waits
	GivenBack bool              // by a drain: ready again at once, counts nothing
	Random    float64           // in [0, 1), for jitter
}

// endAttempt takes in how an attempt ended. The caller has made sure that it held its lease until now.
func (m *machine) endAttempt(e AttemptEnd) {
	t, ok := m.def.byID[e.Lease.Task]
	if e.StartedAt != nil && e.StartedAt.After(m.now) { // by its process's clock, of which the store's may be behind
		now := m.now
		e.StartedAt = &now
	}
	a := Attempt{
		TaskKey: e.Lease.TaskKey, Try: e.Try, Ending: e.Ending, QueuedAt: e.QueuedAt, StartedAt: e.StartedAt, EndedAt: m.now,
		Worker: m.who.worker, Build: m.who.build, Version: m.change.Version, Output: e.Output, Error: e.Error, Inputs: e.Inputs,
	}
	if !ok && m.outdated { // a task of the run's own version, which is to decide it anew
		m.lostOfOthers(e.Lease.TaskKey)
		m.change.Attempts = append(m.change.Attempts, a)
		return
	}
	if !ok { // its task has left the DAG
		a.State = Removed
		m.change.Attempts = append(m.change.Attempts, a)
		return
	}
	st := &m.states.Tasks[t.index]
	in := st.instance(e.Lease.MapIndex)
	if in == nil || (in.State != Queued && in.State != Restarting) {
		a.State = None
		if in != nil {
			a.State = in.State
		}
		m.change.Attempts = append(m.change.Attempts, a)
		return
	}
	m.dirty[t.index] = true
	switch {
	case in.State == Restarting: // cleared while it ran
		a.Ending = EndCancelled
		m.untime(Timer{TaskKey: a.TaskKey, Kind: TimerRestart})
		m.restart(t, in, a.TaskKey)
	case e.GivenBack:
		m.enqueue(t, in, e.Lease.MapIndex)
	case e.Suspend != nil && !in.Expired:
		m.suspend(t, in, a.TaskKey, e.Suspend)
		return
	case e.Suspend != nil: // that was its last chance
		in.State, a.Ending, a.Error = Failed, EndTimedOut, gaveUpReason(t)
	case e.Ending == EndSuccess:
		if m.succeed(t, st, in, &a); in.State == Success {
			m.updated(t, e.Lease.MapIndex, e.Extras)
		}
	case e.Ending == EndSkipped:
		in.State = Skipped
	case e.Ending == EndCancelled:
		in.State = Failed
	default:
		m.failed(t, in, e)
	}
	a.State = in.State
	m.change.Attempts = append(m.change.Attempts, a)
	if in.State != None { // restarted: forgotten
		m.closeVirtual(t, e, in.State)
	}
	if in.State.Terminal() {
		if in.Poked {
			m.release(in, a.TaskKey)
		}
		e.Ending, e.Error = a.Ending, a.Error
		m.ended(t, e.Lease.MapIndex, in.State, e)
	}
}

// lostOfOthers notes that the attempt of a task which this process's version does not have is over.
func (m *machine) lostOfOthers(k TaskKey) {
	i := slices.Index(m.wholeIDs, k.Task)
	if i < 0 || i >= len(m.whole.Tasks) {
		return
	}
	if in := m.whole.Tasks[i].instance(k.MapIndex); in != nil && (in.State == Queued || in.State == Restarting) {
		in.State = None
	}
}

// succeed stores what a good end leaves behind; a list that cannot be read ends the attempt as failed.
func (m *machine) succeed(t *Task, st *TaskStates, in *Instance, a *Attempt) {
	if err := st.measure(t, a.Output); err != nil {
		in.State, a.Ending, a.Error = Failed, EndFailed, err.Error()
		return
	}
	in.State = Success
}

// measure notes what others need to know of an output without reading it: which way a task that chooses has taken, and the length of a
// list, also where no task is mapped over it yet: the next version of the DAG may have one. It errs when there is no such way, and when
// some task is mapped over what is no list.
func (st *TaskStates) measure(t *Task, output []byte) error {
	st.Length, st.Taken = -1, ""
	if t.spec.Chooses {
		way, err := t.takenBy(output)
		if err != nil {
			return err
		}
		st.Taken, output = way, unwrapTaken(output)
	}
	if t.over != nil || len(output) == 0 || !t.listOut && output[0] != '[' {
		return nil
	}
	n, err := listLen(output)
	if err == nil {
		st.Length = n
	} else if t.listOut {
		return fmt.Errorf("tasks are mapped over its output: %w", err)
	}
	return nil
}

// failed asks the retry rules what comes after a bad end.
func (m *machine) failed(t *Task, in *Instance, e AttemptEnd) {
	in.Failures++
	retry := Retry{}
	if t.retry != nil {
		retry = *t.retry
	}
	again, delay := retry.Next(e.Ending, e.Err, in.Failures, in.Lost, e.Random)
	if e.Ending == EndLost {
		in.Lost = true
	}
	if !again {
		in.State = Failed
		return
	}
	at := m.now.Add(delay)
	if delay <= 0 {
		m.enqueue(t, in, e.Lease.MapIndex)
	} else {
		in.State = UpForRetry
		m.change.Timers = append(m.change.Timers, Timer{TaskKey: e.Lease.TaskKey, Kind: TimerRetry, DueAt: at})
	}
	ev := CallbackEvent{State: string(UpForRetry), Ending: e.Ending, Error: e.Error, Try: e.Try, RetryAt: &at}
	m.call(t, e.Lease.MapIndex, onRetry, EventTaskRetry, ev)
	m.event(t, e.Lease.MapIndex, EventTaskRetry, ev)
}

// closeVirtual ends the nodes that a runner left open.
func (m *machine) closeVirtual(t *Task, e AttemptEnd, s State) {
	if !t.spec.HasVirtual {
		return
	}
	c := VirtualClose{Task: e.Lease.TaskKey, State: UpstreamFailed, Why: "its runner ended before it did: " + e.Error}
	switch s {
	case UpForRetry, Queued:
		c.State = UpForRetry
	case Skipped:
		c.State = Skipped
	case Success:
		c.State, c.Why = Skipped, "its runner ended without it"
	}
	m.change.Close = append(m.change.Close, c)
}

// endingOf says how an attempt ended by what its body returned and why its context was cancelled, nil if it was not.
func endingOf(err, cause error) Ending {
	var skip *SkipError
	if suspended := (*suspendError)(nil); cause == nil && errors.As(err, &suspended) {
		return EndSuspended
	}
	switch {
	case err == nil:
		return EndSuccess
	case errors.Is(cause, errTimedOut):
		return EndTimedOut
	case errors.Is(cause, ErrLostLease): // cut off: if nobody took the task over meanwhile, it is tried again
		return EndLost
	case cause != nil:
		return EndCancelled
	case errors.As(err, &skip):
		return EndSkipped
	}
	return EndFailed
}
