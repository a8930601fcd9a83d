package engine

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"time"
)

// waitBatch bounds how many waits are looked at in one query.
const waitBatch = 500

func keysOf[K comparable, V any](m map[K]V) iter.Seq[K] { return maps.Keys(m) }

// endWaits looks at what task instances wait for outside their runs, and lets those go on for which it has come.
func (r *Runtime) endWaits(ctx context.Context) (bool, error) {
	if err := r.endRunWaits(ctx); err != nil {
		return false, err
	}
	return false, r.endPastWaits(ctx)
}

// endRunWaits ends the waits for runs that are over.
func (r *Runtime) endRunWaits(ctx context.Context) error {
	for after := (TaskKey{}); ; {
		due, err := r.store.Waits(ctx, r.scopes(), WaitRun, after, waitBatch)
		if err != nil || len(due) == 0 {
			return err
		}
		if err := r.resume(ctx, due, endOfTarget); err != nil {
			return err
		}
		if len(due) < waitBatch {
			return nil
		}
		after = due[len(due)-1].TaskKey
	}
}

// endPastWaits ends the waits of instances whose past has become good. What is judged of the run before is asked once for each run.
func (r *Runtime) endPastWaits(ctx context.Context) error {
	pasts := map[int64]*past{}
	for after := (TaskKey{}); ; {
		held, err := r.store.Waits(ctx, r.scopes(), WaitPast, after, waitBatch)
		if err != nil || len(held) == 0 {
			return err
		}
		var good []DueWait
		for _, w := range held {
			p, ok := pasts[w.Run]
			if !ok {
				if p, err = r.readPast(ctx, w.DAG, w.Run); err != nil {
					return err
				}
				pasts[w.Run] = p
			}
			if p.good(w.Task, w.MapIndex) {
				good = append(good, w)
			}
		}
		if err := r.resume(ctx, good, func(DueWait) *AttemptEnd { return nil }); err != nil {
			return err
		}
		if len(held) < waitBatch {
			return nil
		}
		after = held[len(held)-1].TaskKey
	}
}

// resume ends waits, run by run.
func (r *Runtime) resume(ctx context.Context, due []DueWait, how func(DueWait) *AttemptEnd) error {
	byRun := map[int64][]int{}
	waits := make([]Wait, len(due))
	for i, w := range due {
		byRun[w.Run] = append(byRun[w.Run], i)
		waits[i] = w.Wait
	}
	if len(byRun) == 0 {
		return nil
	}
	err := r.versions.transition(ctx, Transition{Runs: sortedKeys(byRun), Waits: waits, Decide: r.decision(func(m *machine, row RunRow, found Found) bool {
		over := false
		for _, i := range byRun[row.Key] {
			if found.Wait[i] {
				m.waitOver(due[i].TaskKey, how(due[i]))
				over = true
			}
		}
		return over
	})})
	if err == nil {
		r.wakeAll()
	}
	return err
}

// A past is the run before another, as what depends on it sees it.
type past struct {
	none   bool // there is no run before: the first passes
	def    *Definition
	states map[string]*TaskStates
	runID  string
}

// runBefore finds the run before a run of a DAG: the latest of an earlier logical date, with catchup only among those that its schedule or
// a backfill made. nil: there is none.
func runBefore(ctx context.Context, s Store, r RunRow, catchup bool) (*RunRow, error) {
	if r.Logical == nil {
		return nil, nil
	}
	until := r.Logical.Add(-time.Microsecond)
	f := RunFilter{DAGs: []string{r.DAG}, LogicalTo: &until, Limit: 1, OrderBy: "-logical"}
	if catchup {
		f.Types = []RunType{ScheduledRun, BackfillRun}
	}
	found, _, err := s.Runs(ctx, f)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// readPast reads the run before a run, as what depends on it sees it.
func (r *Runtime) readPast(ctx context.Context, dag string, run int64) (*past, error) {
	d, ok := r.catalog.DAG(dag)
	if !ok {
		return nil, fmt.Errorf("DAG %q: %w", dag, ErrNotFound)
	}
	rows, err := r.store.RunsByKey(ctx, []int64{run})
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return &past{none: true}, nil
	}
	before, err := runBefore(ctx, r.store, rows[0], d.Spec.Catchup)
	if err != nil {
		return nil, err
	}
	if before == nil {
		return &past{none: true}, nil
	}
	p := &past{def: d, states: map[string]*TaskStates{}, runID: before.RunID}
	if len(before.States) == 0 {
		return p, nil // it has not begun
	}
	return p, r.versions.retry(ctx, func() error {
		v, err := r.versions.of(d, *before)
		if err != nil {
			return err
		}
		s, err := DecodeRunStates(before.States)
		if err != nil {
			return fmt.Errorf("run %s of %s: %w", before.RunID, dag, err)
		}
		for i, id := range v.tasks {
			if i < len(s.Tasks) {
				p.states[id] = &s.Tasks[i]
			}
		}
		return nil
	})
}

// good tells whether an instance's past is success or skipped, and with WaitForDownstream that of the tasks that follow it, too. A task
// that the run before did not have passes.
func (p *past) good(task string, mapIndex int) bool {
	if p.none {
		return true
	}
	t, ok := p.def.byID[task]
	if !ok || !t.spec.DependsOnPast {
		return true // it no longer does, or is no more
	}
	if !p.passed(t, mapIndex) {
		return false
	}
	if !t.spec.WaitForDownstream {
		return true
	}
	for _, i := range t.down {
		if !p.passed(p.def.tasks[i], -1) {
			return false
		}
	}
	return true
}

func (p *past) passed(t *Task, mapIndex int) bool {
	if len(p.states) == 0 {
		return false
	}
	st, ok := p.states[t.spec.ID]
	if !ok {
		return true
	}
	if in := st.instance(mapIndex); in != nil && mapIndex >= 0 {
		return in.State == Success || in.State == Skipped
	}
	for _, in := range st.Instances {
		if in.State != Success && in.State != Skipped && in.State != Removed {
			return false
		}
	}
	return true
}
