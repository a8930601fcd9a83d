package engine

import (
	"context"
	"fmt"
	"time"
)

// A TaskView is a task instance as people see it: put together from the run's states, the queue and the history.
type TaskView struct {
	TaskKey
	DAG, RunID  string
	Group       string
	Runner      string // of a virtual node: the task that reports it; "" otherwise
	State       State
	Try         int // latest try, 0: none yet
	MaxTries    int // how many tries there can be as it stands: those so far, and what remains; a clear gives the retries anew
	QueuedAt    *time.Time
	StartedAt   *time.Time
	EndedAt     *time.Time
	Worker      string
	Queue       string
	Priority    int
	Body        string
	Error       string // of the latest attempt, or why it was decided
	RetryAt     *time.Time
	Name        string // of the element that a mapped instance works on; "" when it has none
	Note        string // by people
	Pool        string
	PoolSlots   int
	Question    *QuestionRow // open: who looks may answer
	Reason      string       // of an instance that is not terminal: why it does not run; "" when it runs on a worker that is heard of
	Message     string       // of a virtual node
	Details     []byte       // of a virtual node: JSON
	Upstream    []string
	Ended       Ending // how the latest attempt ended
	FailedTries int
}

// A RunView is a run with its task instances, in the order of the DAG.
type RunView struct {
	Run   RunRow
	Spec  Spec // of the version that the run is on
	Tasks []TaskView
}

// View reads runs with all their task instances. detail adds what is in the history (times, errors, workers); without it only
// states are set, which is enough for a grid and reads no history.
func View(ctx context.Context, s Store, runs []RunRow, detail bool) ([]RunView, error) {
	keys := make([]int64, len(runs))
	for i, r := range runs {
		keys[i] = r.Key
	}
	v := viewer{specs: map[[2]string]Spec{}, queue: map[TaskKey]QueueRow{}, timers: map[TaskKey]time.Time{}, attempts: map[TaskKey]Attempt{}, failures: map[TaskKey]int{}, virtual: map[TaskKey][]VirtualState{}, facts: newWhyFacts()}
	if err := v.read(ctx, s, runs, keys, detail); err != nil {
		return nil, err
	}
	out := make([]RunView, 0, len(runs))
	for _, r := range runs {
		spec, err := v.spec(ctx, s, r)
		if err != nil {
			return nil, err
		}
		if err := v.facts.readPast(ctx, s, r, spec.Catchup, func(row RunRow) (Spec, error) { return v.spec(ctx, s, row) }); err != nil {
			return nil, err
		}
		view, err := v.run(r, spec)
		if err != nil {
			return nil, err
		}
		out = append(out, view)
	}
	return out, nil
}

type viewer struct {
	specs    map[[2]string]Spec
	queue    map[TaskKey]QueueRow
	timers   map[TaskKey]time.Time
	attempts map[TaskKey]Attempt
	failures map[TaskKey]int
	virtual  map[TaskKey][]VirtualState
	names    map[TaskKey]string
	notes    map[TaskKey]string
	facts    whyFacts
	latest   map[string]string // DAG → version that processes have now
}

func (v *viewer) read(ctx context.Context, s Store, runs []RunRow, keys []int64, detail bool) error {
	queue, err := s.Queue(ctx, keys)
	if err != nil {
		return err
	}
	for _, q := range queue {
		v.queue[q.TaskKey] = q
	}
	virtuals, err := s.Virtuals(ctx, keys)
	if err != nil {
		return err
	}
	for _, n := range virtuals {
		v.virtual[n.Runner] = append(v.virtual[n.Runner], n.VirtualState)
	}
	statuses, err := s.DAGStatuses(ctx)
	if err != nil {
		return err
	}
	v.latest = map[string]string{}
	for _, d := range statuses {
		v.facts.dags[d.ID] = d
		v.latest[d.ID] = d.Version
		v.specs[[2]string{d.ID, d.Version}] = d.Spec
	}
	if v.names, err = s.ElementNames(ctx, keys); err != nil || !detail {
		return err
	}
	if v.notes, err = s.TaskNotes(ctx, keys); err != nil {
		return err
	}
	if err := v.facts.read(ctx, s, runs, v.queue); err != nil {
		return err
	}
	for k, due := range v.facts.timers {
		if k.kind == TimerRetry {
			v.timers[k.TaskKey] = due
		}
	}
	attempts, err := s.Attempts(ctx, keys, "")
	if err != nil {
		return err
	}
	for _, a := range attempts {
		if a.Ending == EndFailed || a.Ending == EndTimedOut || a.Ending == EndLost {
			v.failures[a.TaskKey]++
		}
		if old, ok := v.attempts[a.TaskKey]; !ok || !a.EndedAt.Before(old.EndedAt) {
			v.attempts[a.TaskKey] = a
		}
	}
	return nil
}

// spec is the definition that the run's states are aligned with; a run that has not started has the newest.
func (v *viewer) spec(ctx context.Context, s Store, r RunRow) (Spec, error) {
	version := r.Version
	if len(r.States) == 0 {
		version = v.latest[r.DAG]
	}
	if spec, ok := v.specs[[2]string{r.DAG, version}]; ok {
		return spec, nil
	}
	spec, err := s.Spec(ctx, r.DAG, version)
	if err != nil {
		return Spec{}, fmt.Errorf("read version %s of DAG %s: %w", version, r.DAG, err)
	}
	v.specs[[2]string{r.DAG, version}] = spec
	return spec, nil
}

