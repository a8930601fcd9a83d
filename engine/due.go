package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// createBatch is about how many scheduled runs, of any number of DAGs, are made in one transaction.
	createBatch = 500
	// dueBatch is how many runs of one DAG are made at once.
	dueBatch = 100
)

// A dueDAG is a DAG with runs that are due; next is when another falls due after them.
type dueDAG struct {
	*appointment
	registered time.Time
	runs       []NewRun
	next       time.Time
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
	statuses := make(map[string]*DAGStatus, len(heads))
	for i := range heads {
		statuses[heads[i].ID] = &heads[i]
	}
	size := 0
	var due []dueDAG
	for i, p := range turn {
		if size >= createBatch {
			p.at = came[i]
			continue
		}
		s := statuses[p.def.Spec.DAG]
		if p.awake = s != nil && !s.Paused && s.Version == p.def.Version; !p.awake {
			continue
		}
		if tripped, err := r.tripped(ctx, p.def, s.UnpausedAt); err != nil {
			return err
		} else if tripped {
			p.awake = false
			continue
		}
		runs, next, err := dueRuns(p.def, s.RegisteredAt, s.LastScheduled, now)
		if err != nil { // of its own timetable: no other DAG waits for it
			r.log.Error("no scheduled runs: its timetable is wrong", "dag", p.def.Spec.DAG, "error", err)
			p.at = now.Add(lookAgain)
			continue
		}
		if len(runs) == 0 {
			p.at = next
			continue
		}
		due = append(due, dueDAG{p, s.RegisteredAt, runs, next})
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
		var err error
		if due, next, err = dueRuns(d.def, d.registered, due[len(due)-1].Logical, now); err != nil {
			return now, nil // makeTurn tells of it
		}
		if len(due) == 0 {
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

// tripped pauses a DAG of which too many scheduled runs in a row have failed since it was last unpaused; true when it did.
func (r *Runtime) tripped(ctx context.Context, d *Definition, unpaused *time.Time) (bool, error) {
	n := d.Spec.MaxFailedRuns
	if n == 0 {
		return false, nil
	}
	last, _, err := r.store.Runs(ctx, RunFilter{DAGs: []string{d.Spec.DAG}, Types: []RunType{ScheduledRun}, States: []RunState{RunSuccess, RunFailed}, Limit: n, OrderBy: "-logical"})
	if err != nil || len(last) < n || slices.ContainsFunc(last, func(row RunRow) bool {
		return row.State != RunFailed || unpaused != nil && row.EndedAt != nil && !row.EndedAt.After(*unpaused)
	}) {
		return false, err
	}
	r.log.Error("paused: its last scheduled runs have all failed", "dag", d.Spec.DAG, "runs", n)
	return true, r.store.SetPaused(ctx, d.Spec.DAG, true)
}

// dueRuns lists the runs of a DAG that are due after the last one, at most dueBatch, and tells when to look for the next: when it falls due,
// and after lookAgain at the latest. The error is a [*TimetableError].
func dueRuns(d *Definition, registered time.Time, last *time.Time, now time.Time) (out []NewRun, next time.Time, err error) {
	line := d.Timeline(registered)
	for len(out) < dueBatch {
		iv, ok, err := line.Next(last, now)
		if err != nil && len(out) > 0 {
			return out, now, nil // those before it are made; the next look finds it again
		}
		if err != nil {
			return nil, now.Add(lookAgain), err
		}
		if !ok || iv.End.After(now) {
			if next = now.Add(lookAgain); ok && iv.End.Before(next) {
				next = iv.End
			}
			return out, next, nil
		}
		start, end := iv.Start.UTC(), iv.End.UTC()
		out = append(out, NewRun{
			DAG: d.Spec.DAG, RunID: runID(ScheduledRun, start), Type: ScheduledRun, Logical: &start, Start: &start, End: &end,
			Params: d.noParams, Version: d.Version, TriggeredBy: "schedule", Deadline: time.Duration(d.Spec.Deadline), Hold: d.hold(iv),
		})
		last = &start
	}
	return out, now, nil
}
