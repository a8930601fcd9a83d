package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// sim is a run outside any store: what a change asks for happens at once, and what must never happen is an error.
type sim struct {
	t        testing.TB
	def      *Definition
	ids      map[string][]string // tasks by version
	row      RunRow
	now      time.Time
	queue    map[TaskKey]QueueItem
	leased   map[TaskKey]bool
	timers   map[Timer]time.Time // DueAt of the key is zero
	attempts []Attempt
	told     []string // events and callbacks: type and task
	closes   []VirtualClose
	cancels  []TaskKey
	waits    map[TaskKey]Wait
	asked    map[TaskKey]QuestionRow // open ones
	ends     map[string]bool         // key and try of every attempt that ended
}

func newSim(t testing.TB, d AnyDAG) *sim {
	t.Helper()
	s := &sim{t: t, now: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), ids: map[string][]string{}, queue: map[TaskKey]QueueItem{}, leased: map[TaskKey]bool{},
		timers: map[Timer]time.Time{}, waits: map[TaskKey]Wait{}, asked: map[TaskKey]QuestionRow{}, ends: map[string]bool{}}
	s.deploy(d)
	s.row = RunRow{Key: 1, DAG: s.def.Spec.DAG, RunID: "r", State: RunQueued, Version: s.def.Version}
	return s
}

// deploy makes another version of the DAG the one that processes have.
func (s *sim) deploy(d AnyDAG) {
	s.t.Helper()
	c, err := Compile(d)
	if err != nil {
		s.t.Fatal(err)
	}
	s.def = c.defs[c.ids[0]]
	s.ids[s.def.Version] = s.def.taskIDs
}

func (s *sim) change(f func(*machine)) {
	s.t.Helper()
	m, err := newMachine(s.def, s.now, s.row, runVersion{tasks: s.ids[s.row.Version]}, actor{worker: "w", build: "b", by: "ann"})
	if err != nil {
		s.t.Fatal(err)
	}
	f(m)
	m.settle()
	s.apply(m.result())
}

func (s *sim) apply(c RunChange) {
	s.t.Helper()
	states, err := DecodeRunStates(c.States)
	if err != nil || !bytes.Equal(states.Encode(), c.States) {
		s.t.Fatalf("states do not survive: %v", err)
	}
	s.row.State, s.row.States, s.row.Version, s.row.FailedTasks = c.State, c.States, c.Version, c.FailedTasks
	if c.StartedAt != nil {
		s.row.StartedAt = c.StartedAt
	}
	for _, k := range c.Dequeue {
		delete(s.queue, k)
		delete(s.leased, k)
	}
	for _, t := range c.Untimers {
		t.DueAt = time.Time{}
		delete(s.timers, t)
	}
	for _, q := range c.Enqueue {
		if _, there := s.queue[q.TaskKey]; there {
			s.t.Fatalf("%v is queued twice", q.TaskKey)
		}
		s.queue[q.TaskKey] = q
	}
	for _, t := range c.Timers {
		due := t.DueAt
		t.DueAt = time.Time{}
		s.timers[t] = due
	}
	for _, k := range c.Unwaits {
		delete(s.waits, k)
	}
	for _, k := range c.Unask {
		delete(s.asked, k)
	}
	for _, w := range c.Waits {
		s.waits[w.TaskKey] = w
	}
	for _, q := range c.Ask {
		s.asked[q.TaskKey] = q
	}
	for _, e := range c.Events {
		s.told = append(s.told, strings.TrimSpace("event "+e.Type+" "+e.Task))
	}
	for _, k := range c.Callbacks {
		s.told = append(s.told, strings.TrimSpace(k.Hook+" "+k.Task))
	}
	s.attempts = append(s.attempts, c.Attempts...)
	s.closes = append(s.closes, c.Close...)
	s.cancels = append(s.cancels, c.Cancel...)
	slices.Sort(s.told)
	if c.State.Terminal() && len(s.queue) > 0 {
		s.t.Fatalf("the run is over with %d tasks in the queue", len(s.queue))
	}
	if c.State.Terminal() && len(s.timers)+len(s.waits)+len(s.asked) > 0 {
		s.t.Fatalf("the run is over and leaves behind %v %v %v", s.timers, s.waits, s.asked)
	}
}

// end ends the queued try of a task.
func (s *sim) end(name string, e AttemptEnd) {
	s.t.Helper()
	k := keyNamed(name)
	q, ok := s.queue[k]
	if !ok {
		s.t.Fatalf("%s is not in the queue: %s", name, s)
	}
	delete(s.queue, k)
	delete(s.leased, k)
	if once := fmt.Sprint(k, q.Try); e.Suspend != nil {
		if s.ends[once] {
			s.t.Fatalf("try %d of %s goes on after its end", q.Try, name)
		}
	} else if s.ends[once] {
		s.t.Fatalf("try %d of %s ended twice", q.Try, name)
	} else {
		s.ends[once] = true
	}
	e.Lease, e.Try, e.Random = Lease{k, uuid.New()}, q.Try, 0.5
	if e.Err != nil {
		e.Error = e.Err.Error()
	}
	s.change(func(m *machine) { m.endAttempt(e) })
}

// wait lets time pass, and fires what falls due, in order.
func (s *sim) wait(d time.Duration) {
	s.t.Helper()
	until := s.now.Add(d)
	for {
		var next *Timer
		for t, due := range s.timers {
			if !due.After(until) && (next == nil || due.Before(s.timers[*next]) || due.Equal(s.timers[*next]) && t.Kind > next.Kind) {
				next = &t
			}
		}
		if next == nil {
			break
		}
		s.now = s.timers[*next]
		s.change(func(m *machine) { m.timerFired(*next) })
	}
	s.now = until
}

