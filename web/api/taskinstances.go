package api

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

const instancesPath = "/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances"

func (s *server) taskInstances(a huma.API) {
	route(s, a, http.MethodGet, instancesPath, "get_task_instances", "List task instances; ~ as DAG or run: of every one", s.listInstances)
	route(s, a, http.MethodPatch, instancesPath, "bulk_task_instances", "Set the states or notes of several task instances; ~ as DAG or run: each names its own", s.bulk)
	route(s, a, http.MethodPost, instancesPath+"/list", "get_task_instances_batch", "List task instances of several DAGs and runs", s.batchInstances)
	route(s, a, http.MethodGet, instancesPath+"/{task_id}", "get_task_instance", "Get a task instance", func(ctx context.Context, in *TaskPath) (TaskInstanceResponse, error) {
		return s.getInstance(ctx, in.key(-1))
	})
	route(s, a, http.MethodGet, instancesPath+"/{task_id}/{map_index}", "get_mapped_task_instance", "Get one element of a mapped task", func(ctx context.Context, in *MappedPath) (TaskInstanceResponse, error) {
		return s.getInstance(ctx, in.key(in.MapIndex))
	})
	route(s, a, http.MethodGet, instancesPath+"/{task_id}/listMapped", "get_mapped_task_instances", "List the elements of a mapped task", s.listMapped)
}

// TaskPath names a task of a run.
type TaskPath struct {
	RunPath
	TaskID string `path:"task_id"`
}

// MappedPath names an element of a mapped task.
type MappedPath struct {
	TaskPath
	MapIndex int `path:"map_index"`
}

// instanceKey names a task instance as people do.
type instanceKey struct {
	RunPath
	task     string
	mapIndex int
}

func (p TaskPath) key(mapIndex int) instanceKey { return instanceKey{p.RunPath, p.TaskID, mapIndex} }

// instance finds a task instance and its run.
func (s *server) instance(ctx context.Context, k instanceKey) (instance, error) {
	v, err := s.view(ctx, k.RunPath)
	if err != nil {
		return instance{}, err
	}
	mapped := false
	for _, t := range v.Tasks {
		if t.Task == k.task && t.MapIndex == k.mapIndex {
			return instance{t, v.Run}, nil
		}
		mapped = mapped || t.Task == k.task
	}
	if mapped && k.mapIndex == -1 {
		return instance{}, fail(http.StatusNotFound, "Task instance is mapped, add the map_index value to the URL")
	}
	return instance{}, fail(http.StatusNotFound, "The Task Instance with dag_id: `%s`, run_id: `%s`, task_id: `%s` and map_index: `%d` was not found", k.DagID, k.DagRunID, k.task, k.mapIndex)
}

// view reads a run with all its task instances.
func (s *server) view(ctx context.Context, p RunPath) (engine.RunView, error) {
	row, err := s.row(ctx, p)
	if err != nil {
		return engine.RunView{}, err
	}
	views, err := engine.View(ctx, s.Store, []engine.RunRow{row}, true)
	if err != nil {
		return engine.RunView{}, err
	}
	return views[0], nil
}

func (s *server) getInstance(ctx context.Context, k instanceKey) (TaskInstanceResponse, error) {
	in, err := s.instance(ctx, k)
	if err != nil {
		return TaskInstanceResponse{}, err
	}
	return s.instanceOf(ctx, in)
}

type listInstancesInput struct {
	RunPath
	TaskInstanceFilters
	TaskID      string `query:"task_id"`
	TaskGroupID string `query:"task_group_id"`
	DagPattern  string `query:"dag_id_pattern"`
	DagPrefix   string `query:"dag_id_prefix_pattern"`
	RunPattern  string `query:"run_id_pattern"`
	RunPrefix   string `query:"run_id_prefix_pattern"`
}

func (s *server) listInstances(ctx context.Context, in *listInstancesInput) (TaskInstanceCollectionResponse, error) {
	rows, err := s.runsOf(ctx, in)
	if err != nil {
		return TaskInstanceCollectionResponse{}, err
	}
	return s.instancePage(ctx, rows, &in.TaskInstanceFilters, func(t instance) bool {
		return (in.TaskID == "" || t.Task == in.TaskID) && (in.TaskGroupID == "" || inGroup(t.Group, in.TaskGroupID))
	})
}

func inGroup(group, of string) bool {
	return group == of || len(group) > len(of) && group[:len(of)] == of && group[len(of)] == '.'
}

