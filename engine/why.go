package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// reason says why an instance that is not terminal does not run; "" when it runs on a worker that is heard of.
func (f *whyFacts) reason(r RunRow, spec Spec, t TaskSpec, tv TaskView, up map[string]State) string {
	switch tv.State {
	case None:
		if r.State == RunQueued {
			return f.queuedRun(r, spec)
		}
		return waitsFor(t, up)
	case Scheduled:
		if w, ok := f.waits[tv.TaskKey]; ok {
			return w.Reason + f.pasts[r.Key][t.ID]
		}
		return f.ready(r, spec, t, tv)
	case Queued:
		return f.ready(r, spec, t, tv)
	case UpForRetry:
		if tv.RetryAt != nil {
			return fmt.Sprintf("try %d failed: it is tried again at %s", tv.Try, stamp(*tv.RetryAt))
		}
		return "is tried again"
	case UpForReschedule:
		why := "was not ready when it looked"
		if at, ok := f.timers[timerOf{tv.TaskKey, TimerPoke}]; ok {
			why += ": looks again at " + stamp(at)
		}
		return why + f.givesUp(tv.TaskKey)
	case Deferred:
		if w, ok := f.waits[tv.TaskKey]; ok {
			return w.Reason + f.givesUp(tv.TaskKey)
		}
		return "waits for something outside its run" + f.givesUp(tv.TaskKey)
	case AwaitingInput:
		return f.question(tv.TaskKey)
	case Running:
		return f.unheard(tv)
	case Restarting:
		return "was cleared while it ran: starts anew when that attempt has ended"
	}
	return ""
}

