package engine_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// chaos is the first part of a simulation.
func (w *world) chaos(steps int) {
	for range 1 + w.rnd.IntN(3) {
		w.launch()
	}
	for _, pool := range pools {
		if w.chance(0.8) {
			w.store.quiet++
			must(w.store.SetPool(w.eyes.ctx, engine.Pool{Name: pool, Slots: 1 + w.rnd.IntN(3)}))
			w.store.quiet--
		}
	}
	w.store.quiet++
	must(w.store.RegisterReceiver(w.eyes.ctx, receiver, "http://ops"))
	w.store.quiet--
	for range steps {
		w.step()
		w.looked()
		if w.wrong != nil {
			return
		}
	}
}

// looked is what holds between any two steps.
func (w *world) looked() {
	w.eyes.pasts()
	for _, p := range w.procs {
		if n := p.r.Repairs(); n != 0 {
			w.violated("p%d had to push %d runs on", p.id, n)
		}
		if n := p.r.SlotsTaken(); n < 0 {
			w.violated("p%d has %d slots taken", p.id, n)
		}
	}
}

// end is the second part: nothing goes wrong any more, everybody is there, and all that is not held by somebody outside comes to its end.
func (w *world) end() {
	w.calm = true
	w.say("---- calm")
	for _, p := range w.procs {
		p.frozen = time.Time{}
	}
	for range 2 {
		w.launch().worker = false
	}
	w.rest()
	if w.wrong != nil {
		return
	}
	w.reasons(false)
	w.say("---- all is granted")
	w.grant()
	w.rest()
	for n := 0; w.wrong == nil && w.answers(); n++ { // an answer may lead to the next question
		if w.rest(); n > 1000 {
			w.violated("questions come without end")
		}
	}
	if w.wrong == nil {
		w.reasons(true)
		w.books()
	}
}

// round gives every process all its turns, and all threads theirs, until none can go on.
func (w *world) round() {
	w.turn++
	for i := 0; i < len(w.procs); i++ {
		p := w.procs[i]
		if p.dead || !p.joined {
			continue
		}
		for _, what := range turnsOf {
			w.take(p, what)
			w.flow()
		}
	}
	w.looked()
}

// flow lets threads go on until none can.
func (w *world) flow() {
	for n := 0; w.wrong == nil; n++ {
		i, ok := w.pick()
		if !ok {
			return
		}
		w.resume(i)
		if n > 100000 {
			w.violated("threads go on without end")
		}
	}
}

// rest goes on until nothing changes any more, whatever time passes.
func (w *world) rest() {
	quiet := 0
	for rounds := 0; quiet < 4 && w.wrong == nil; rounds++ {
		if rounds > 5000 {
			w.violated("the world does not come to rest")
			return
		}
		commits := w.eyes.commits
		w.round()
		if w.eyes.commits != commits {
			quiet = 0
			w.pass(time.Second)
			continue
		}
		if next, ok := w.next(); ok {
			quiet = 0
			w.pass(max(next.Sub(w.now), 100*time.Millisecond))
			continue
		}
		// Nothing is due. What is left are messages that are hidden, dead workers, and leases that nobody knows.
		quiet++
		for range 8 {
			w.pass(3 * time.Second)
			w.flow()
			for _, p := range w.alive() {
				w.take(p, "beat")
				w.flow()
				w.take(p, "reap")
				w.flow()
			}
		}
		w.now = w.now.Add(time.Minute)
	}
}

// next is when something falls due.
func (w *world) next() (time.Time, bool) {
	var next time.Time
	sooner := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	w.store.quiet++
	defer func() { w.store.quiet-- }()
	at, err := w.store.NextTimer(w.eyes.ctx, w.dags.ids)
	must(err)
	sooner(at)
	for _, t := range w.threads {
		if t.wake.After(w.now) {
			sooner(t.wake)
		}
	}
	for _, id := range w.dags.ids {
		if until := w.dags.byID[id].until; until.After(w.now) {
			sooner(w.now.Truncate(5 * time.Minute).Add(5 * time.Minute))
		}
	}
	held, err := w.store.HeldRuns(w.eyes.ctx, w.dags.ids, 1000)
	must(err)
	for _, h := range held {
		if h.Hold.Limit != nil && h.Hold.Limit.After(w.now) {
			sooner(*h.Hold.Limit)
		}
	}
	return next, !next.IsZero()
}

