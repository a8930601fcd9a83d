package engine

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A Reprocess says what a backfill does with finished runs that already exist. The names are Airflow's.
type Reprocess string

// The ways to reprocess.
const (
	ReprocessNone      Reprocess = "none"      // leave them
	ReprocessFailed    Reprocess = "failed"    // clear and rerun the failed ones
	ReprocessCompleted Reprocess = "completed" // clear and rerun them all
)

// Valid tells whether r is one of the ways.
func (r Reprocess) Valid() bool {
	return r == ReprocessNone || r == ReprocessFailed || r == ReprocessCompleted
}

// A BackfillRange is the logical dates from From to To, both included.
type BackfillRange struct{ From, To time.Time }

// Overlaps tells whether the two ranges have a moment in common.
func (r BackfillRange) Overlaps(other BackfillRange) bool {
	return !r.From.After(other.To) && !other.From.After(r.To)
}

// A BackfillOrder is a backfill as somebody asks for it.
type BackfillOrder struct {
	BackfillRange
	MaxActiveRuns int // at least 1
	Backwards     bool
	Reprocess     Reprocess
}

// Check refuses, before anything is looked up, what cannot be done for the DAG with that timeline: an [*InvalidError]
// with the API's name of the field. dependsOnPast says that some task of the DAG does.
func (o BackfillOrder) Check(l Timeline, dependsOnPast bool, now time.Time) error {
	if l.Timetable == nil {
		return &InvalidError{"dag_id", "the DAG has no schedule, so that no date follows from the range; trigger it instead"}
	}
	if err := cmp.Or(checkYear("from_date", o.From), checkYear("to_date", o.To), checkOrder(o.From, o.To)); err != nil {
		return err
	}
	switch {
	case o.From.After(now):
		return &InvalidError{"from_date", fmt.Sprintf("the range lies in the future; start it before %s", now.UTC().Format(time.RFC3339))}
	case o.MaxActiveRuns < 1:
		return &InvalidError{"max_active_runs", fmt.Sprintf("is %d; give at least 1", o.MaxActiveRuns)}
	case o.MaxActiveRuns > MaxBackfillDates: // a column holds no more than 2^31−1
		return &InvalidError{"max_active_runs", fmt.Sprintf("is %d; give at most %d", o.MaxActiveRuns, MaxBackfillDates)}
	case !o.Reprocess.Valid():
		return &InvalidError{"reprocess_behavior", fmt.Sprintf("%q is unknown; give none, failed or completed", string(o.Reprocess))}
	case o.Backwards && dependsOnPast:
		return &InvalidError{"run_backwards", "a task of the DAG depends on its past; run the backfill forwards"}
	}
	return nil
}

// CheckOverlap returns an error that is [ErrConflict] when the order's range overlaps that of an open backfill of the
// same DAG, given by id.
func (o BackfillOrder) CheckOverlap(open map[int64]BackfillRange) error {
	ids := make([]int64, 0, len(open))
	for id := range open {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		if r := open[id]; o.Overlaps(r) {
			return fmt.Errorf("%w: backfill %d is open for %s to %s; wait for it, cancel it or leave these dates out",
				ErrConflict, id, r.From.UTC().Format(time.RFC3339), r.To.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// A BackfillAction is what a backfill does with one logical date.
type BackfillAction string

// The actions.
const (
	BackfillCreate BackfillAction = "create" // a new run
	BackfillClear  BackfillAction = "clear"  // the run that exists is cleared and runs again
	BackfillLeave  BackfillAction = "leave"  // nothing
)

// Why a date is left, as people read it.
const (
	ReasonInFlight    = "in flight"      // its run is queued or running
	ReasonExists      = "already exists" // its run is finished, and reprocess does not ask for it
	ReasonNotComplete = "not complete"   // its interval has not ended yet
)

// A BackfillStep is what a backfill does with one logical date; Reason is given when it leaves it.
type BackfillStep struct {
	Interval Interval
	Action   BackfillAction
	Reason   string
}

// PlanBackfill says what a backfill does with each of the intervals (those of [Timeline.Between]), in the order in which
// it runs them. existing returns the state of the run of a logical date, of any type, and false when there is none.
func PlanBackfill(intervals []Interval, existing func(logical time.Time) (RunState, bool), o BackfillOrder, now time.Time) []BackfillStep {
	steps := make([]BackfillStep, 0, len(intervals))
	for _, iv := range intervals {
		step := BackfillStep{Interval: iv, Action: BackfillCreate}
		state, exists := existing(iv.Start)
		switch {
		case exists && !state.Terminal():
			step.Action, step.Reason = BackfillLeave, ReasonInFlight
		case exists && (o.Reprocess == ReprocessCompleted || o.Reprocess == ReprocessFailed && state == RunFailed):
			step.Action = BackfillClear
		case exists:
			step.Action, step.Reason = BackfillLeave, ReasonExists
		case iv.End.After(now):
			step.Action, step.Reason = BackfillLeave, ReasonNotComplete
		}
		steps = append(steps, step)
	}
	if o.Backwards {
		slices.Reverse(steps)
	}
	return steps
}