// runsOf are the runs that a list of task instances is about.
func (s *server) runsOf(ctx context.Context, in *listInstancesInput) ([]engine.RunRow, error) {
	if in.DagID != "~" && in.DagRunID != "~" {
		row, err := s.row(ctx, in.RunPath)
		return []engine.RunRow{row}, err
	}
	f := DAGRunFilters{Page: Page{}, DagIDPattern: in.DagPattern, DagIDPrefix: in.DagPrefix, RunIDPattern: in.RunPattern, RunIDPrefix: in.RunPrefix}
	f.TimeFilters = TimeFilters{
		LogicalGte: in.LogicalGte, LogicalGt: in.LogicalGt, LogicalLte: in.LogicalLte, LogicalLt: in.LogicalLt,
		AfterGte: in.AfterGte, AfterGt: in.AfterGt, AfterLte: in.AfterLte, AfterLt: in.AfterLt,
	}
	q, fits, err := f.compile()
	if err != nil {
		return nil, err
	}
	if in.DagID != "~" {
		if _, err := s.status(ctx, in.DagID); err != nil {
			return nil, err
		}
		q.DAGs = []string{in.DagID}
	}
	q.OrderBy = "key"
	rows, err := s.lookThrough(ctx, q, mostWithInstances, "path", "dag_run_id")
	return slices.DeleteFunc(rows, func(r engine.RunRow) bool {
		return fits != nil && !fits(r) || in.DagRunID != "~" && r.RunID != in.DagRunID
	}), err
}

type listMappedInput struct {
	TaskPath
	TaskInstanceFilters
}

func (s *server) listMapped(ctx context.Context, in *listMappedInput) (TaskInstanceCollectionResponse, error) {
	v, err := s.view(ctx, in.RunPath)
	if err != nil {
		return TaskInstanceCollectionResponse{}, err
	}
	known := false
	for _, t := range v.Spec.Tasks {
		known = known || t.ID == in.TaskID
	}
	if !known {
		return TaskInstanceCollectionResponse{}, fail(http.StatusNotFound, "Task id %s not found", in.TaskID)
	}
	return s.instancePage(ctx, []engine.RunRow{v.Run}, &in.TaskInstanceFilters, func(t instance) bool { return t.Task == in.TaskID && t.MapIndex >= 0 })
}

// TaskInstancesBatchBody selects task instances of several DAGs and runs.
type TaskInstancesBatchBody struct {
	BatchTimes
	BatchPage
	DagIDs    []string  `json:"dag_ids,omitempty" nullable:"true" maxItems:"1000"`
	DagRunIDs []string  `json:"dag_run_ids,omitempty" nullable:"true" maxItems:"1000"`
	TaskIDs   []string  `json:"task_ids,omitempty" nullable:"true" maxItems:"1000"`
	State     []*string `json:"state,omitempty" nullable:"true" maxItems:"1000"`
	Pool      []string  `json:"pool,omitempty" nullable:"true" maxItems:"1000"`
	Queue     []string  `json:"queue,omitempty" nullable:"true" maxItems:"1000"`
	Executor  []string  `json:"executor,omitempty" nullable:"true" maxItems:"1000"`
}

type batchInstancesInput struct {
	RunPath
	Body TaskInstancesBatchBody
}

func (s *server) batchInstances(ctx context.Context, in *batchInstancesInput) (TaskInstanceCollectionResponse, error) {
	if err := errors.Join(everything(in.DagID), dagNames(in.Body.DagIDs)); err != nil {
		return TaskInstanceCollectionResponse{}, err
	}
	b := in.Body
	f := TaskInstanceFilters{Page: Page{b.PageLimit, b.PageOffset}, TimeFilters: b.filters(), Pool: b.Pool, Queue: b.Queue, Executor: b.Executor, OrderBy: b.order()}
	for _, st := range b.State {
		if st == nil {
			f.State = append(f.State, "none")
		} else {
			f.State = append(f.State, *st)
		}
	}
	_, from, to, err := f.TimeFilters.compile()
	if err != nil {
		return TaskInstanceCollectionResponse{}, err
	}
	rows, err := s.lookThrough(ctx, engine.RunFilter{DAGs: b.DagIDs, LogicalFrom: from, LogicalTo: to, OrderBy: "key"}, mostWithInstances, "body", "dag_ids")
	if err != nil {
		return TaskInstanceCollectionResponse{}, err
	}
	rows = slices.DeleteFunc(rows, func(r engine.RunRow) bool {
		return !oneOf(b.DagRunIDs, r.RunID) || in.DagRunID != "~" && in.DagRunID != r.RunID
	})
	return s.instancePage(ctx, rows, &f, func(t instance) bool { return oneOf(b.TaskIDs, t.Task) })
}
