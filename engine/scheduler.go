package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// startBatch is how many queued runs are started at once at first, and startMost at most: the more there are, the more at once.
	// timerBatch bounds how many timers fire in one transaction.
	startBatch = 100
	startMost  = 1000
	timerBatch = 200
	// startTurns bounds how often runs are made and started, and passLimit for how long, before everything else gets its turn.
	startTurns = 8
	passLimit  = 500 * time.Millisecond
	// createBatch is about how many scheduled runs, of any number of DAGs, are made in one transaction.
	createBatch = 500
	// dueBatch is how many runs of one DAG are made at once.
	dueBatch = 100
	// sweepEvery is how often runs that nothing will move are looked for; see Idle. What it repairs is counted.
	sweepEvery = 10 * time.Second
	idleBatch  = 100
)

// schedule makes scheduled runs, starts queued ones and fires timers, until ctx ends. Any number of processes do so at once: the
// store lets one run exist per logical date and holds the limits.
func (r *Runtime) schedule(ctx context.Context) {
	var swept time.Time
	timer := r.clock.NewTimer(0, "schedule")
	defer timer.Stop()
	for {
		woken := false
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.tick:
			woken = true
		}
		rest := r.pass(ctx, woken)
		if now := r.clock.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			if err := r.sweep(ctx); err != nil {
				r.warn(ctx, "sweep idle runs", err)
			}
		}
		timer.Reset(rest, "schedule")
	}
}

// pass does once all that the scheduler does, and tells how long it may rest. Somebody who woke it waits most likely for a run to start.
func (r *Runtime) pass(ctx context.Context, woken bool) time.Duration {
	more, failed := false, false
	for i, step := range []struct {
		what string
		do   func(context.Context) (bool, error)
	}{
		{"start queued runs", r.startQueued},
		{"make scheduled runs", r.makeAndStart},
		{"make runs triggered by assets", r.makeTriggered},
		{"release held runs", r.releaseHeld},
		{"start queued runs", r.startQueued},
		{"fire timers", r.fireTimers},
		{"end waits", r.endWaits},
		{"finish backfills", r.finishBackfills},
	} {
		if i == 0 && !woken {
			continue
		}
		again, err := step.do(ctx)
		if err != nil {
			r.warn(ctx, step.what, err)
			failed = true
		}
		more = more || again
	}
	if more {
		r.stirSchedule()
	}
	if failed {
		return r.cfg.Poll
	}
	return r.untilNext(ctx)
}

// untilNext is how long the scheduler may rest: the poll, or less when a timer or a run falls due before.
func (r *Runtime) untilNext(ctx context.Context) time.Duration {
	rest := max(r.agenda.rest(r.clock.Now(), r.cfg.Poll), time.Millisecond)
	due, err := r.store.NextTimer(ctx, r.scopes())
	if err != nil || due.IsZero() {
		return rest
	}
	now, err := r.store.Now(ctx)
	if err != nil {
		return rest
	}
	return min(max(due.Sub(now), time.Millisecond), rest)
}

// A dueDAG is a DAG with runs that are due; next is when another falls due after them.
type dueDAG struct {
	*appointment
	status DAGStatus
	runs   []NewRun
	next   time.Time
}

// makeAndStart makes the runs that are due, and starts those of some DAGs before it makes those of others.
func (r *Runtime) makeAndStart(ctx context.Context) (more bool, err error) {
	began := r.clock.Now()
	for range startTurns {
		if more, err = r.makeScheduled(ctx); err != nil || !more || r.clock.Now().Sub(began) >= passLimit {
			break
		}
		if _, err = r.startQueued(ctx); err != nil {
			break
		}
	}
	return more, err
}

// makeScheduled makes runs that are due by their DAG's schedule, those of many DAGs in one transaction; more tells whether others are due.
func (r *Runtime) makeScheduled(ctx context.Context) (more bool, err error) {
	a := r.agenda
	if len(a.all) == 0 {
		return false, nil
	}
	if now := r.clock.Now(); a.roused.IsZero() || now.Sub(a.roused) >= r.cfg.Poll {
		standings, err := r.standings(ctx)
		if err != nil {
			return false, err
		}
		a.rouse(func(d *Definition) bool { s := standings[d.Spec.DAG]; return !s.Paused && s.Version == d.Version })
		a.roused = now
	}
	now, err := r.store.Now(ctx)
	if err != nil {
		return false, err
	}
	a.theirs, a.ours = now, r.clock.Now()
	turn := a.take(now, createBatch)
	if len(turn) == 0 {
		return false, nil
	}
	err = r.makeTurn(ctx, turn, now)
	a.put(turn)
	return err == nil && a.due(now), err
}

