package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// A view is one change of one run, before and after, with all that is needed to say whether it may be.
type view struct {
	o      *observer
	c      *engine.RunChange
	a, was *account
	over   map[engine.TaskKey]engine.Lease // leases that it ended
	ended  map[engine.TaskKey]held         // and who held them
	leased map[engine.TaskKey]bool         // what was leased before
	cause  string
	user   bool // a person's word
	limit  bool // the run's timeout
	sent   []string
}

func (v *view) wrong(format string, args ...any) {
	v.o.w.violated("run %d of %s, by %s: "+format, append([]any{v.a.row.Key, v.a.row.DAG, v.cause}, args...)...)
}

func (v *view) check() {
	v.acts()
	v.history()
	for _, k := range v.a.keys() {
		old, there := v.was.at[k]
		if !there {
			old.State = engine.None
		}
		v.instance(k, old, v.a.at[k])
	}
	v.runEnds()
	v.leftovers()
	if v.a.row.State == engine.RunRunning {
		v.rules()
	}
}

// acts checks that what a person changes, and nothing else, is in the audit log, once.
func (v *view) acts() {
	n := len(v.c.Acts)
	switch changed := len(v.was.at) > 0 && v.a.diff(v.was) != ""; { // a run that has not started has nothing to clear
	case n > 1, n == 1 && !v.user:
		v.wrong("%d entries for the audit log", n)
	case n == 0 && v.user && changed:
		v.wrong("nothing for the audit log: %s", v.a.diff(v.was))
	}
}

// history checks the attempts that were written: each by who may write it, none twice; and what they make known.
func (v *view) history() {
	wrote := map[engine.TaskKey]int{}
	ends := map[engine.TaskKey]int{}
	for _, r := range v.c.Attempts {
		key := fmt.Sprint(r.TaskKey, r.Try)
		if r.Try > 0 {
			if v.a.tried[key] {
				v.wrong("try %d of %s is in history twice", r.Try, name(r.TaskKey))
			}
			v.a.tried[key] = true
			v.author(r)
		}
		if r.State.Terminal() {
			if ends[r.TaskKey]++; ends[r.TaskKey] > 1 {
				v.wrong("%s ends twice at once", name(r.TaskKey))
			}
			if now := v.a.at[r.TaskKey].State; now != r.State && r.State != engine.Removed && (now.Terminal() || !v.user) && v.exists(r.TaskKey) {
				v.wrong("%s ended %s and is %s", name(r.TaskKey), r.State, now)
			}
		}
		if _, held := v.over[r.TaskKey]; held && r.By == "" && !v.user {
			if wrote[r.TaskKey]++; wrote[r.TaskKey] > 1 && r.Try > 0 {
				v.wrong("one lease of %s ended two attempts", name(r.TaskKey))
			}
		}
		v.output(r)
		v.retries(r)
		v.tell(r)
	}
	for _, k := range v.a.keys() {
		old, now := v.was.at[k].State, v.a.at[k].State
		if now != old && now.Terminal() && ends[k] == 0 && now != engine.Removed {
			v.wrong("%s has become %s without a word in history", name(k), now)
		}
	}
}

func (v *view) exists(k engine.TaskKey) bool {
	_, ok := v.a.at[k]
	return ok
}

// author checks that who wrote an attempt was entitled to.
func (v *view) author(r engine.Attempt) {
	if v.user || v.limit {
		return
	}
	_, held := v.over[r.TaskKey]
	switch v.cause {
	case "timers", "waits", "held":
	case "reap":
		if !held {
			v.wrong("try %d of %s is ended as lost without its lease", r.Try, name(r.TaskKey))
		} else if w := v.ended[r.TaskKey].worker; v.o.workers[w] {
			v.wrong("try %d of %s is ended as lost while its worker %d lives", r.Try, name(r.TaskKey), w)
		}
	default:
		if !held {
			v.wrong("try %d of %s ends (%s) without its lease", r.Try, name(r.TaskKey), r.State)
		}
	}
}

// output checks that each output comes from the attempt that is said to have made it, and is there once.
func (v *view) output(r engine.Attempt) {
	if r.State != engine.Success || r.Ending != engine.EndSuccess {
		return
	}
	if r.Output != nil {
		v.a.output[r.TaskKey] = r.Output
	}
	n, ok := serialOf(r.Output)
	m, known := v.o.w.made[n]
	if !ok || !known || r.By != "" {
		return
	}
	if m.lease.TaskKey != r.TaskKey || v.over[r.TaskKey] != m.lease {
		v.wrong("try %d of %s yields %d, which was made under another lease (of %s)", r.Try, name(r.TaskKey), n, name(m.lease.TaskKey))
	}
	if at, twice := v.o.outputs[n]; twice {
		v.wrong("output %d of %s is stored twice: it is that of %s already", n, name(r.TaskKey), name(at.TaskKey))
	}
	v.o.outputs[n] = m.lease
}

