package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// DefaultBackfillRuns is how many runs of a backfill are running at once unless it says otherwise.
const DefaultBackfillRuns = 10

// backfillPriority puts the tasks of backfills behind those of scheduled runs.
const backfillPriority = -100

// A BackfillRequest asks for runs of every logical date in a range.
type BackfillRequest struct {
	DAG string
	BackfillOrder
	Params []byte
	Tasks  []string // a subset: cleared in the runs that exist; new runs need all that these read
	By     string
}

// A BackfillPlan is what a backfill did, or would do.
type BackfillPlan struct {
	ID    int64 // 0 for a dry run
	Steps []BackfillStep
}

// Backfill plans the request and, unless dryRun, stores it: new runs are queued, finished ones that are to be reprocessed are
// cleared, the rest is left with its reason. Bad requests are an [InvalidError]; an open backfill that overlaps is ErrConflict.
func (c *Control) Backfill(ctx context.Context, r BackfillRequest, dryRun bool) (BackfillPlan, error) {
	d, err := c.definition(r.DAG)
	if err != nil {
		return BackfillPlan{}, err
	}
	if err := c.refuseIn("params", string(r.Params)); err != nil {
		return BackfillPlan{}, err
	}
	given := r.Params
	if r.Params, err = d.FillParams(given); err != nil {
		r.Params = given // told after what is wrong with the range
	}
	steps, existing, err := c.planBackfill(ctx, d, r)
	if err != nil || dryRun {
		return BackfillPlan{Steps: steps}, err
	}
	b := NewBackfill{DAG: r.DAG, From: r.From, To: r.To, MaxActiveRuns: r.MaxActiveRuns, Backwards: r.Backwards, Reprocess: string(r.Reprocess), Params: r.Params, Tasks: r.Tasks, TriggeredBy: r.By}
	var adopt []RunRow
	first := true
	for i, s := range steps {
		switch s.Action {
		case BackfillCreate:
			start, end := s.Interval.Start, s.Interval.End
			b.Runs = append(b.Runs, NewRun{
				DAG: r.DAG, RunID: runID(BackfillRun, start), Type: BackfillRun, Logical: &start, Start: &start, End: &end, Params: r.Params, Version: d.Version,
				Order: i, TriggeredBy: r.By, Priority: backfillPriority, Deadline: time.Duration(d.Spec.Deadline), OnlyTasks: r.Tasks, IgnorePast: first,
			})
			first = false
		case BackfillClear:
			first = false
			adopt = append(adopt, existing[s.Interval.Start.UnixMicro()])
		}
	}
	// While runs are being cleared the backfill is paused, so that it neither starts nor ends before all of them are part of it.
	b.Paused = len(adopt) > 0
	told := map[string]any{"from_date": r.From, "to_date": r.To, "reprocess_behavior": r.Reprocess, "run_backwards": r.Backwards,
		"max_active_runs": r.MaxActiveRuns, "runs_created": len(b.Runs), "runs_cleared": len(adopt)}
	if len(r.Params) > 0 {
		told["dag_run_conf"] = json.RawMessage(r.Params)
	}
	if len(r.Tasks) > 0 {
		told["task_ids"] = r.Tasks
	}
	act := c.act(ActCreateBackfill, r.By, told)
	act.DAG = r.DAG
	b.Acts = []AuditEntry{act}
	id, _, err := c.store.CreateBackfill(ctx, b)
	if err != nil {
		return BackfillPlan{}, err
	}
	for _, run := range adopt {
		if err := c.store.AdoptRuns(ctx, id, []int64{run.Key}); err != nil {
			return BackfillPlan{}, err
		}
		if _, err := c.clear(ctx, r.DAG, run.RunID, Selection{Tasks: r.Tasks}, false, r.By, id); err != nil {
			return BackfillPlan{}, fmt.Errorf("backfill %d is paused: clear %s: %w", id, run.RunID, err)
		}
	}
	if b.Paused {
		if err := c.store.SetBackfillPaused(ctx, id, false); err != nil {
			return BackfillPlan{}, fmt.Errorf("backfill %d is paused: %w", id, err)
		}
	}
	c.wake()
	return BackfillPlan{ID: id, Steps: steps}, nil
}

func (c *Control) planBackfill(ctx context.Context, d *Definition, r BackfillRequest) ([]BackfillStep, map[int64]RunRow, error) {
	if r.MaxActiveRuns == 0 {
		return nil, nil, &InvalidError{Field: "max_active_runs", Message: fmt.Sprintf("is 0; give at least 1 (the default is %d)", DefaultBackfillRuns)}
	}
	status, err := c.status(ctx, r.DAG)
	if err != nil {
		return nil, nil, err
	}
	now, err := c.store.Now(ctx)
	if err != nil {
		return nil, nil, err
	}
	line := d.Timeline(status.RegisteredAt)
	if err := r.Check(line, d.dependsOnPast(), now); err != nil {
		return nil, nil, err
	}
	if _, err := d.FillParams(r.Params); err != nil {
		return nil, nil, err
	}
	if err := c.checkOverlap(ctx, r); err != nil {
		return nil, nil, err
	}
	intervals, err := line.Between(r.From, r.To)
	if err != nil {
		return nil, nil, err
	}
	rows, _, err := c.store.Runs(ctx, RunFilter{DAGs: []string{r.DAG}, LogicalFrom: &r.From, LogicalTo: &r.To, Limit: MaxBackfillDates})
	if err != nil {
		return nil, nil, err
	}
	existing := make(map[int64]RunRow, len(rows))
	for _, row := range rows {
		existing[row.Logical.UnixMicro()] = row
	}
	steps := PlanBackfill(intervals, func(logical time.Time) (RunState, bool) {
		row, ok := existing[logical.UnixMicro()]
		return row.State, ok
	}, r.BackfillOrder, now)
	return steps, existing, c.checkSubset(ctx, d, r.Tasks, steps, existing)
}

