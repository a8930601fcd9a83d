package api

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/engine"
)

// TaskInstanceFilters select task instances.
type TaskInstanceFilters struct {
	Page
	TimeFilters
	State       []string `query:"state,explode" maxItems:"100" doc:"none (or null) selects what waits for its upstreams"`
	Pool        []string `query:"pool,explode" maxItems:"100"`
	Queue       []string `query:"queue,explode" maxItems:"100"`
	Executor    []string `query:"executor,explode" maxItems:"100"`
	Operator    []string `query:"operator,explode" maxItems:"100"`
	TryNumber   []int    `query:"try_number,explode" maxItems:"100"`
	MapIndex    []int    `query:"map_index,explode" maxItems:"100"`
	NamePattern string   `query:"task_display_name_pattern"`
	NamePrefix  string   `query:"task_display_name_prefix_pattern"`
	OrderBy     []string `query:"order_by,explode" maxItems:"20"`
}

// An instance is a task instance with its run.
type instance struct {
	engine.TaskView
	run engine.RunRow
}

var instanceFields = map[string]func(a, b instance) int{
	"id":                func(a, b instance) int { return cmp.Compare(a.TaskKey.Run, b.TaskKey.Run) },
	"dag_id":            func(a, b instance) int { return cmp.Compare(a.DAG, b.DAG) },
	"run_id":            func(a, b instance) int { return cmp.Compare(a.RunID, b.RunID) },
	"dag_run_id":        func(a, b instance) int { return cmp.Compare(a.RunID, b.RunID) },
	"task_id":           func(a, b instance) int { return cmp.Compare(a.Task, b.Task) },
	"task_display_name": func(a, b instance) int { return cmp.Compare(a.Task, b.Task) },
	"map_index":         func(a, b instance) int { return cmp.Compare(a.MapIndex, b.MapIndex) },
	"state":             func(a, b instance) int { return cmp.Compare(a.State, b.State) },
	"try_number":        func(a, b instance) int { return cmp.Compare(a.Try, b.Try) },
	"priority_weight":   func(a, b instance) int { return cmp.Compare(a.Priority, b.Priority) },
	"queue":             func(a, b instance) int { return cmp.Compare(a.Queue, b.Queue) },
	"start_date":        func(a, b instance) int { return compareTimes(a.StartedAt, b.StartedAt) },
	"end_date":          func(a, b instance) int { return compareTimes(a.EndedAt, b.EndedAt) },
	"queued_when":       func(a, b instance) int { return compareTimes(a.QueuedAt, b.QueuedAt) },
	"logical_date":      func(a, b instance) int { return compareTimes(a.run.Logical, b.run.Logical) },
	"run_after":         func(a, b instance) int { return runAfter(a.run).Compare(runAfter(b.run)) },
	"duration": func(a, b instance) int {
		return compareNumbers(seconds(a.StartedAt, a.EndedAt), seconds(b.StartedAt, b.EndedAt))
	},
}

// viewedAtOnce is how many runs are read with all their instances in one go, which bounds the memory.
const viewedAtOnce = 200

// instances returns the task instances of runs that fit, in the order asked for.
func (s *server) instances(ctx context.Context, rows []engine.RunRow, f *TaskInstanceFilters, more func(instance) bool) ([]instance, error) {
	fits, err := f.predicate()
	if err != nil {
		return nil, err
	}
	var found []instance
	for part := range slices.Chunk(rows, viewedAtOnce) {
		views, err := engine.View(ctx, s.Store, part, true)
		if err != nil {
			return nil, err
		}
		for _, v := range views {
			for _, t := range v.Tasks {
				if in := (instance{t, v.Run}); fits(in) && (more == nil || more(in)) {
					found = append(found, in)
				}
			}
		}
	}
	return found, sortBy(found, f.OrderBy, "map_index", instanceFields)
}

func (f *TaskInstanceFilters) predicate() (func(instance) bool, error) {
	times, from, to, err := f.TimeFilters.compile()
	if err != nil {
		return nil, err
	}
	name, err := pattern(f.NamePattern, false)
	if err != nil {
		return nil, invalid(err.Error(), f.NamePattern, "query", "task_display_name_pattern")
	}
	prefix, err := pattern(f.NamePrefix, true)
	if err != nil {
		return nil, invalid(err.Error(), f.NamePrefix, "query", "task_display_name_prefix_pattern")
	}
	return func(in instance) bool {
		if from != nil && (in.run.Logical == nil || in.run.Logical.Before(*from)) || to != nil && (in.run.Logical == nil || in.run.Logical.After(*to)) {
			return false
		}
		return oneOf(f.State, stateName(in.State)) && oneOf(f.Queue, in.Queue) && oneOf(f.Pool, poolOf(in.Pool)) && oneOf(f.Executor, "") &&
			oneOf(f.Operator, in.Body) && oneOf(f.TryNumber, in.Try) && oneOf(f.MapIndex, in.MapIndex) && name(in.Task) && prefix(in.Task) && all(times, timesOf(in.TaskView, in.run))
	}, nil
}

// stateName is a state as filters name it: "none" for what waits, for which null is read as well.
func stateName(s engine.State) string { return string(s) }

// oneOf tells whether have is among those wanted; none wanted are all.
func oneOf[T comparable](want []T, have T) bool { return len(want) == 0 || slices.Contains(want, have) }

// normalise reads the names of states as Airflow's clients write them.
func (f *TaskInstanceFilters) normalise() error {
	states := []string{"none", "scheduled", "queued", "running", "success", "failed", "skipped", "upstream_failed", "up_for_retry", "up_for_reschedule", "deferred", "removed", "restarting", "awaiting_input"}
	for i, st := range f.State {
		st = strings.ToLower(st)
		if st == "null" || st == "" || st == "no_status" {
			st = "none"
		}
		if !slices.Contains(states, st) {
			return invalid("state is one of "+strings.Join(states, ", "), st, "query", "state")
		}
		f.State[i] = st
	}
	return nil
}

func (s *server) instancePage(ctx context.Context, rows []engine.RunRow, f *TaskInstanceFilters, more func(instance) bool) (TaskInstanceCollectionResponse, error) {
	if err := f.normalise(); err != nil {
		return TaskInstanceCollectionResponse{}, err
	}
	found, err := s.instances(ctx, rows, f, more)
	if err != nil {
		return TaskInstanceCollectionResponse{}, err
	}
	page, err := s.instancesResponse(ctx, cut(found, f.Page))
	page.TotalEntries = len(found)
	return page, err
}

// instanceOf is the answer about a task instance, with the version of its run.
func (s *server) instanceOf(ctx context.Context, in instance) (TaskInstanceResponse, error) {
	r := instanceResponse(in.TaskView, in.run)
	var err error
	r.DagVersion, err = s.version(ctx, in.DAG, in.run.Version)
	return r, err
}

func (s *server) instancesResponse(ctx context.Context, found []instance) (TaskInstanceCollectionResponse, error) {
	page := TaskInstanceCollectionResponse{TaskInstances: make([]TaskInstanceResponse, 0, len(found)), TotalEntries: len(found)}
	for _, in := range found {
		one, err := s.instanceOf(ctx, in)
		if err != nil {
			return page, err
		}
		page.TaskInstances = append(page.TaskInstances, one)
	}
	return page, nil
}