// makeTurn looks at some DAGs, makes what is due of them, and sets when they are to be looked at next.
func (r *Runtime) makeTurn(ctx context.Context, turn []*appointment, now time.Time) error {
	ids := make([]string, len(turn))
	came := make([]time.Time, len(turn))
	for i, p := range turn {
		ids[i], came[i] = p.def.Spec.DAG, p.at
		p.at = now.Add(r.cfg.Poll) // when what follows fails
	}
	heads, err := r.store.DAGHeads(ctx, ids...)
	if err != nil {
		return err
	}
	statuses := make(map[string]DAGStatus, len(heads))
	for _, s := range heads {
		statuses[s.ID] = s
	}
	size := 0
	var due []dueDAG
	for i, p := range turn {
		s := statuses[p.def.Spec.DAG]
		if size >= createBatch {
			p.at = came[i]
			continue
		}
		if p.awake = !s.Paused && s.Version == p.def.Version; !p.awake {
			continue
		}
		if tripped, err := r.tripped(ctx, p.def, s); err != nil {
			return err
		} else if tripped {
			p.awake = false
			continue
		}
		runs, next := dueRuns(p.def, s.RegisteredAt, s.LastScheduled, now)
		if len(runs) == 0 {
			p.at = next
			continue
		}
		due = append(due, dueDAG{p, s, runs, next})
		size += len(runs)
	}
	return r.makeAll(ctx, due, now)
}

// makeAll makes the due runs of several DAGs.
func (r *Runtime) makeAll(ctx context.Context, due []dueDAG, now time.Time) error {
	if len(due) == 0 {
		return nil
	}
	var all []NewRun
	for _, d := range due {
		all = append(all, d.runs...)
	}
	created, err := r.store.CreateRuns(ctx, all)
	if err != nil {
		if len(due) == 1 {
			return fmt.Errorf("DAG %s: %w", due[0].def.Spec.DAG, err)
		}
		for _, d := range due { // what is wrong with one must not hold up the others
			err = errors.Join(err, r.makeAll(ctx, []dueDAG{d}, now))
		}
		return err
	}
	for _, d := range due {
		answers := created[:len(d.runs)]
		created = created[len(d.runs):]
		if !slices.ContainsFunc(answers, func(c Created) bool { return !c.Exists }) {
			if d.next, err = r.makeDue(ctx, d, now); err != nil {
				return err
			}
		}
		d.at = d.next
	}
	return nil
}

// makeDue makes the next dueBatch runs of a DAG that are due after those that there are already: a backfill's, manual ones, or those of
// another process. It returns when to look for others.
func (r *Runtime) makeDue(ctx context.Context, d dueDAG, now time.Time) (time.Time, error) {
	for due := d.runs; ; {
		var next time.Time
		if due, next = dueRuns(d.def, d.status.RegisteredAt, due[len(due)-1].Logical, now); len(due) == 0 {
			return next, nil
		}
		created, err := r.store.CreateRuns(ctx, due)
		if err != nil {
			return next, err
		}
		if slices.ContainsFunc(created, func(c Created) bool { return !c.Exists }) {
			return next, nil
		}
	}
}

// standings are the versions that DAGs are on, and whether they are paused, by id.
func (r *Runtime) standings(ctx context.Context) (map[string]Standing, error) {
	all, err := r.store.Standings(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]Standing, len(all))
	for _, s := range all {
		out[s.ID] = s
	}
	return out, nil
}

// refresh finds out for which DAGs this process has the current version, that of the latest start. The others it leaves alone, since two of
// different crons must not both schedule one: it starts and claims nothing of them, and only ends what it has begun.
func (r *Runtime) refresh(ctx context.Context) error {
	standings, err := r.standings(ctx)
	if err != nil {
		return err
	}
	current := make([]string, 0, len(r.catalog.ids))
	for _, id := range r.catalog.ids {
		if s, ok := standings[id]; ok && s.Version == r.catalog.defs[id].Version {
			current = append(current, id)
		}
	}
	if old := r.current.Load(); old == nil || len(*old) != len(current) {
		if n := len(r.catalog.ids) - len(current); n > 0 {
			r.log.Info("DAGs that a newer process has taken over are left to it", "dags", n)
		}
	} else if slices.Equal(*old, current) {
		return nil // the same slice stays: see claimOffer
	}
	r.current.Store(&current)
	return nil
}

// dags are the DAGs of which this process has the current version, as of late.
func (r *Runtime) dags() []string {
	if ids := r.current.Load(); ids != nil {
		return *ids
	}
	return r.catalog.ids
}

// tripped pauses a DAG of which too many scheduled runs in a row have failed since it was last unpaused; true when it did.
func (r *Runtime) tripped(ctx context.Context, d *Definition, s DAGStatus) (bool, error) {
	n := d.Spec.MaxFailedRuns
	if n == 0 {
		return false, nil
	}
	last, _, err := r.store.Runs(ctx, RunFilter{DAGs: []string{d.Spec.DAG}, Types: []RunType{ScheduledRun}, States: []RunState{RunSuccess, RunFailed}, Limit: n, OrderBy: "-logical"})
	if err != nil || len(last) < n || slices.ContainsFunc(last, func(row RunRow) bool {
		return row.State != RunFailed || s.UnpausedAt != nil && row.EndedAt != nil && !row.EndedAt.After(*s.UnpausedAt)
	}) {
		return false, err
	}
	r.log.Error("paused: its last scheduled runs have all failed", "dag", d.Spec.DAG, "runs", n)
	return true, r.store.SetPaused(ctx, d.Spec.DAG, true)
}

