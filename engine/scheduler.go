package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// startBatch bounds how many runs are started, and timerBatch how many timers fire, in one transaction.
	startBatch = 100
	timerBatch = 200
	// createBatch is about how many scheduled runs, of any number of DAGs, are made in one transaction.
	createBatch = 500
	// sweepEvery is how often runs that nothing will move are looked for; see Idle. What it repairs is counted.
	sweepEvery = 10 * time.Second
)

// schedule makes scheduled runs, starts queued ones and fires timers, until ctx ends. Any number of processes do so at once: the
// store lets one run exist per logical date and holds the limits.
func (r *Runtime) schedule(ctx context.Context) {
	var swept time.Time
	timer := r.clock.NewTimer(0, "schedule")
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.tick:
		}
		more := false
		for _, step := range []struct {
			what string
			do   func(context.Context) (bool, error)
		}{
			{"make scheduled runs", r.makeScheduled},
			{"make runs triggered by assets", r.makeTriggered},
			{"release held runs", r.releaseHeld},
			{"start queued runs", r.startQueued},
			{"fire timers", r.fireTimers},
			{"end waits", r.endWaits},
			{"finish backfills", r.finishBackfills},
		} {
			again, err := step.do(ctx)
			if err != nil {
				r.warn(ctx, step.what, err)
			}
			more = more || again
		}
		if now := r.clock.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			if err := r.sweep(ctx); err != nil {
				r.warn(ctx, "sweep idle runs", err)
			}
		}
		if more {
			r.stirSchedule()
		}
		timer.Reset(r.untilNext(ctx), "schedule")
	}
}

// untilNext is how long the scheduler may rest: the poll, or less when a timer falls due before.
func (r *Runtime) untilNext(ctx context.Context) time.Duration {
	due, err := r.store.NextTimer(ctx, r.scopes())
	if err != nil || due.IsZero() {
		return r.cfg.Poll
	}
	now, err := r.store.Now(ctx)
	if err != nil {
		return r.cfg.Poll
	}
	return min(max(due.Sub(now), time.Millisecond), r.cfg.Poll)
}

// A dueDAG is a DAG with runs that are due.
type dueDAG struct {
	def    *Definition
	status DAGStatus
	runs   []NewRun
}

// makeScheduled makes the runs that are due by their DAG's schedule, those of many DAGs in one transaction.
func (r *Runtime) makeScheduled(ctx context.Context) (bool, error) {
	statuses, err := r.statuses(ctx)
	if err != nil {
		return false, err
	}
	now, err := r.store.Now(ctx)
	if err != nil {
		return false, err
	}
	more, size := false, 0
	var due []dueDAG
	flush := func() error {
		again, err := r.makeAll(ctx, due, now)
		more, due, size = more || again, nil, 0
		return err
	}
	for _, id := range r.catalog.ids {
		d, s := r.catalog.defs[id], statuses[id]
		if s.ID == "" || s.Paused || d.timetable == nil || !r.schedules(d, s) {
			continue
		}
		if tripped, err := r.tripped(ctx, d, s); err != nil || tripped {
			if err != nil {
				return false, err
			}
			continue
		}
		runs := dueRuns(d, s.RegisteredAt, s.LastScheduled, now)
		if len(runs) == 0 {
			continue
		}
		due = append(due, dueDAG{d, s, runs})
		if size += len(runs); size >= createBatch {
			if err := flush(); err != nil {
				return false, err
			}
		}
	}
	return more, flush()
}

// makeAll makes the due runs of several DAGs; more tells whether one of them may have others.
func (r *Runtime) makeAll(ctx context.Context, due []dueDAG, now time.Time) (more bool, err error) {
	if len(due) == 0 {
		return false, nil
	}
	var all []NewRun
	for _, d := range due {
		all = append(all, d.runs...)
	}
	created, err := r.store.CreateRuns(ctx, all)
	if err != nil {
		if len(due) == 1 {
			return false, fmt.Errorf("DAG %s: %w", due[0].def.Spec.DAG, err)
		}
		for _, d := range due { // what is wrong with one must not hold up the others
			again, derr := r.makeAll(ctx, []dueDAG{d}, now)
			more, err = more || again, errors.Join(err, derr)
		}
		return more, err
	}
	for _, d := range due {
		answers := created[:len(d.runs)]
		created = created[len(d.runs):]
		again := len(d.runs) == startBatch
		if !slices.ContainsFunc(answers, func(c Created) bool { return !c.Exists }) {
			if again, err = r.makeDue(ctx, d.def, d.status, d.runs[len(d.runs)-1].Logical, now); err != nil {
				return false, err
			}
		}
		more = more || again
	}
	return more, nil
}