// retries checks that a failure is retried as often as it may be, no more and no less.
func (v *view) retries(r engine.Attempt) {
	again := r.State == engine.UpForRetry || r.State == engine.Queued
	failure := r.Ending == engine.EndFailed || r.Ending == engine.EndTimedOut || r.Ending == engine.EndLost
	if _, held := v.over[r.TaskKey]; !failure || !held || r.By != "" || v.user {
		return
	}
	v.a.fails[r.TaskKey]++
	n, most := v.a.fails[r.TaskKey], v.o.w.dags.byID[v.a.row.DAG].task(r.Task).Retry.Max
	if again && n > most {
		v.wrong("%s is retried after failure %d of at most %d", name(r.TaskKey), n, most+1)
	}
	if again && strings.Contains(r.Error, "for good") {
		v.wrong("%s is retried although it said that it has failed for good", name(r.TaskKey))
	}
	plain := r.Ending == engine.EndLost || strings.Contains(r.Error, "boom") && !strings.Contains(r.Error, "for good")
	if !again && plain && n <= most {
		v.wrong("%s is given up after failure %d of at most %d", name(r.TaskKey), n, most+1)
	}
}

// tell notes what the outbox must have because of an attempt.
func (v *view) tell(r engine.Attempt) {
	call := func(hook string) {
		v.sent = append(v.sent, fmt.Sprintf("call %s/0 of %d %s", hook, r.Run, name(r.TaskKey)))
	}
	event := func(typ string) { v.sent = append(v.sent, fmt.Sprintf("event %s of %d %s", typ, r.Run, r.Task)) }
	switch {
	case r.State == engine.Success:
		call("on_success")
	case r.State == engine.Skipped:
		call("on_skipped")
	case r.State == engine.Failed:
		call("on_failure")
		event(engine.EventTaskFailed)
	case (r.State == engine.UpForRetry || r.State == engine.Queued) && (r.Ending == engine.EndFailed || r.Ending == engine.EndTimedOut || r.Ending == engine.EndLost):
		call("on_retry")
		event(engine.EventTaskRetry)
	}
}

// instance checks that an instance may go from old to now.
func (v *view) instance(k engine.TaskKey, old, now engine.Instance) {
	if v.user && (old.State != now.State || old.Try != now.Try) {
		v.a.fails[k] = 0 // cleared or marked
	}
	if now.Try < old.Try {
		v.wrong("try of %s falls from %d to %d", name(k), old.Try, now.Try)
	}
	if old.State == now.State && old.Try == now.Try {
		return
	}
	if v.user {
		return
	}
	if old.State.Terminal() {
		v.wrong("%s was %s and is %s: only a person may do that", name(k), old.State, now.State)
	}
	_, ended := v.over[k]
	if v.leased[k] && !ended && !v.limit && !(v.cause == "timers" && old.State == engine.Restarting) {
		v.wrong("%s goes from %s to %s while somebody else works on it", name(k), old.State, now.State)
	}
	if t := v.o.w.dags.byID[v.a.row.DAG].task(k.Task); old.State == engine.None && now.State == engine.Queued && t.DependsOnPast && v.a.row.Logical != nil && !v.a.row.IgnorePast {
		v.wrong("%s does not ask how its past stands", name(k))
	}
	if v.limit || ended || old.State == engine.None {
		return
	}
	by := map[engine.State]string{
		engine.UpForRetry: "timers", engine.UpForReschedule: "timers", engine.AwaitingInput: "timers", engine.Restarting: "timers",
		engine.Deferred: "waits timers", engine.Scheduled: "waits",
	}[old.State]
	if !strings.Contains(by, v.cause) {
		v.wrong("%s goes from %s to %s", name(k), old.State, now.State)
	}
	if v.cause == "timers" && !v.wasDue(k, old.State) {
		v.wrong("%s goes from %s to %s before its time", name(k), old.State, now.State)
	}
	if old.State == engine.Scheduled && now.State == engine.Queued && v.o.good[k] < v.o.w.on.began-1 {
		v.wrong("%s does not wait for its past", name(k))
	}
}

type timerKey struct {
	engine.TaskKey
	kind engine.TimerKind
}

// wasDue tells whether a timer was due that moves an instance out of a state.
func (v *view) wasDue(k engine.TaskKey, from engine.State) bool {
	kinds := map[engine.State][]engine.TimerKind{
		engine.UpForRetry: {engine.TimerRetry}, engine.UpForReschedule: {engine.TimerPoke, engine.TimerGiveUp}, engine.Deferred: {engine.TimerGiveUp},
		engine.AwaitingInput: {engine.TimerGiveUp}, engine.Restarting: {engine.TimerRestart},
	}[from]
	return slices.ContainsFunc(kinds, func(kind engine.TimerKind) bool {
		due, ok := v.was.timers[timerKey{k, kind}]
		return ok && !due.After(v.o.w.now)
	})
}

