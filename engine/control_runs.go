package engine

import (
	"context"
	"fmt"
)

// Clear makes the selected instances of a run start anew, and returns which they are. With dryRun nothing changes. A virtual node that is named
// runs alone: its runner starts anew with that node, all others keep how they stand; ErrConflict while the runner runs.
func (c *Control) Clear(ctx context.Context, dag, run string, s Selection, dryRun bool, by string) ([]TaskKey, error) {
	return c.clear(ctx, dag, run, s, dryRun, by, 0)
}

// clear is Clear, by a backfill where that is not 0.
func (c *Control) clear(ctx context.Context, dag, run string, s Selection, dryRun bool, by string, backfill int64) ([]TaskKey, error) {
	var picked []TaskKey
	row, err := c.store.RunByID(ctx, dag, run)
	if err != nil {
		return nil, err
	}
	queue, err := c.store.Queue(ctx, []int64{row.Key})
	if err != nil {
		return nil, err
	}
	leased := map[TaskKey]bool{}
	for _, q := range queue {
		leased[q.TaskKey] = q.Leased
	}
	d, err := c.definition(dag)
	if err != nil {
		return nil, err
	}
	tasks, parts, err := c.nodesIn(ctx, d, row, s)
	if err != nil {
		return nil, err
	}
	err = c.change(ctx, dag, run, by, dryRun, s.Latest, func(m *machine) error {
		if len(m.row.States) == 0 {
			return nil // it has not started: there is nothing to clear
		}
		keys, err := m.pick(tasks)
		if err != nil {
			return err
		}
		if keys, err = m.clearParts(m.withSetups(keys), parts, leased); err != nil {
			return err
		}
		if picked = parts.told(keys); len(keys) > 0 {
			event := ActClearTasks
			if len(s.Tasks) == 0 {
				event = ActClearRun
			}
			m.change.Acts = append(m.change.Acts, c.actOn(m, event, selectionExtra{Backfill: backfill}, s, picked))
		}
		m.clear(keys, leased)
		return nil
	})
	return picked, err
}

// A MarkRequest says which instances end how, by a person's word.
type MarkRequest struct {
	Selection
	State  State  // Success or Failed
	Output []byte // JSON; of a success. nil: the latest successful output in this run
	By     string
	DryRun bool
}

// Mark ends the selected instances as success or failed and returns which they are. One that is a success already is given the output, when
// there is one, as another try. A success that has no output although a task reads it is an [InvalidError].
func (c *Control) Mark(ctx context.Context, dag, run string, r MarkRequest) ([]TaskKey, error) {
	if r.State != Success && r.State != Failed {
		return nil, &InvalidError{Field: "new_state", Message: fmt.Sprintf("%q: a task can be marked success or failed", r.State)}
	}
	d, err := c.definition(dag)
	if err != nil {
		return nil, err
	}
	if err := c.refuseIn("output", string(r.Output)); err != nil {
		return nil, err
	}
	if err := c.refuseVirtual(ctx, dag, run, d, r.Tasks); err != nil {
		return nil, err
	}
	var picked []TaskKey
	err = c.change(ctx, dag, run, r.By, true, r.Latest, func(m *machine) error {
		picked, err = m.pick(r.Selection)
		return err
	})
	if err != nil || r.DryRun {
		return picked, err
	}
	outputs, err := c.outputsFor(ctx, d, picked, r)
	if err != nil {
		return nil, err
	}
	err = c.change(ctx, dag, run, r.By, false, r.Latest, func(m *machine) error {
		marked := m.markable(picked, r.State, r.Output != nil)
		if len(marked) > 0 {
			m.change.Acts = append(m.change.Acts, c.actOn(m, ActMarkTask, selectionExtra{State: string(r.State), Output: r.Output != nil}, r.Selection, marked))
		}
		return m.mark(marked, r.State, outputs)
	})
	return picked, err
}

func (c *Control) refuseVirtual(ctx context.Context, dag, run string, d *Definition, tasks []string) error {
	for _, id := range tasks {
		if _, ok := d.byID[id]; ok {
			continue
		}
		row, err := c.store.RunByID(ctx, dag, run)
		if err != nil {
			return err
		}
		nodes, err := c.store.Virtuals(ctx, []int64{row.Key})
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if n.ID == id {
				return &InvalidError{Field: "task_id", Message: fmt.Sprintf("%s is reported by %s: mark or clear that task", id, n.Runner.Task)}
			}
		}
	}
	return nil
}

// outputsFor finds what each instance that is marked successful yields.
func (c *Control) outputsFor(ctx context.Context, d *Definition, keys []TaskKey, r MarkRequest) (map[TaskKey][]byte, error) {
	if r.State != Success {
		return nil, nil
	}
	out := map[TaskKey][]byte{}
	for _, k := range keys {
		t := d.byID[k.Task]
		if r.Output != nil {
			if t.checkOutput == nil {
				return nil, &InvalidError{Field: "output", Message: k.Task + " has no output"}
			}
			if err := t.checkOutput(r.Output); err != nil {
				return nil, &InvalidError{Field: "output", Message: fmt.Sprintf("does not fit %s: %v", t.spec.Output, err)}
			}
			out[k] = r.Output
			continue
		}
		got, err := c.store.Inputs(ctx, []InputKey{{Run: k.Run, Task: k.Task, MapIndex: k.MapIndex}})
		if err != nil {
			return nil, err
		}
		if len(got[0].Attempts) > 0 {
			out[k] = got[0].Attempts[0].Output
			continue
		}
		if reader := d.readerOf(t); reader != "" && t.checkOutput != nil {
			return nil, &InvalidError{Field: "output", Message: fmt.Sprintf("%s reads the output of %s, which has none in this run: give one", reader, k.Task)}
		}
	}
	return out, nil
}

// readerOf names a task that reads t's output; "" when none does.
func (d *Definition) readerOf(t *Task) string {
	for _, i := range t.down {
		for _, u := range d.tasks[i].up {
			if u.task == t && u.kind != OrderEdge {
				return d.tasks[i].spec.ID
			}
		}
	}
	return ""
}

// MarkRun ends a run by a person's word, and what is unfinished with it.
func (c *Control) MarkRun(ctx context.Context, dag, run string, to RunState, by string) error {
	return c.markRun(ctx, dag, run, to, by, 0)
}

// markRun is MarkRun, with the backfill that is cancelled where that is not 0.
func (c *Control) markRun(ctx context.Context, dag, run string, to RunState, by string, backfill int64) error {
	if !to.Terminal() {
		return &InvalidError{Field: "state", Message: fmt.Sprintf("%q: a run can be marked success or failed", to)}
	}
	return c.change(ctx, dag, run, by, false, true, func(m *machine) error {
		told := map[string]any{"state": to}
		if backfill > 0 {
			told["backfill_id"] = backfill
		}
		m.change.Acts = append(m.change.Acts, c.actOf(&m.row, ActMarkRun, by, told))
		m.markRun(to)
		return nil
	})
}
