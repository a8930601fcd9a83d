package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

// returnValue is the one XCom that a task has: its output.
const returnValue = "return_value"

func (s *server) xcoms(a huma.API) {
	route(s, a, http.MethodGet, instancesPath+"/{task_id}/xcomEntries", "get_xcom_entries", "List outputs", s.listXComs)
	route(s, a, http.MethodGet, instancesPath+"/{task_id}/xcomEntries/{xcom_key}", "get_xcom_entry", "Get an output", s.getXCom)
}

// An XComResponse tells of an output without it.
type XComResponse struct {
	Key             string     `json:"key"`
	Timestamp       time.Time  `json:"timestamp"`
	LogicalDate     *time.Time `json:"logical_date"`
	MapIndex        int        `json:"map_index"`
	TaskID          string     `json:"task_id"`
	DagID           string     `json:"dag_id"`
	RunID           string     `json:"run_id"`
	DagDisplayName  string     `json:"dag_display_name"`
	TaskDisplayName string     `json:"task_display_name"`
	RunAfter        time.Time  `json:"run_after"`
}

// An XComResponseNative is an output: what the task's latest success in the run returned.
type XComResponseNative struct {
	XComResponse
	Value json.RawMessage `json:"value"`
}

// An XComCollectionResponse is a page of outputs.
type XComCollectionResponse struct {
	XComEntries  []XComResponse `json:"xcom_entries" nullable:"false"`
	TotalEntries int            `json:"total_entries"`
}

type getXComInput struct {
	TaskPath
	Key         string `path:"xcom_key"`
	MapIndex    int    `query:"map_index" default:"-1"`
	Stringify   bool   `query:"stringify" doc:"The value as text"`
	Deserialize bool   `query:"deserialize"`
}

func (s *server) getXCom(ctx context.Context, in *getXComInput) (XComResponseNative, error) {
	absent := fail(http.StatusNotFound, "XCom entry with key: `%s` not found", in.Key)
	if in.Key != returnValue {
		return XComResponseNative{}, absent
	}
	t, err := s.instance(ctx, in.key(in.MapIndex))
	if err != nil {
		return XComResponseNative{}, err
	}
	a, ok, err := s.output(ctx, t)
	if err != nil {
		return XComResponseNative{}, err
	}
	if !ok {
		return XComResponseNative{}, absent
	}
	x := XComResponseNative{xcom(t, a), a.Output}
	if in.Stringify {
		if x.Value, err = json.Marshal(string(a.Output)); err != nil {
			return XComResponseNative{}, err
		}
	}
	return x, nil
}

// output is the latest success of an instance in its run that has an output.
func (s *server) output(ctx context.Context, t instance) (engine.Attempt, bool, error) {
	if t.Runner != "" {
		return engine.Attempt{}, false, nil
	}
	got, err := s.Store.Inputs(ctx, []engine.InputKey{{Run: t.run.Key, Task: t.Task, MapIndex: t.MapIndex}})
	if err != nil || len(got[0].Attempts) == 0 || got[0].Attempts[0].Output == nil {
		return engine.Attempt{}, false, err
	}
	// Inputs leave times out.
	full, err := s.Store.Attempt(ctx, t.TaskKey, got[0].Attempts[0].Try)
	return full, err == nil, err
}

func xcom(t instance, a engine.Attempt) XComResponse {
	return XComResponse{
		Key: returnValue, Timestamp: a.EndedAt.UTC(), LogicalDate: utc(t.run.Logical), MapIndex: t.MapIndex, TaskID: t.Task, DagID: t.DAG, RunID: t.RunID,
		DagDisplayName: t.DAG, TaskDisplayName: t.Task, RunAfter: runAfter(t.run),
	}
}

type listXComsInput struct {
	RunPath
	TaskID string `path:"task_id"`
	Page
	Key            string `query:"xcom_key"`
	MapIndex       OptInt `query:"map_index"`
	MapIndexFilter OptInt `query:"map_index_filter"`
}

func (s *server) listXComs(ctx context.Context, in *listXComsInput) (XComCollectionResponse, error) {
	page := XComCollectionResponse{XComEntries: []XComResponse{}}
	rows, err := s.runsOf(ctx, &listInstancesInput{RunPath: in.RunPath})
	if err != nil || in.Key != "" && in.Key != returnValue {
		return page, err
	}
	found, err := s.instances(ctx, rows, &TaskInstanceFilters{OrderBy: []string{"dag_id", "task_id", "run_id", "map_index"}}, func(t instance) bool {
		return (in.TaskID == "~" || t.Task == in.TaskID) && (!in.MapIndex.Set || t.MapIndex == in.MapIndex.Value) && (!in.MapIndexFilter.Set || t.MapIndex == in.MapIndexFilter.Value)
	})
	if err != nil {
		return page, err
	}
	if len(found) == 0 && in.TaskID != "~" && in.DagRunID != "~" && in.DagID != "~" {
		return page, fail(http.StatusNotFound, "Task id %s not found", in.TaskID)
	}
	var entries []XComResponse
	for _, t := range found {
		a, ok, err := s.output(ctx, t)
		if err != nil {
			return page, err
		}
		if ok {
			entries = append(entries, xcom(t, a))
		}
	}
	page.XComEntries, page.TotalEntries = append(page.XComEntries, cut(entries, in.Page)...), len(entries)
	return page, nil
}
