package engine

import (
	"encoding/json"
	"fmt"
	"time"
)

// A Suspension is how a body ends its attempt without ending its task: it waits, without a slot, for time to pass, for something outside
// its run, or for a person. The try goes on when that has come.
type Suspension struct {
	State    State         // UpForReschedule, Deferred or AwaitingInput
	After    time.Duration // of UpForReschedule: until the next poke
	Timeout  time.Duration // since the try was first suspended; 0: none
	On       *Wait         // of Deferred
	Question *QuestionRow  // of AwaitingInput
}

// suspendError carries a suspension out of a body.
type suspendError struct{ Suspension }

func (e *suspendError) Error() string { return "suspended: " + string(e.State) }

// A Wait is what a task instance waits for outside its run. The scheduler looks at it again and again; Reason says on screen what that is.
type Wait struct {
	TaskKey
	Kind   WaitKind
	DAG    string // of WaitRun: the DAG of the run that is to end; of WaitPast: its own
	RunID  string // of WaitRun
	Reason string
	Since  time.Time // set by the engine
}

// WaitKind says what a wait is for.
type WaitKind string

// The kinds of waits.
const (
	WaitRun  WaitKind = "run"  // another run ends
	WaitPast WaitKind = "past" // the previous run's instance ends well: DependsOnPast
)

// A QuestionRow is what an [Approve] has asked, as the store keeps it.
type QuestionRow struct {
	TaskKey
	Text    string
	Answers []string
	Default string // taken when DueAt passes; "": the task fails then
	AskedAt time.Time
	DueAt   *time.Time
	Closed  bool // answered, or not wanted any more
}

// suspend takes in that an attempt ended without ending its task. No attempt is written: its try goes on.
func (m *machine) suspend(t *Task, in *Instance, k TaskKey, s *Suspension) {
	in.State = s.State
	switch s.State {
	case UpForReschedule:
		m.change.Timers = append(m.change.Timers, Timer{TaskKey: k, Kind: TimerPoke, DueAt: m.now.Add(s.After)})
	case Deferred:
		w := *s.On
		w.TaskKey, w.Since = k, m.now
		m.change.Waits = append(m.change.Waits, w)
	case AwaitingInput:
		q := *s.Question
		q.TaskKey, q.AskedAt = k, m.now
		if s.Timeout > 0 {
			due := m.now.Add(s.Timeout)
			q.DueAt = &due
		}
		m.change.Ask = append(m.change.Ask, q)
	}
	if s.Timeout > 0 && !in.Poked {
		in.Poked = true
		m.change.Timers = append(m.change.Timers, Timer{TaskKey: k, Kind: TimerGiveUp, DueAt: m.now.Add(s.Timeout)})
	}
}

// release takes back what keeps an instance waiting: timers, waits and questions.
func (m *machine) release(in *Instance, k TaskKey) {
	untimer := func(kind TimerKind) { m.untime(Timer{TaskKey: k, Kind: kind}) }
	switch in.State {
	case UpForRetry:
		untimer(TimerRetry)
	case Restarting:
		untimer(TimerRestart)
	case UpForReschedule:
		untimer(TimerPoke)
	case Deferred, Scheduled:
		m.unwait(k)
	case AwaitingInput:
		m.unask(k)
	}
	if in.Poked {
		untimer(TimerGiveUp)
		in.Poked, in.Expired = false, false
	}
}

// gaveUp takes in that the time which a suspended task may wait is over. One that is at work just now has its last chance.
func (m *machine) gaveUp(t *Task, in *Instance, k TaskKey) {
	switch in.State {
	case Queued, UpForRetry:
		in.Expired = true
	case UpForReschedule, Deferred:
		m.finish(t, in, k, AttemptEnd{Ending: EndTimedOut, Error: gaveUpReason(t)})
	case AwaitingInput:
		if t.spec.DefaultAnswer == "" {
			m.finish(t, in, k, AttemptEnd{Ending: EndTimedOut, Error: "nobody has answered within " + time.Duration(t.spec.WaitLimit).String()})
			return
		}
		m.finish(t, in, k, AttemptEnd{Ending: EndSuccess, Output: encodeAnswer(t.spec.DefaultAnswer, "", m.now)})
	}
}

func gaveUpReason(t *Task) string {
	return fmt.Sprintf("it has waited for %s, as long as it may", time.Duration(t.spec.WaitLimit))
}

// finish ends a suspended instance without an attempt of a worker. Waiting longer would not help: a bad end is not retried.
func (m *machine) finish(t *Task, in *Instance, k TaskKey, e AttemptEnd) {
	m.release(in, k)
	a := Attempt{TaskKey: k, Try: in.Try, State: Failed, Ending: e.Ending, EndedAt: m.now, Version: m.change.Version, Output: e.Output, Error: e.Error, By: m.who.by}
	if e.Ending == EndSuccess {
		m.succeed(t, &m.states.Tasks[t.index], in, &a)
	} else {
		in.State = Failed
	}
	a.State = in.State
	m.dirty[t.index] = true
	m.change.Attempts = append(m.change.Attempts, a)
	m.ended(t, k.MapIndex, in.State, AttemptEnd{Ending: a.Ending, Error: a.Error, Try: in.Try})
}

// waitOver ends what a deferred or held instance waited for: how is nil where it may go on with its try.
func (m *machine) waitOver(k TaskKey, how *AttemptEnd) {
	t, ok := m.def.byID[k.Task]
	if !ok {
		m.unwait(k)
		return
	}
	in := m.states.Tasks[t.index].instance(k.MapIndex)
	switch {
	case in == nil || in.State != Deferred && in.State != Scheduled:
		m.unwait(k) // it goes its own way by now
	case in.State == Scheduled:
		m.release(in, k)
		m.enqueue(t, in, k.MapIndex)
	case how == nil:
		m.release(in, k)
		m.requeue(t, in, k.MapIndex)
	default:
		m.finish(t, in, k, *how)
	}
}

// answer takes in a person's answer to an open question; false when there is none.
func (m *machine) answer(k TaskKey, choice string) bool {
	t, ok := m.def.byID[k.Task]
	if !ok {
		return false
	}
	in := m.states.Tasks[t.index].instance(k.MapIndex)
	if in == nil || in.State != AwaitingInput {
		return false
	}
	m.finish(t, in, k, AttemptEnd{Ending: EndSuccess, Output: encodeAnswer(choice, m.who.by, m.now)})
	return true
}

func encodeAnswer(choice, by string, at time.Time) []byte {
	raw, err := json.Marshal(Answer[string]{Choice: choice, By: by, At: at})
	if err != nil {
		panic(fmt.Sprintf("engine: an answer does not encode: %v", err)) // plain fields: cannot happen
	}
	return raw
}
