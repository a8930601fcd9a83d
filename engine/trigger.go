package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// A TriggerRequest asks for a manual run.
type TriggerRequest struct {
	DAG     string
	RunID   string // "": made from the time
	Logical *time.Time
	Params  []byte // JSON object; nil: {}
	Note    string
	By      string
}

// Trigger makes a manual run and returns it. What its params leave out gets
// its default. Params that do not fit are an [InvalidError] that names the field (several are joined); a logical date or
// run id that is taken is ErrConflict.
func (c *Control) Trigger(ctx context.Context, t TriggerRequest) (RunRow, error) {
	return c.trigger(ctx, t, true)
}

// trigger is Trigger, by a person or by a task: only what people do is in the audit log.
func (c *Control) trigger(ctx context.Context, t TriggerRequest, person bool) (RunRow, error) {
	d, err := c.definition(t.DAG)
	if err != nil {
		return RunRow{}, err
	}
	if err := errors.Join(c.refuseIn("dag_run_id", t.RunID), c.refuseIn("params", string(t.Params)), c.refuseIn("note", t.Note)); err != nil {
		return RunRow{}, err
	}
	if t.Params, err = d.FillParams(t.Params); err != nil {
		return RunRow{}, err
	}
	if err := d.checkRun(t.Params, t.Logical); err != nil {
		return RunRow{}, err
	}
	now, err := c.store.Now(ctx)
	if err != nil {
		return RunRow{}, err
	}
	n := NewRun{DAG: t.DAG, RunID: t.RunID, Type: ManualRun, Logical: t.Logical, Params: t.Params, Version: d.Version, TriggeredBy: t.By, Note: t.Note, Deadline: time.Duration(d.Spec.Deadline)}
	if t.Logical != nil {
		if err := checkYear("logical_date", *t.Logical); err != nil {
			return RunRow{}, err
		}
		utc := t.Logical.UTC()
		n.Logical = &utc
		status, err := c.status(ctx, t.DAG)
		if err != nil {
			return RunRow{}, err
		}
		iv, ok, err := d.Timeline(status.RegisteredAt).LastComplete(utc)
		if err != nil {
			return RunRow{}, fmt.Errorf("interval of a run of DAG %s: %w", t.DAG, err)
		}
		if ok {
			n.Start, n.End = &iv.Start, &iv.End
		}
	}
	if n.RunID == "" {
		at := now
		if n.Logical != nil {
			at = *n.Logical
		}
		n.RunID = runID(ManualRun, at)
	} else if err := checkRunID(n.RunID); err != nil {
		return RunRow{}, err
	}
	if person {
		told := map[string]any{}
		if len(n.Params) > 0 {
			told["conf"] = json.RawMessage(n.Params)
		}
		if n.Note != "" {
			told["note"] = n.Note
		}
		act := c.act(ActTriggerRun, t.By, told)
		act.DAG, act.RunID, act.Logical = n.DAG, n.RunID, n.Logical
		n.Acts = []AuditEntry{act}
	}
	created, err := c.store.CreateRuns(ctx, []NewRun{n})
	if err != nil {
		return RunRow{}, err
	}
	if created[0].Exists {
		return RunRow{}, c.conflict(ctx, n, created[0].Key)
	}
	c.wake()
	rows, err := c.store.RunsByKey(ctx, []int64{created[0].Key})
	if err != nil {
		return RunRow{}, err
	}
	if len(rows) == 0 {
		return RunRow{}, fmt.Errorf("run %s of %s: %w", n.RunID, n.DAG, ErrNotFound)
	}
	return rows[0], nil
}