// grant gives what is waited for: answers, slots, a stream that is far enough, and no DAG is paused.
func (w *world) grant() {
	c := w.alive()[0]
	w.setMark(2)
	for _, name := range pools {
		w.asks(c, "gives pools slots", func() error { return c.r.Control().SetPool(c.ctx, engine.Pool{Name: name, Slots: 10}, "test") })
	}
	for _, id := range w.dags.ids {
		w.asks(c, "unpauses "+id, func() error { return c.r.Control().SetPaused(c.ctx, id, false, "test") })
	}
	w.store.quiet++
	open, _, err := w.store.Backfills(w.eyes.ctx, engine.BackfillFilter{Open: true, Limit: 1000})
	must(err)
	w.store.quiet--
	for _, b := range open {
		w.asks(c, fmt.Sprint("resumes backfill ", b.ID), func() error { return c.r.Control().PauseBackfill(c.ctx, b.ID, false, "test") })
	}
	w.flow()
}

// answers answers all open questions; false when there is none.
func (w *world) answers() bool {
	w.store.quiet++
	asked, err := w.store.Questions(w.eyes.ctx, nil, 1000)
	must(err)
	w.store.quiet--
	c := w.alive()[0]
	for _, q := range asked {
		row := w.row(q.Run)
		w.asks(c, "answers "+name(q.TaskKey), func() error { return c.r.Control().Answer(c.ctx, q.TaskKey, row.DAG, row.RunID, "yes", "ann") })
	}
	w.flow()
	return len(asked) > 0
}

// reasons checks that each run that is not over is held by something outside, and says so. granted: by nothing but its past.
func (w *world) reasons(granted bool) {
	w.store.quiet++
	defer func() { w.store.quiet-- }()
	rows, _, err := w.store.Runs(w.eyes.ctx, engine.RunFilter{States: []engine.RunState{engine.RunQueued, engine.RunRunning}, Limit: 10000, OrderBy: "key"})
	must(err)
	if len(rows) == 0 {
		return
	}
	views, err := engine.View(w.eyes.ctx, w.store.Store, rows, true)
	must(err)
	stuck := map[string]bool{} // DAGs of which a run waits for its past
	if granted {
		for _, id := range w.dags.ids {
			stuck[id] = w.eyes.paused[id] && w.dags.byID[id].spec.MaxFailedRuns > 0 // too many runs of it have failed
		}
		for _, v := range views {
			for _, t := range v.Tasks {
				if t.State == engine.Scheduled {
					stuck[v.Run.DAG] = true
				}
			}
		}
		for range w.dags.ids { // who waits for such a run waits too
			for _, v := range views {
				for _, t := range v.Tasks {
					if spec := w.dags.byID[v.Run.DAG].task(t.Task); t.State == engine.Deferred && stuck[spec.Triggers] {
						stuck[v.Run.DAG] = true
					}
				}
			}
		}
	}
	for _, v := range views {
		held := v.Run.State == engine.RunQueued
		for _, t := range v.Tasks {
			if !t.State.Terminal() && t.Reason == "" {
				w.violated("run %d: %s is %s, at rest, and does not say why", v.Run.Key, name(t.TaskKey), t.State)
			}
			switch t.State {
			case engine.Queued, engine.AwaitingInput, engine.Deferred, engine.Scheduled:
				held = true
			case engine.Restarting, engine.UpForRetry, engine.UpForReschedule, engine.Running:
				w.violated("run %d: %s is %s, at rest: %s", v.Run.Key, name(t.TaskKey), t.State, t.Reason)
			}
			if t.Reason == "ready: the next claim takes it" || t.Reason == "the run is queued: a scheduler starts it next" || t.Reason == "its upstreams have ended: the next transition of the run decides it" {
				w.violated("run %d: %s is %s, at rest, and says %q", v.Run.Key, name(t.TaskKey), t.State, t.Reason)
			}
		}
		if !held || granted && !stuck[v.Run.DAG] {
			w.violated("run %d of %s is %s, at rest: %s", v.Run.Key, v.Run.DAG, v.Run.State, w.explain(v))
		}
	}
}