// unheard says that the worker of a running instance is silent, or gone; "" when it is neither.
func (f *whyFacts) unheard(tv TaskView) string {
	if tv.Runner != "" { // a part of what runs says it itself
		return ""
	}
	if tv.Worker == "" {
		return "its worker was found dead: this try ends as lost next"
	}
	named := func(w WorkerRow) bool { return w.Name == tv.Worker }
	i := slices.IndexFunc(f.silent, named)
	if i < 0 || slices.ContainsFunc(f.workers, named) {
		return ""
	}
	next := "the others take it for dead, and this try ends as lost, unless it is heard of again"
	if len(f.workers) == 0 {
		next = "no process is alive that could end this try as lost: start one"
	}
	return fmt.Sprintf("its worker %s was heard of last at %s: %s", tv.Worker, stamp(f.silent[i].BeatAt), next)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (f *whyFacts) givesUp(k TaskKey) string {
	if at, ok := f.timers[timerOf{k, TimerGiveUp}]; ok {
		return "; gives up at " + stamp(at)
	}
	return ""
}

func (f *whyFacts) question(k TaskKey) string {
	q, ok := f.questions[k]
	if !ok {
		return "waits for a person's answer"
	}
	why := fmt.Sprintf("waits for a person's answer (%s) to: %s", strings.Join(q.Answers, ", "), q.Text)
	switch {
	case q.DueAt != nil && q.Default != "":
		why += fmt.Sprintf("; takes %q at %s", q.Default, stamp(*q.DueAt))
	case q.DueAt != nil:
		why += "; fails at " + stamp(*q.DueAt)
	}
	return why
}

// waitsFor names the upstreams that an instance waits for.
func waitsFor(t TaskSpec, up map[string]State) string {
	var open []string
	for _, u := range t.Upstream {
		s, ok := up[u.Task]
		if !ok || s.Terminal() {
			continue
		}
		if s == None {
			s = "waiting"
		}
		if text := u.Task + " (" + string(s) + ")"; !slices.Contains(open, text) {
			open = append(open, text)
		}
	}
	for _, id := range t.Setups {
		if s, ok := up[id]; ok && !s.Terminal() && !slices.ContainsFunc(t.Upstream, func(e EdgeSpec) bool { return e.Task == id }) {
			open = append(open, "its setup "+id+" ("+string(s)+")")
		}
	}
	if len(open) == 0 {
		return "its upstreams have ended: the next transition of the run decides it"
	}
	slices.Sort(open)
	why := "waits for " + strings.Join(open, ", ")
	if t.Rule != AllSuccess && t.Rule != "" {
		why += "; its trigger rule is " + string(t.Rule)
	}
	return why
}

// queuedRun says why a run has not started.
func (f *whyFacts) queuedRun(r RunRow, spec Spec) string {
	d := f.dags[r.DAG]
	b, backfill := f.backfills[r.Backfill]
	limit := d.MaxActiveRuns
	if backfill {
		limit = b.MaxActiveRuns
	}
	switch n := f.running[runGroupKey{r.DAG, r.Backfill}]; {
	case d.Paused:
		return "the DAG is paused"
	case r.Hold != nil:
		return HoldReason(*r.Hold, f.marks)
	case backfill && b.Paused:
		return fmt.Sprintf("backfill %d is paused", r.Backfill)
	case limit > 0 && n >= limit && backfill:
		return fmt.Sprintf("%d of at most %d runs of backfill %d are running", n, limit, r.Backfill)
	case limit > 0 && n >= limit:
		return fmt.Sprintf("%d of at most %d runs of the DAG are running", n, limit)
	}
	if why := f.noProcess(r, spec); why != "" {
		return why
	}
	return "the run is queued: a scheduler starts it next"
}

// needs is the version of its DAG that a process must have to take a run's tasks: that which it is pinned to, or the one in force.
func (f *whyFacts) needs(r RunRow, spec Spec) string {
	if spec.Pin && len(r.States) > 0 {
		return r.Version
	}
	return f.dags[r.DAG].Version
}

// noProcess says that no process has the DAG; "" when one has.
func (f *whyFacts) noProcess(r RunRow, spec Spec) string {
	if len(f.workers) == 0 {
		return "no worker process is alive" + f.lastHeard()
	}
	if !slices.ContainsFunc(f.workers, func(w WorkerRow) bool { return w.Has(spec.DAG, "") }) {
		return "no live process knows the DAG"
	}
	v := f.needs(r, spec)
	switch known := slices.ContainsFunc(f.workers, func(w WorkerRow) bool { return w.Has(spec.DAG, v) }); {
	case known:
	case v != f.dags[spec.DAG].Version:
		return fmt.Sprintf("the run is pinned to version %s of the DAG, which no live process has: start one that has it, or clear the run onto the version in force (run_on_latest_version)", v)
	default:
		return fmt.Sprintf("no live process has version %s of the DAG, which is in force; those that live have an older one: start one of the newest", v)
	}
	return ""
}

// ready says what keeps a ready instance from being claimed.
func (f *whyFacts) ready(r RunRow, spec Spec, t TaskSpec, tv TaskView) string {
	if f.dags[r.DAG].Paused {
		return "the DAG is paused"
	}
	if why := f.noProcess(r, spec); why != "" {
		return why
	}
	serve, slots, taken := 0, 0, 0
	for _, w := range f.workers {
		if w.Has(r.DAG, f.needs(r, spec)) && slices.Contains(w.Queues, t.Queue) {
			serve, slots, taken = serve+1, slots+w.Slots, taken+w.Leases
		}
	}
	if serve == 0 {
		return fmt.Sprintf("no live worker serves its queue %q", t.Queue)
	}
	if why := f.limited(r, spec, t); why != "" {
		return why
	}
	if why := f.pooled(t); why != "" {
		return why
	}
	if taken >= slots {
		return fmt.Sprintf("all %d slots of the workers that serve queue %q (%d of them) are taken", slots, t.Queue, serve)
	}
	return "ready: the next claim takes it"
}

// limited says which limit of the DAG or the task is reached.
func (f *whyFacts) limited(r RunRow, spec Spec, t TaskSpec) string {
	l := f.leases[r.DAG]
	if n := spec.MaxActiveTasks; n != Unlimited && n > 0 && l.total >= n {
		return fmt.Sprintf("%d of at most %d tasks of the DAG are running: %s", l.total, n, namesOf(l.rows))
	}
	if t.MaxActive > 0 {
		same := slices.DeleteFunc(slices.Clone(l.rows), func(q QueueRow) bool { return q.Task != t.ID })
		if len(same) >= t.MaxActive {
			return fmt.Sprintf("%d of at most %d instances of the task are running: %s", len(same), t.MaxActive, namesOf(same))
		}
	}
	return ""
}

// pooled says that the task's pool has no room for it.
func (f *whyFacts) pooled(t TaskSpec) string {
	if t.Pool == "" {
		return ""
	}
	p, ok := f.pools[t.Pool]
	switch {
	case !ok:
		return fmt.Sprintf("there is no pool %q: make it, with at least %d slots", t.Pool, t.PoolSlots)
	case t.PoolSlots > p.Slots:
		return fmt.Sprintf("it takes %d slots of pool %q, which has %d in all: enlarge the pool", t.PoolSlots, t.Pool, p.Slots)
	case p.Running+t.PoolSlots > p.Slots:
		return fmt.Sprintf("%d of the %d slots of pool %q are taken and it takes %d: %s", p.Running, p.Slots, t.Pool, t.PoolSlots, namesOf(f.inPool[t.Pool].rows))
	}
	return ""
}

// namesOf names the first of those who hold a limit.
func namesOf(rows []QueueRow) string {
	var names []string
	for i, q := range rows {
		if i == namedLeases {
			names = append(names, "…")
			break
		}
		name := q.Task
		if q.MapIndex >= 0 {
			name += fmt.Sprintf("[%d]", q.MapIndex)
		}
		names = append(names, fmt.Sprintf("%s of %s/%s", name, q.DAG, q.RunID))
	}
	return strings.Join(names, ", ")
}