// dependsOnPast tells whether some task of the DAG does.
func (d *Definition) dependsOnPast() bool {
	return slices.ContainsFunc(d.tasks, func(t *Task) bool { return t.spec.DependsOnPast })
}

func (c *Control) checkOverlap(ctx context.Context, r BackfillRequest) error {
	open, _, err := c.store.Backfills(ctx, BackfillFilter{DAG: r.DAG, Open: true, Limit: 1000})
	if err != nil {
		return err
	}
	ranges := make(map[int64]BackfillRange, len(open))
	for _, b := range open {
		ranges[b.ID] = BackfillRange{From: b.From, To: b.To}
	}
	return r.CheckOverlap(ranges)
}

// checkSubset refuses a subset of tasks for dates where a task of it reads one that is left out and has no output for that date.
func (c *Control) checkSubset(ctx context.Context, d *Definition, tasks []string, steps []BackfillStep, existing map[int64]RunRow) error {
	var left []*Task // what the subset reads and does not hold
	var reader []string
	for _, id := range tasks {
		t, ok := d.byID[id]
		if !ok {
			return &InvalidError{Field: "task_ids", Message: fmt.Sprintf("DAG %s has no task %q", d.Spec.DAG, id)}
		}
		for _, u := range t.up {
			if u.kind != OrderEdge && !slices.Contains(tasks, u.task.spec.ID) {
				left, reader = append(left, u.task), append(reader, id)
			}
		}
	}
	for _, s := range steps {
		if s.Action == BackfillLeave || len(left) == 0 {
			continue
		}
		inputs := make([]Input, len(left)) // of a new run: none
		if s.Action == BackfillClear {
			keys := make([]InputKey, len(left))
			for i, t := range left {
				keys[i] = InputKey{Run: existing[s.Interval.Start.UnixMicro()].Key, Task: t.spec.ID, MapIndex: -1}
				if t.over != nil {
					keys[i].MapIndex = AllElements
				}
			}
			var err error
			if inputs, err = c.store.Inputs(ctx, keys); err != nil {
				return err
			}
		}
		for i, in := range inputs {
			if len(in.Attempts) == 0 {
				return &InvalidError{Field: "task_ids", Message: fmt.Sprintf("%s reads %s, which has no output for %s: add it to the subset", reader[i], left[i].spec.ID, s.Interval.Start.Format(time.RFC3339))}
			}
		}
	}
	return nil
}

// PauseBackfill pauses or resumes a backfill: a paused one starts no run. A finished one is ErrConflict.
func (c *Control) PauseBackfill(ctx context.Context, id int64, paused bool, by string) error {
	b, err := c.openBackfill(ctx, id)
	if err != nil {
		return err
	}
	event := ActPauseBackfill
	if !paused {
		event = ActUnpauseBackfill
	}
	if err := c.store.SetBackfillPaused(ctx, id, paused, c.actOnBackfill(b, event, by, nil)); err != nil {
		return err
	}
	c.wake()
	return nil
}

// CancelBackfill ends a backfill: its queued runs fail; with running, those that run are cancelled too. A finished one is ErrConflict.
func (c *Control) CancelBackfill(ctx context.Context, id int64, running bool, by string) error {
	b, err := c.openBackfill(ctx, id)
	if err != nil {
		return err
	}
	if err := c.store.EndBackfill(ctx, id, true, c.actOnBackfill(b, ActCancelBackfill, by, map[string]any{"running": running})); err != nil {
		return err
	}
	states := []RunState{RunQueued}
	if running {
		states = append(states, RunRunning)
	}
	rows, _, err := c.store.Runs(ctx, RunFilter{Backfill: id, States: states, Limit: MaxBackfillDates})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := c.markRun(ctx, row.DAG, row.RunID, RunFailed, by, id); err != nil {
			return fmt.Errorf("cancel %s: %w", row.RunID, err)
		}
	}
	c.wake()
	return nil
}

func (c *Control) openBackfill(ctx context.Context, id int64) (BackfillRow, error) {
	b, err := c.store.Backfill(ctx, id)
	if err == nil && b.CompletedAt != nil {
		err = fmt.Errorf("backfill %d is finished: %w", id, ErrConflict)
	}
	return b, err
}

// actOnBackfill makes the entry of what a person does to a backfill.
func (c *Control) actOnBackfill(b BackfillRow, event, by string, told map[string]any) AuditEntry {
	all := map[string]any{"backfill_id": b.ID}
	maps.Copy(all, told)
	act := c.act(event, by, all)
	act.DAG = b.DAG
	return act
}