// runEnds checks how the run has gone on.
func (v *view) runEnds() {
	old, now := v.was.row.State, v.a.row.State
	states := &v.a.book.states
	if states.Doomed && !v.was.book.states.Doomed && !v.user && !v.limit {
		v.wrong("the run is doomed by nobody")
	}
	forced := v.user || v.limit || v.cause == "held"
	event := func(typ string) { v.sent = append(v.sent, fmt.Sprintf("event %s of %d ", typ, v.a.row.Key)) }
	call := func(hook string) { v.sent = append(v.sent, fmt.Sprintf("call %s/0 of %d ", hook, v.a.row.Key)) }
	if states.DeadlineFired && !v.was.book.states.DeadlineFired {
		call("on_deadline")
		event(engine.EventDeadlineMissed)
	}
	if v.was.book.states.DeadlineFired && !states.DeadlineFired {
		v.wrong("the run forgets that it has missed its deadline")
	}
	if old.Terminal() && now != old && !v.user {
		v.wrong("the run was %s and is %s: only a person may do that", old, now)
	}
	if !now.Terminal() {
		return
	}
	for _, k := range v.a.keys() {
		if s := v.a.at[k].State; !s.Terminal() {
			v.wrong("the run is %s and %s is %s", now, name(k), s)
		}
	}
	want, failed := v.a.book.verdict()
	if v.was.book.states.Doomed {
		want = engine.RunFailed
	}
	if !forced && want != now {
		v.wrong("the run is %s; its leaves say %s", now, want)
	}
	if failed != v.a.row.FailedTasks && !forced {
		v.wrong("the run says that %d tasks failed; %d did", v.a.row.FailedTasks, failed)
	}
	if now == old {
		return
	}
	if now == engine.RunFailed {
		call("on_failure")
		event(engine.EventRunFailed)
	} else {
		call("on_success")
		event(engine.EventRunSucceeded)
	}
}

// leftovers checks that queue, timers, waits and questions are what the states ask for: no less, and nothing that has outlived them.
func (v *view) leftovers() {
	var want, got []string
	need := func(what string, k engine.TaskKey) { want = append(want, what+" "+name(k)) }
	for _, k := range v.a.keys() {
		in := v.a.at[k]
		switch in.State {
		case engine.Queued:
			need("queue", k)
		case engine.Restarting:
			need("queue", k)
			need("timer restart", k)
		case engine.UpForRetry:
			need("timer retry", k)
		case engine.UpForReschedule:
			need("timer poke", k)
		case engine.Deferred, engine.Scheduled:
			need("wait", k)
		case engine.AwaitingInput:
			need("question", k)
		}
		if in.Poked && !in.Expired {
			need("timer give_up", k)
		}
	}
	runs := []int64{v.a.row.Key}
	queue, err := v.o.store.Queue(v.o.ctx, runs)
	must(err)
	for _, q := range queue {
		got = append(got, "queue "+name(q.TaskKey))
		if _, ok := v.o.leases[q.TaskKey]; ok != q.Leased {
			v.wrong("%s is leased in the store: %v; it is: %v", name(q.TaskKey), q.Leased, ok)
		}
		if in := v.a.at[q.TaskKey]; in.Try != q.Try {
			v.wrong("try %d of %s is queued; it is at %d", q.Try, name(q.TaskKey), in.Try)
		}
	}
	timers, err := v.o.store.Timers(v.o.ctx, runs)
	must(err)
	v.a.timers = map[timerKey]time.Time{}
	for _, t := range timers {
		v.a.timers[timerKey{t.TaskKey, t.Kind}] = t.DueAt
		switch {
		case t.Task != "":
			got = append(got, "timer "+string(t.Kind)+" "+name(t.TaskKey))
		case v.a.row.State.Terminal():
			v.wrong("timer %s outlives the run", t.Kind)
		case t.Kind == engine.TimerRunLimit && v.a.row.State == engine.RunQueued:
			v.wrong("the time of a run that is queued is running")
		}
	}
	waits, err := v.o.store.RunWaits(v.o.ctx, runs)
	must(err)
	for _, w := range waits {
		got = append(got, "wait "+name(w.TaskKey))
	}
	questions, err := v.o.store.Questions(v.o.ctx, runs, 1000)
	must(err)
	for _, q := range questions {
		if !q.Closed {
			got = append(got, "question "+name(q.TaskKey))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		v.wrong("there is %q, the states ask for %q", got, want)
	}
	if v.o.w.dags.byID[v.a.row.DAG].spec.RunTimeout > 0 && v.a.row.State == engine.RunRunning && !v.a.book.states.Doomed && !slices.ContainsFunc(timers, func(t engine.Timer) bool { return t.Kind == engine.TimerRunLimit }) {
		v.wrong("the run has a time limit that nobody looks at")
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
