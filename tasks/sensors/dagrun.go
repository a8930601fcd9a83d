package sensors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// Runs is where runs are looked up: an engine.Store, or an engine.Reader.
type Runs interface {
	Runs(ctx context.Context, f engine.RunFilter) ([]engine.RunRow, int, error)
	RunByID(ctx context.Context, dag, runID string) (engine.RunRow, error)
}

// A WantedRun says which run of another DAG is waited for: by its logical date, or by its id.
type WantedRun struct {
	DAG     string
	Logical time.Time
	RunID   string // instead of Logical
	// PastFailure waits on when the run has failed, for somebody to clear it. Otherwise that is a permanent error.
	PastFailure bool
}

// A FoundRun is a run that has succeeded.
type FoundRun struct {
	DAG     string     `json:"dag"`
	RunID   string     `json:"run_id"`
	Logical *time.Time `json:"logical_date"`
	Ended   *time.Time `json:"ended"`
}

// DAGRun waits until the run that wanted makes of the task's input is there and has succeeded. It sees runs of whatever process, also of
// DAGs that this one does not have. runs may be nil: then it looks where the task's own state is kept.
func DAGRun[A any](runs Runs, wanted func(A) WantedRun) func(context.Context, A) (FoundRun, bool, error) {
	return func(ctx context.Context, a A) (FoundRun, bool, error) {
		w, runs := wanted(a), runs
		if runs == nil {
			var err error
			if runs, err = engine.History(ctx); err != nil {
				return FoundRun{}, false, fmt.Errorf("run sensor: %w", err)
			}
		}
		if w.DAG == "" || w.RunID == "" == w.Logical.IsZero() {
			return FoundRun{}, false, engine.Permanent(errors.New("run sensor: set DAG, and either Logical or RunID (a manual run need not have a logical date: trigger it with one)"))
		}
		r, err := w.find(ctx, runs)
		if err != nil || r == nil {
			return FoundRun{}, false, err
		}
		switch r.State {
		case engine.RunSuccess:
			return FoundRun{DAG: r.DAG, RunID: r.RunID, Logical: r.Logical, Ended: r.EndedAt}, true, nil
		case engine.RunFailed:
			if !w.PastFailure {
				return FoundRun{}, false, engine.Permanent(fmt.Errorf("run %s of %s has failed: clear what failed in it, then this task", r.RunID, r.DAG))
			}
		}
		return FoundRun{}, false, nil
	}
}

// find returns the run, nil when there is none.
func (w WantedRun) find(ctx context.Context, runs Runs) (*engine.RunRow, error) {
	if w.RunID != "" {
		r, err := runs.RunByID(ctx, w.DAG, w.RunID)
		if errors.Is(err, engine.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("run sensor: %w", err)
		}
		return &r, nil
	}
	found, _, err := runs.Runs(ctx, engine.RunFilter{DAGs: []string{w.DAG}, Logicals: []time.Time{w.Logical.UTC()}, Limit: 1})
	if err != nil {
		return nil, fmt.Errorf("run sensor: %w", err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	return &found[0], nil
}