func (v *viewer) run(r RunRow, spec Spec) (RunView, error) {
	out := RunView{Run: r, Spec: spec}
	states := RunStates{}
	if len(r.States) > 0 {
		var err error
		if states, err = DecodeRunStates(r.States); err != nil {
			return out, fmt.Errorf("run %s of %s: %w", r.RunID, r.DAG, err)
		}
	}
	summaries := map[string]State{}
	for i, t := range spec.Tasks {
		st := TaskStates{Length: -1, Instances: []Instance{{State: None}}}
		if i < len(states.Tasks) {
			st = states.Tasks[i]
		}
		for j, in := range st.Instances {
			tv := v.instance(r, t, in, st.mapIndex(j))
			tv.Reason = v.facts.reason(r, spec, t, tv, summaries)
			if j == 0 {
				summaries[t.ID] = st.summary()
			}
			if tv.State == Running { // the queue knows
				summaries[t.ID] = Running
			}
			out.Tasks = append(out.Tasks, tv)
			out.Tasks = append(out.Tasks, v.nodes(r, t, tv)...)
		}
	}
	return out, nil
}

func (v *viewer) instance(r RunRow, t TaskSpec, in Instance, mapIndex int) TaskView {
	key := TaskKey{r.Key, t.ID, mapIndex}
	tv := TaskView{TaskKey: key, DAG: r.DAG, RunID: r.RunID, Group: t.Group, State: in.State, Try: in.Try, MaxTries: maxTries(in, t.Retry.Max), Queue: t.Queue, Priority: t.Priority, Body: t.Body, FailedTries: v.failures[key], Name: v.names[key], Note: v.notes[key], Pool: t.Pool, PoolSlots: t.PoolSlots}
	for _, u := range t.Upstream {
		tv.Upstream = append(tv.Upstream, u.Task)
	}
	if a, ok := v.attempts[key]; ok {
		tv.QueuedAt, tv.StartedAt, tv.Worker, tv.Error, tv.Ended = a.QueuedAt, a.StartedAt, a.Worker, a.Error, a.Ending
		if in.State.Terminal() || in.State == UpForRetry {
			ended := a.EndedAt
			tv.EndedAt = &ended
		}
	}
	if q, ok := v.queue[key]; ok {
		at := q.QueuedAt
		tv.QueuedAt, tv.StartedAt, tv.EndedAt, tv.Error, tv.Ended, tv.Worker = &at, q.LeasedAt, nil, "", "", q.Worker
		if q.Leased && in.State == Queued {
			tv.State = Running
		}
	} else if in.State == None {
		tv.QueuedAt, tv.StartedAt, tv.EndedAt, tv.Error = nil, nil, nil, ""
	}
	if due, ok := v.timers[key]; ok {
		tv.RetryAt = &due
	}
	if q, ok := v.facts.questions[key]; ok && !q.Closed {
		tv.Question = &q
	}
	return tv
}

// maxTries is how many tries an instance can come to. Only failures since the last clear count against its retries, and not the try that is on
// its way, or that ended otherwise.
func maxTries(in Instance, retries int) int {
	left := retries + 1 - in.Failures
	switch in.State {
	case None, UpForRetry, UpstreamFailed:
	case Failed: // by its tries, which are counted, or without one
		left = min(left, retries)
	default:
		left--
	}
	if in.Try == 0 {
		return retries + 1
	}
	return in.Try + max(left, 0)
}

// nodes are the virtual nodes of a runner: those reported, then those that are planned.
func (v *viewer) nodes(r RunRow, t TaskSpec, runner TaskView) []TaskView {
	if !t.HasVirtual {
		return nil
	}
	var out []TaskView
	seen := map[string]bool{}
	node := func(n VirtualState) TaskView {
		tv := runner
		tv.Task, tv.Runner, tv.State, tv.StartedAt, tv.EndedAt = n.ID, t.ID, n.State, n.StartedAt, n.EndedAt
		tv.Message, tv.Details, tv.Upstream, tv.Error, tv.Reason, tv.RetryAt, tv.Ended = n.Message, n.Details, n.Upstream, "", "", nil, ""
		tv.Body, tv.Note, tv.Question = "", "", nil // those are the runner's
		if n.State == Failed || n.State == UpstreamFailed {
			tv.Error = n.Message
		}
		if n.Try > 0 {
			tv.Try = n.Try
		}
		if !n.State.Terminal() && n.State != Running {
			tv.Reason = "part of " + t.ID + ", which is " + string(runner.State)
		}
		return tv
	}
	for _, n := range v.virtual[runner.TaskKey] {
		seen[n.ID] = true
		out = append(out, node(n))
	}
	planned := None
	if runner.State.Terminal() && runner.State != Success {
		planned = runner.State
	}
	for _, p := range t.Virtual {
		if !seen[p.ID] && runner.State != Success {
			out = append(out, node(VirtualState{ID: p.ID, State: planned, Upstream: p.Upstream}))
		}
	}
	return out
}