// makeDue makes the next startBatch runs of a DAG that are due after a date; more tells whether there may be others. Dates that have a run
// of another type already (a backfill's, a manual one) are passed by.
func (r *Runtime) makeDue(ctx context.Context, d *Definition, s DAGStatus, last *time.Time, now time.Time) (more bool, err error) {
	for {
		due := dueRuns(d, s.RegisteredAt, last, now)
		if len(due) == 0 {
			return false, nil
		}
		created, err := r.store.CreateRuns(ctx, due)
		if err != nil {
			return false, err
		}
		for _, c := range created {
			if !c.Exists {
				return len(due) == startBatch, nil
			}
		}
		last = due[len(due)-1].Logical
	}
}

// statuses are how the DAGs stand, by id.
func (r *Runtime) statuses(ctx context.Context) (map[string]DAGStatus, error) {
	all, err := r.store.DAGHeads(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]DAGStatus, len(all))
	for _, s := range all {
		out[s.ID] = s
	}
	return out, nil
}

// schedules tells whether this process schedules a DAG: one of another version than the latest start's leaves it alone, since two of
// different crons must not both schedule it.
func (r *Runtime) schedules(d *Definition, s DAGStatus) bool { return s.Version == d.Version }

// refresh finds out for which DAGs this process has the current version. The others it leaves alone: it starts and claims nothing of
// them, and only ends what it has begun.
func (r *Runtime) refresh(ctx context.Context) error {
	statuses, err := r.statuses(ctx)
	if err != nil {
		return err
	}
	current := make([]string, 0, len(r.catalog.ids))
	for _, id := range r.catalog.ids {
		if s, ok := statuses[id]; ok && r.schedules(r.catalog.defs[id], s) {
			current = append(current, id)
		}
	}
	if old := r.current.Load(); old == nil || len(*old) != len(current) {
		if n := len(r.catalog.ids) - len(current); n > 0 {
			r.log.Info("DAGs that a newer process has taken over are left to it", "dags", n)
		}
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

// dueRuns lists the runs of a DAG that are due after the last one, at most startBatch.
func dueRuns(d *Definition, registered time.Time, last *time.Time, now time.Time) []NewRun {
	line := d.Timeline(registered)
	var out []NewRun
	for len(out) < startBatch {
		iv, ok := line.Next(last, now)
		if !ok || iv.End.After(now) {
			break
		}
		start, end := iv.Start.UTC(), iv.End.UTC()
		out = append(out, NewRun{
			DAG: d.Spec.DAG, RunID: runID(ScheduledRun, start), Type: ScheduledRun, Logical: &start, Start: &start, End: &end,
			Params: d.noParams, Version: d.Version, TriggeredBy: "schedule", Deadline: time.Duration(d.Spec.Deadline), Hold: d.hold(iv),
		})
		last = &start
	}
	return out
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

// startQueued starts queued runs as far as their limits allow.
func (r *Runtime) startQueued(ctx context.Context) (bool, error) {
	n := 0
	err := r.versions.retry(ctx, func() (err error) {
		n, err = r.store.StartRuns(ctx, r.dags(), startBatch, r.decisionOf((*machine).starts, func(m *machine, _ RunRow, _ Found) bool {
			m.start()
			return true
		}))
		return err
	})
	if n > 0 {
		r.stirDispatch()
		if r.cfg.Wake != nil {
			r.cfg.Wake()
		}
	}
	return n == startBatch, err
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
	idle, err := r.store.Idle(ctx, r.dags(), startBatch)
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
