package engine

import (
	"context"
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

// decision is the Decide of this process that does something to each run, and settles it. do tells whether there is anything to store. Runs
// of DAGs that have moved on from this process's version are left alone.
func (r *Runtime) decision(do func(m *machine, row RunRow, found Found) bool) Decide {
	return r.decisionOf((*machine).mine, do)
}

// decisionOf is decision for the runs that may be decided.
func (r *Runtime) decisionOf(may func(*machine) bool, do func(m *machine, row RunRow, found Found) bool) Decide {
	return func(now time.Time, rows []RunRow, found Found) ([]RunChange, error) {
		changes := make([]RunChange, 0, len(rows))
		room := rooms.Get().(*scratch)
		defer rooms.Put(room)
		for _, row := range rows {
			m, err := r.machineIn(room, now, row, r.actor())
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