// dueRuns lists the runs of a DAG that are due after the last one, at most dueBatch, and tells when to look for the next: when it falls due,
// and after lookAgain at the latest.
func dueRuns(d *Definition, registered time.Time, last *time.Time, now time.Time) (out []NewRun, next time.Time) {
	line := d.Timeline(registered)
	for len(out) < dueBatch {
		iv, ok := line.Next(last, now)
		if !ok || iv.End.After(now) {
			if next = now.Add(lookAgain); ok && iv.End.Before(next) {
				next = iv.End
			}
			return out, next
		}
		start, end := iv.Start.UTC(), iv.End.UTC()
		out = append(out, NewRun{
			DAG: d.Spec.DAG, RunID: runID(ScheduledRun, start), Type: ScheduledRun, Logical: &start, Start: &start, End: &end,
			Params: d.noParams, Version: d.Version, TriggeredBy: "schedule", Deadline: time.Duration(d.Spec.Deadline), Hold: d.hold(iv),
		})
		last = &start
	}
	return out, now
}

// decision is the Decide of this process that does something to each run, and settles it. do tells whether there is anything to store. Runs
// of DAGs that have moved on from this process's version are left alone.
func (r *Runtime) decision(do func(m *machine, row RunRow, found Found) bool) Decide {
	return r.decisionOf((*machine).mine, do)
}

// decisionOf is decision for the runs that may be decided.
func (r *Runtime) decisionOf(may func(*machine) bool, do func(m *machine, row RunRow, found Found) bool) Decide {
	return func(now time.Time, rows []RunRow, found Found) ([]RunChange, error) {
		changes := make([]RunChange, 0, len(rows))
		for _, row := range rows {
			m, err := r.machine(now, row, r.actor())
			if err != nil {
				return nil, err
			}
			if may(m) && do(m, row, found) {
				m.settle()
				changes = append(changes, m.result())
			}
		}
		return changes, nil
	}
}

// startQueued starts queued runs as far as their limits allow; more tells that it stopped before the end, to let others have their turn.
func (r *Runtime) startQueued(ctx context.Context) (more bool, err error) {
	began, most := r.clock.Now(), startBatch
	for range startTurns {
		n := 0
		err := r.versions.retry(ctx, func() error {
			k, err := r.store.StartRuns(ctx, r.dags(), most, r.decisionOf((*machine).starts, func(m *machine, _ RunRow, _ Found) bool {
				m.start()
				return true
			}))
			n += k
			return err
		})
		if n > 0 {
			r.stirDispatch()
			if r.cfg.Wake != nil {
				r.cfg.Wake()
			}
		}
		if err != nil || n < most {
			return false, err
		}
		if r.clock.Now().Sub(began) >= passLimit {
			break
		}
		most = min(2*most, startMost)
	}
	return true, nil
}

// fireTimers does what is due: retries, pokes, ends of grace and of patience, deadlines.
func (r *Runtime) fireTimers(ctx context.Context) (bool, error) {
	due, err := r.store.DueTimers(ctx, r.scopes(), timerBatch)
	if err != nil || len(due) == 0 {
		return false, err
	}
	byRun := map[int64][]int{}
	for i, t := range due {
		byRun[t.Run] = append(byRun[t.Run], i)
	}
	err = r.versions.transition(ctx, Transition{Runs: sortedKeys(byRun), Timers: due, Decide: r.decision(func(m *machine, row RunRow, found Found) bool {
		fired := false
		for _, i := range byRun[row.Key] {
			if found.Due[i] {
				m.timerFired(due[i])
				fired = true
			}
		}
		return fired
	})})
	if err == nil {
		r.wakeAll()
	}
	return len(due) == timerBatch, err
}

func (r *Runtime) finishBackfills(ctx context.Context) (bool, error) {
	_, err := r.store.FinishBackfills(ctx)
	return false, err
}

// sweep looks for runs that nothing will move and decides them anew. There are none as long as the engine is right; what it finds is
// counted and logged.
func (r *Runtime) sweep(ctx context.Context) error {
	idle, err := r.store.Idle(ctx, r.dags(), idleBatch)
	if err != nil || len(idle) == 0 {
		return err
	}
	repaired := map[int64]bool{}
	err = r.versions.transition(ctx, Transition{Runs: idle, Decide: r.decision(func(m *machine, row RunRow, _ Found) bool {
		if row.State != RunRunning {
			return false // it moved since
		}
		m.touchAll()
		m.settle()
		if repaired[row.Key] = len(m.change.Enqueue) > 0 || m.change.State != row.State; !repaired[row.Key] {
			delete(repaired, row.Key)
			return false
		}
		return true
	})})
	if err == nil && len(repaired) > 0 {
		r.repairs.Add(int64(len(repaired)))
		r.log.Error("runs stood still and were pushed on: please report this", "runs", len(repaired))
		r.wakeAll()
	}
	return err
}
