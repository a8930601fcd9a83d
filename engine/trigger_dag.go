package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// TriggerDAG makes a task that triggers a run of another DAG with params made from what a yields, and yields that run. With [AwaitRun] it
// waits for the run's end without a slot, and fails when the run does; without, it succeeds once the run is there. A retry finds the run
// that an earlier try made; after a clear there is a new one. Fields of the params that are zero and have a default get it. The target must
// be registered too.
func TriggerDAG[A, P any](a In[A], id string, target *DAG[P], params func(A) P, opts ...TaskOption) Node[Run[P]] {
	t := addTask(id, []Edge{a}, ValueEdge, opts)
	if target == nil {
		t.g.fail(t.where, "task %q: TriggerDAG without a DAG", id)
		return nodeOf[Run[P]](t)
	}
	t.spec.Triggers = target.g.spec.DAG
	t.describe(params)
	t.body = func(ctx context.Context, in *taskInputs) ([]byte, error) {
		av, err := a.value(in)
		if err != nil {
			return nil, err
		}
		raw, err := target.g.params.encode(params(av))
		if err != nil {
			return nil, Permanent(fmt.Errorf("encode the params for %s: %w", t.spec.Triggers, err))
		}
		row, err := triggerChild(ctx, t, raw)
		if err != nil {
			return nil, err
		}
		if t.spec.AwaitsRun && !row.State.Terminal() {
			return nil, &suspendError{Suspension{State: Deferred, Timeout: time.Duration(t.spec.WaitLimit), On: &Wait{
				Kind: WaitRun, DAG: row.DAG, RunID: row.RunID, Reason: fmt.Sprintf("waits for the end of run %s of %s", row.RunID, row.DAG),
			}}}
		}
		if t.spec.AwaitsRun && row.State == RunFailed {
			return nil, Permanent(fmt.Errorf("run %s of %s has failed", row.RunID, row.DAG))
		}
		p, _, err := decodeParams[P](target.g.params, row.Params)
		if err != nil {
			return nil, err
		}
		return encodeOutput(runOf(&row, p, target.g.zone()), nil)
	}
	return nodeOf[Run[P]](t)
}

// AwaitRun makes a [TriggerDAG] wait for the end of the run that it made, at most so long; 0 is for ever.
func AwaitRun(limit time.Duration) TaskOption {
	return taskOption(func(t *Task) {
		if limit < 0 {
			t.g.fail(t.where, "task %q: AwaitRun(%s): may not be below 0", t.spec.ID, limit)
		}
		t.spec.AwaitsRun, t.spec.WaitLimit = true, Duration(limit)
	})
}

// triggerChild makes the run that a task triggers, or finds the one that an earlier try of it made.
func triggerChild(ctx context.Context, t *Task, params []byte) (RunRow, error) {
	tc, ok := ctx.Value(taskContextKey{}).(*taskContext)
	if !ok || tc.control == nil {
		return RunRow{}, Permanent(fmt.Errorf("trigger %s: not in a task of a runtime", t.spec.Triggers))
	}
	done, err := tc.finished(ctx)
	if err != nil {
		return RunRow{}, err
	}
	id := fmt.Sprintf("triggered__%s__%s__%s", tc.info.DAG, tc.info.RunID, tc.info.Task)
	if tc.info.MapIndex >= 0 {
		id += "__" + strconv.Itoa(tc.info.MapIndex)
	}
	if done > 0 {
		id += "__again" + strconv.Itoa(done)
	}
	row, err := tc.control.trigger(ctx, TriggerRequest{DAG: t.spec.Triggers, RunID: shortID(id), Params: params, By: tc.info.DAG + "/" + tc.info.RunID + "/" + tc.info.Task}, false)
	if isConflict(err) {
		return tc.store.RunByID(ctx, t.spec.Triggers, shortID(id))
	}
	var invalid *InvalidError
	if errors.As(err, &invalid) || errors.Is(err, ErrNotFound) {
		err = Permanent(err)
	}
	return row, err
}

// finished counts how often this task instance has come to an end before: an end is what a clear begins anew from.
func (t *taskContext) finished(ctx context.Context) (int, error) {
	attempts, err := t.store.Attempts(ctx, []int64{t.info.Run}, t.info.Task)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, a := range attempts {
		if a.MapIndex == t.info.MapIndex && a.Try > 0 && a.Try < t.info.Try && (a.State.Terminal() || a.State == None) {
			n++
		}
	}
	return n, nil
}

// runOf is a run as the bodies of its DAG see it.
func runOf[P any](row *RunRow, params P, zone *time.Location) Run[P] {
	r := Run[P]{DAG: row.DAG, ID: row.RunID, Type: row.Type, Params: params}
	if row.Logical != nil {
		r.Logical = *row.Logical
		r.Day = DayOf(r.Logical, zone)
	}
	if row.Start != nil && row.End != nil {
		r.Start, r.End = *row.Start, *row.End
	}
	return r
}

// zone is the zone of the DAG's days.
func (g *graph) zone() *time.Location {
	if zone, err := LoadZone(g.spec.Zone); err == nil {
		return zone
	}
	return time.UTC
}

func isConflict(err error) bool { return errors.Is(err, ErrConflict) }

// endOfTarget says how an instance that waits for another run ends with it. When that run is over, whatever its end, the body goes on and
// looks at it: what was read of the wait may be old by now.
func endOfTarget(w DueWait) *AttemptEnd {
	if w.Target.Terminal() {
		return nil
	}
	return &AttemptEnd{Ending: EndFailed, Error: fmt.Sprintf("run %s of %s is not there any more", w.RunID, w.DAG)}
}

// checkTriggers refuses tasks that trigger a DAG which is not registered.
func (c *Catalog) checkTriggers() []error {
	var errs []error
	for _, id := range slices.Sorted(keysOf(c.defs)) {
		d := c.defs[id]
		for _, t := range d.tasks {
			if t.spec.Triggers == "" {
				continue
			}
			if _, ok := c.defs[t.spec.Triggers]; !ok {
				errs = append(errs, &DefinitionError{DAG: id, Where: t.where, Err: fmt.Errorf("task %q triggers DAG %q, which is not registered; register it beside this one", t.spec.ID, t.spec.Triggers)})
			}
		}
	}
	return errs
}
