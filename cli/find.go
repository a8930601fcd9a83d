package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemill/tidemill/engine"
)

// namesTold is among how many of a DAG's latest runs those are looked for that somebody may have meant.
const namesTold = 100

// status finds a DAG; one that there is not is an error that wraps [engine.ErrNotFound] and names those that may be meant.
func (cl *client) status(ctx context.Context, dag string) (engine.DAGStatus, error) {
	all, err := cl.store.DAGStatuses(ctx)
	if err != nil {
		return engine.DAGStatus{}, err
	}
	ids := make([]string, len(all))
	for i, s := range all {
		if s.ID == dag {
			return s, nil
		}
		ids[i] = s.ID
	}
	hint := engine.Near(dag, ids)
	if _, ours := cl.control.Catalog().DAG(dag); ours {
		hint = ": this program has it: `serve` registers it"
	}
	return engine.DAGStatus{}, fmt.Errorf("DAG %q: %w%s", dag, engine.ErrNotFound, hint)
}

// run finds a run of a DAG; one that there is not is an error that wraps [engine.ErrNotFound] and names those that may be meant.
func (cl *client) run(ctx context.Context, dag, runID string) (engine.RunRow, error) {
	r, err := cl.store.RunByID(ctx, dag, runID)
	if !errors.Is(err, engine.ErrNotFound) {
		return r, err
	}
	if _, err := cl.status(ctx, dag); err != nil {
		return r, err
	}
	rows, _, lerr := cl.store.Runs(ctx, engine.RunFilter{DAGs: []string{dag}, Limit: namesTold})
	if lerr != nil {
		return r, lerr
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.RunID
	}
	return r, fmt.Errorf("%w%s", err, engine.Near(runID, ids))
}

// task finds an instance of a run, or a virtual node; one that there is not is an error that wraps [engine.ErrNotFound] and names what may be meant.
func (cl *client) task(ctx context.Context, key engine.TaskKey) (engine.TaskView, error) {
	rows, err := cl.store.RunsByKey(ctx, []int64{key.Run})
	if err != nil {
		return engine.TaskView{}, err
	}
	views, err := engine.View(ctx, cl.store, rows, true)
	if err != nil {
		return engine.TaskView{}, err
	}
	hint, known := "", map[string]bool{}
	var names []string
	for _, v := range views {
		for _, t := range v.Tasks {
			if t.Task == key.Task && t.MapIndex == key.MapIndex {
				return t, nil
			}
			if t.Task == key.Task && t.MapIndex == 0 {
				hint = ": it is mapped: name an element, such as " + instanceName(t.Task, 0)
			}
			if !known[t.Task] {
				known[t.Task], names = true, append(names, t.Task)
			}
		}
	}
	if !known[key.Task] {
		hint = engine.Near(key.Task, names)
	}
	return engine.TaskView{}, fmt.Errorf("task %s: %w%s", instanceName(key.Task, key.MapIndex), engine.ErrNotFound, hint)
}