// keyNamed reads "load" or "load[2]".
func keyNamed(name string) TaskKey {
	k := TaskKey{Run: 1, Task: name, MapIndex: -1}
	if id, index, ok := strings.Cut(name, "["); ok {
		k.Task = id
		if _, err := fmt.Sscanf(index, "%d]", &k.MapIndex); err != nil {
			panic(err)
		}
	}
	return k
}

// String is the run's state, then each instance that is not as good as untouched: "running a=success b[0]=queued#2".
func (s *sim) String() string {
	states, err := DecodeRunStates(s.row.States)
	if err != nil {
		return string(s.row.State)
	}
	out := []string{string(s.row.State)}
	for i, id := range s.ids[s.row.Version] {
		st := states.Tasks[i]
		for j, in := range st.Instances {
			text := id
			if st.Mapped {
				text += fmt.Sprintf("[%d]", j)
			}
			text += "=" + string(in.State)
			if in.State == Queued && in.Try > 1 {
				text += fmt.Sprintf("#%d", in.Try)
			}
			out = append(out, text)
		}
	}
	return strings.Join(out, " ")
}

var errBody = errors.New("boom")

// do runs a script of steps, parted by ";": ok, fail, skip, permanent, later D, timeout, lost, drain TASK [output]; lease TASK; wait D;
// clear TASK…; mark STATE TASK [output]; run STATE; start.
func (s *sim) do(script string) {
	s.t.Helper()
	for step := range strings.SplitSeq(script, ";") {
		w := strings.Fields(step)
		if len(w) == 0 {
			continue
		}
		arg := func(i int) string {
			if i < len(w) {
				return w[i]
			}
			return ""
		}
		switch w[0] {
		case "start":
			s.change(func(m *machine) { m.start() })
		case "ok":
			e := AttemptEnd{Ending: EndSuccess}
			if len(w) > 2 {
				e.Output = []byte(w[2])
			}
			s.end(w[1], e)
		case "fail":
			s.end(w[1], AttemptEnd{Ending: EndFailed, Err: errBody})
		case "permanent":
			s.end(w[1], AttemptEnd{Ending: EndFailed, Err: Permanent(errBody)})
		case "later":
			s.end(w[1], AttemptEnd{Ending: EndFailed, Err: RetryAfter(errBody, s.duration(arg(2)))})
		case "skip":
			s.end(w[1], AttemptEnd{Ending: EndSkipped, Err: Skip("so")})
		case "timeout":
			s.end(w[1], AttemptEnd{Ending: EndTimedOut, Err: errBody})
		case "poke":
			s.end(w[1], AttemptEnd{Ending: EndSuspended, Suspend: &Suspension{State: UpForReschedule, After: time.Minute, Timeout: time.Duration(s.def.byID[w[1]].spec.WaitLimit)}})
		case "ask":
			t := s.def.byID[w[1]]
			s.end(w[1], AttemptEnd{Ending: EndSuspended, Suspend: &Suspension{State: AwaitingInput, Timeout: time.Duration(t.spec.WaitLimit), Question: &QuestionRow{Answers: t.spec.Answers}}})
		case "answer":
			s.change(func(m *machine) {
				if !m.answer(keyNamed(w[1]), w[2]) {
					s.t.Fatalf("%s has no open question", w[1])
				}
			})
		case "defer":
			s.end(w[1], AttemptEnd{Ending: EndSuspended, Suspend: &Suspension{State: Deferred, Timeout: time.Hour, On: &Wait{Kind: WaitRun}}})
		case "over":
			var how *AttemptEnd
			if len(w) > 2 {
				how = &AttemptEnd{Ending: Ending(w[2])}
			}
			s.change(func(m *machine) { m.waitOver(keyNamed(w[1]), how) })
		case "lost":
			s.end(w[1], AttemptEnd{Ending: EndLost})
		case "drain":
			s.end(w[1], AttemptEnd{Ending: EndCancelled, GivenBack: true, Err: errBody})
		case "lease":
			s.leased[keyNamed(w[1])] = true
		case "wait":
			s.wait(s.duration(w[1]))
		case "clear":
			var keys []TaskKey
			for _, name := range w[1:] {
				keys = append(keys, keyNamed(name))
			}
			s.change(func(m *machine) { m.clear(keys, s.leased) })
		case "mark":
			k := keyNamed(w[2])
			outputs := map[TaskKey][]byte{}
			if len(w) > 3 {
				outputs[k] = []byte(w[3])
			}
			s.change(func(m *machine) {
				if err := m.mark(m.markable([]TaskKey{k}, State(w[1]), len(w) > 3), State(w[1]), outputs); err != nil {
					s.t.Fatal(err)
				}
			})
		case "run":
			s.change(func(m *machine) { m.markRun(RunState(w[1])) })
		default:
			s.t.Fatalf("no such step: %s", step)
		}
	}
}

func (s *sim) duration(text string) time.Duration {
	s.t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// Bodies for tests that look at the structure only.
func number(context.Context, Run[NoParams]) (int, error)    { return 0, nil }
func numbers(context.Context, Run[NoParams]) ([]int, error) { return nil, nil }
func same(_ context.Context, n int) (int, error)            { return n, nil }
func sum(context.Context, []int) (int, error)               { return 0, nil }
func drop(context.Context, int) error                       { return nil }
func look(context.Context, Result[int]) error               { return nil }