func (w *world) explain(v engine.RunView) string {
	out := ""
	for _, t := range v.Tasks {
		if !t.State.Terminal() {
			out += fmt.Sprintf("%s is %s (%s); ", name(t.TaskKey), t.State, t.Reason)
		}
	}
	return out
}

// books checks what must be so in the end: no message is left, no lease, no slot, no date without its run, no update without its.
func (w *world) books() {
	w.store.quiet++
	defer func() { w.store.quiet-- }()
	messages, err := w.store.Messages(w.eyes.ctx, 1<<20)
	must(err)
	for _, m := range messages {
		if m.State == "pending" {
			w.violated("message %d (%s) is left", m.ID, messageName(m))
		}
	}
	if n := len(w.eyes.leases); n > 0 {
		w.violated("%d leases are left", n)
	}
	for _, p := range w.procs {
		if !p.dead && p.r.SlotsTaken() != 0 {
			w.violated("p%d has %d slots taken, at rest", p.id, p.r.SlotsTaken())
		}
	}
	for _, id := range w.dags.ids {
		w.dates(id)
	}
	w.acts()
	backfills, _, err := w.store.Backfills(w.eyes.ctx, engine.BackfillFilter{Open: true, Limit: 1000})
	must(err)
	for _, b := range backfills {
		if c := b.Counts[engine.RunQueued] + b.Counts[engine.RunRunning]; c == 0 && !b.Paused {
			w.violated("backfill %d is open and has nothing to do", b.ID)
		}
	}
}

// acts checks that each run that a person has asked for has one entry in the audit log, and the others none.
func (w *world) acts() {
	runs, _, err := w.store.Runs(w.eyes.ctx, engine.RunFilter{})
	must(err)
	acts, _, err := w.store.Audit(w.eyes.ctx, engine.AuditFilter{Events: []string{engine.ActTriggerRun}})
	must(err)
	told := map[string]int{}
	for _, a := range acts {
		told[a.DAG+"/"+a.RunID+"/"+a.By]++
	}
	for _, r := range runs {
		want := 0
		if strings.HasPrefix(r.RunID, "manual") { // also where a backfill has taken it up since
			want = 1
		}
		if n := told[r.DAG+"/"+r.RunID+"/"+r.TriggeredBy]; n != want {
			w.violated("%d entries in the audit log tell that %s triggered run %s of %s", n, r.TriggeredBy, r.RunID, r.DAG)
		}
	}
}

// dates checks that a schedule with catchup has left out no date.
func (w *world) dates(id string) {
	d := w.dags.byID[id]
	if d.spec.Schedule == "" || !d.spec.Catchup || d.spec.MaxFailedRuns > 0 {
		return
	}
	rows, _, err := w.store.Runs(w.eyes.ctx, engine.RunFilter{DAGs: []string{id}, Limit: 10000, OrderBy: "logical"})
	must(err)
	have := map[time.Time]bool{}
	var anchor time.Time
	for _, r := range rows {
		if r.Logical != nil {
			have[r.Logical.UTC()] = true
		}
		if r.Type == engine.ScheduledRun || r.Logical != nil && anchor.IsZero() {
			anchor = r.Logical.UTC() // of any: where all dates were backfilled or triggered while it was paused, none is left to its schedule
		}
	}
	if anchor.IsZero() {
		w.violated("%s has no scheduled run", id)
		return
	}
	const every = 5 * time.Minute
	for !anchor.Add(-every).Before(*d.spec.StartDate) {
		anchor = anchor.Add(-every)
	}
	for anchor.Before(*d.spec.StartDate) { // a person may ask for any date
		anchor = anchor.Add(every)
	}
	for at := anchor; !at.After(*d.spec.EndDate) && at.Add(every).Before(w.now); at = at.Add(every) {
		if !have[at] {
			w.violated("%s has no run of %s", id, at.Format(time.RFC3339))
		}
	}
}

// unwind ends what is left of the threads.
func (w *world) unwind() {
	w.calm = true
	for _, p := range w.procs {
		p.dead = true
		p.kill()
	}
	for n := 0; len(w.threads) > 0; n++ {
		w.threads[0].ghost = false
		w.resume(0)
		if n > 1_000_000 {
			panic("threads of dead processes go on")
		}
	}
	for _, c := range w.idle {
		c.stop()
	}
}
