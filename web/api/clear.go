package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

func (s *server) clearing(a huma.API) {
	route(s, a, http.MethodPost, "/dags/{dag_id}/clearTaskInstances", "post_clear_task_instances", "Clear task instances so that they run again", s.clearInstances)
	huma.Register(a, operation(http.MethodPost, "/dags/{dag_id}/dagRuns/{dag_run_id}/clear", "clear_dag_run", "Clear a run so that it runs again"), func(ctx context.Context, in *clearRunInput) (*out[any], error) {
		body, err := s.clearRun(ctx, in)
		if err != nil {
			return nil, s.failed(ctx, err)
		}
		return &out[any]{body}, nil
	})
	for _, at := range []struct{ path, id, summary string }{{"", "patch_task_instance", "Set the state of a task instance"}, {"/dry_run", "patch_task_instance_dry_run", "Which instances a state would be set for"}} {
		dry := at.path != ""
		route(s, a, http.MethodPatch, instancesPath+"/{task_id}"+at.path, at.id, at.summary, func(ctx context.Context, in *patchInstanceInput) (TaskInstanceCollectionResponse, error) {
			var indexes []int
			if in.MapIndex.Set {
				indexes = []int{in.MapIndex.Value}
			}
			return s.mark(ctx, in.TaskPath, indexes, in.UpdateMask, in.Body, dry)
		})
		route(s, a, http.MethodPatch, instancesPath+"/{task_id}/{map_index}"+at.path, at.id+"_by_map_index", at.summary, func(ctx context.Context, in *patchMappedInput) (TaskInstanceCollectionResponse, error) {
			return s.mark(ctx, in.TaskPath, []int{in.MapIndex}, in.UpdateMask, in.Body, dry)
		})
	}
}

// A TaskRef names a task in a body: its id, or [id, map index].
type TaskRef struct {
	ID       string
	MapIndex *int
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *TaskRef) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, &t.ID) == nil {
		return nil
	}
	var pair []json.RawMessage
	if err := json.Unmarshal(b, &pair); err != nil || len(pair) != 2 {
		return errors.New("task_ids holds task ids, or pairs of a task id and a map index")
	}
	t.MapIndex = new(int)
	if json.Unmarshal(pair[0], &t.ID) != nil || json.Unmarshal(pair[1], t.MapIndex) != nil {
		return errors.New("task_ids: a pair is a task id and a map index")
	}
	return nil
}

// Schema says to OpenAPI what a TaskRef is.
func (TaskRef) Schema(huma.Registry) *huma.Schema {
	two := 2
	return &huma.Schema{AnyOf: []*huma.Schema{{Type: huma.TypeString}, {Type: huma.TypeArray, Items: &huma.Schema{}, MinItems: &two, MaxItems: &two}}}
}

// ClearTaskInstancesBody selects what to clear.
type ClearTaskInstancesBody struct {
	DryRun              *bool     `json:"dry_run,omitempty" doc:"Default true: only tell what would be cleared"`
	StartDate           *Time     `json:"start_date,omitempty" doc:"Without dag_run_id: runs of logical dates from here"`
	EndDate             *Time     `json:"end_date,omitempty" doc:"Without dag_run_id: runs of logical dates up to here"`
	OnlyFailed          *bool     `json:"only_failed,omitempty" doc:"Default true"`
	OnlyRunning         bool      `json:"only_running,omitempty"`
	ResetDagRuns        *bool     `json:"reset_dag_runs,omitempty" doc:"A finished run of which something is cleared always runs again"`
	TaskIDs             []TaskRef `json:"task_ids,omitempty" nullable:"true" maxItems:"10000"`
	DagRunID            *string   `json:"dag_run_id,omitempty" nullable:"true"`
	IncludeUpstream     bool      `json:"include_upstream,omitempty"`
	IncludeDownstream   bool      `json:"include_downstream,omitempty"`
	IncludeFuture       bool      `json:"include_future,omitempty"`
	IncludePast         bool      `json:"include_past,omitempty"`
	RunOnLatestVersion  *bool     `json:"run_on_latest_version,omitempty" nullable:"true" doc:"A run that is pinned to its version of the DAG leaves it for the one in force. (Others always go on with that.)"`
	PreventRunningTasks bool      `json:"prevent_running_task,omitempty" doc:"Refuse when something selected runs"`
	Note                *string   `json:"note,omitempty" nullable:"true" maxLength:"1000"`
}

type clearInput struct {
	DagPath
	Body ClearTaskInstancesBody
}

// yes is a flag that is true unless it says otherwise.
func yes(b *bool) bool { return b == nil || *b }

func (s *server) clearInstances(ctx context.Context, in *clearInput) (TaskInstanceCollectionResponse, error) {
	b := in.Body
	if _, err := s.status(ctx, in.DagID); err != nil {
		return TaskInstanceCollectionResponse{}, err
	}
	if b.DagRunID == nil && (b.IncludeFuture || b.IncludePast) {
		return TaskInstanceCollectionResponse{}, invalid("include_past and include_future go from a run: give dag_run_id", nil, "body", "dag_run_id")
	}
	rows, err := s.runsToClear(ctx, in)
	if err != nil {
		return TaskInstanceCollectionResponse{}, err
	}
	var found []instance
	for _, row := range rows {
		plan, err := s.planClear(ctx, row, b)
		if err != nil {
			return TaskInstanceCollectionResponse{}, err
		}
		if b.PreventRunningTasks && slices.ContainsFunc(plan.found, func(t instance) bool { return t.State == engine.Running }) {
			return TaskInstanceCollectionResponse{}, fail(http.StatusConflict, "a task instance of run %s is running", row.RunID)
		}
		found = append(found, plan.found...)
		if yes(b.DryRun) {
			continue
		}
		for _, sel := range plan.selections {
			if _, err := s.Control.Clear(ctx, in.DagID, row.RunID, sel, false, by); err != nil {
				return TaskInstanceCollectionResponse{}, err
			}
		}
		if b.Note == nil {
			continue
		}
		for i := range plan.found {
			t := &plan.found[i]
			if err := s.Control.NoteTask(ctx, t.DAG, t.RunID, t.Task, t.MapIndex, *b.Note, by); err != nil {
				return TaskInstanceCollectionResponse{}, err
			}
		}
	}
	if !yes(b.DryRun) {
		s.Pulse.Ring()
	}
	return s.instancesResponse(ctx, found)
}

// runsToClear are the run that is named, with those before or after it, or all of a range of logical dates.
func (s *server) runsToClear(ctx context.Context, in *clearInput) ([]engine.RunRow, error) {
	b, f := in.Body, engine.RunFilter{DAGs: []string{in.DagID}, OrderBy: "key"}
	if b.StartDate != nil && !b.StartDate.IsZero() {
		f.LogicalFrom = &b.StartDate.Time
	}
	if b.EndDate != nil && !b.EndDate.IsZero() {
		f.LogicalTo = &b.EndDate.Time
	}
	if b.DagRunID != nil {
		return s.withNeighbours(ctx, RunPath{in.DagID, *b.DagRunID}, b.IncludePast, b.IncludeFuture)
	}
	return s.lookThrough(ctx, f, mostWithInstances, "body", "start_date")
}

// withNeighbours is a run with those of earlier and of later logical dates, as asked.
func (s *server) withNeighbours(ctx context.Context, p RunPath, past, future bool) ([]engine.RunRow, error) {
	row, err := s.row(ctx, p)
	if err != nil || !past && !future {
		return []engine.RunRow{row}, err
	}
	if row.Logical == nil {
		return nil, invalid("a run without a logical date has neither past nor future", nil, "body", "dag_run_id")
	}
	f := engine.RunFilter{DAGs: []string{row.DAG}, OrderBy: "key"}
	if !past {
		f.LogicalFrom = row.Logical
	}
	if !future {
		f.LogicalTo = row.Logical
	}
	rows, err := s.lookThrough(ctx, f, mostWithInstances, "body", map[bool]string{true: "include_past", false: "include_future"}[past])
	return slices.DeleteFunc(rows, func(r engine.RunRow) bool { return r.Logical == nil }), err
}

// A clearPlan is what would be cleared of a run, and the selections that do it.
type clearPlan struct {
	found      []instance
	selections []engine.Selection
}

func (s *server) planClear(ctx context.Context, row engine.RunRow, b ClearTaskInstancesBody) (clearPlan, error) {
	views, err := engine.View(ctx, s.Store, []engine.RunRow{row}, true)
	if err != nil {
		return clearPlan{}, err
	}
	v := views[0]
	var plan clearPlan
	picked := map[engine.TaskKey]bool{}
	for _, sel := range selections(b) {
		keys, err := s.Control.Clear(ctx, row.DAG, row.RunID, sel, true, by)
		if err != nil {
			return clearPlan{}, err
		}
		for _, k := range keys {
			picked[k] = true
		}
		plan.selections = append(plan.selections, sel)
	}
	for _, t := range v.Tasks {
		if picked[t.TaskKey] && (!b.OnlyRunning || t.State == engine.Running) {
			plan.found = append(plan.found, instance{t, v.Run})
		}
	}
	if b.OnlyRunning {
		plan.selections = exactly(plan.found)
	}
	return plan, nil
}

// selections are what a body selects of a run: one for the tasks that are named whole, one for each element.
func selections(b ClearTaskInstancesBody) []engine.Selection {
	base := engine.Selection{Upstream: b.IncludeUpstream, Downstream: b.IncludeDownstream, OnlyFailed: yes(b.OnlyFailed) && !b.OnlyRunning,
		Latest: b.RunOnLatestVersion != nil && *b.RunOnLatestVersion}
	if len(b.TaskIDs) == 0 {
		return []engine.Selection{base}
	}
	whole, out := base, []engine.Selection(nil)
	for _, t := range b.TaskIDs {
		id := t.ID
		if t.MapIndex == nil || *t.MapIndex < 0 {
			whole.Tasks = append(whole.Tasks, id)
			continue
		}
		one := base
		one.Tasks, one.MapIndexes = []string{id}, []int{*t.MapIndex}
		out = append(out, one)
	}
	if len(whole.Tasks) > 0 {
		out = append([]engine.Selection{whole}, out...)
	}
	return out
}

// exactly selects the instances given and nothing else.
func exactly(found []instance) []engine.Selection {
	var out []engine.Selection
	for _, t := range found {
		sel := engine.Selection{Tasks: []string{t.Task}}
		if t.MapIndex >= 0 {
			sel.MapIndexes = []int{t.MapIndex}
		}
		out = append(out, sel)
	}
	return out
}

// DAGRunClearBody says what to clear of a run.
type DAGRunClearBody struct {
	DryRun             *bool   `json:"dry_run,omitempty" doc:"Default true: only tell what would be cleared"`
	OnlyFailed         bool    `json:"only_failed,omitempty"`
	OnlyNew            bool    `json:"only_new,omitempty"`
	RunOnLatestVersion *bool   `json:"run_on_latest_version,omitempty" nullable:"true" doc:"A run that is pinned to its version of the DAG leaves it for the one in force"`
	Note               *string `json:"note,omitempty" nullable:"true" maxLength:"1000"`
}

type clearRunInput struct {
	RunPath
	Body DAGRunClearBody
}

func (s *server) clearRun(ctx context.Context, in *clearRunInput) (any, error) {
	row, err := s.row(ctx, in.RunPath)
	if err != nil {
		return nil, err
	}
	if in.Body.OnlyNew {
		return nil, invalid("new tasks are added to a run by themselves; leave it out", true, "body", "only_new")
	}
	sel := engine.Selection{OnlyFailed: in.Body.OnlyFailed, Latest: in.Body.RunOnLatestVersion != nil && *in.Body.RunOnLatestVersion}
	keys, err := s.Control.Clear(ctx, in.DagID, in.DagRunID, sel, yes(in.Body.DryRun), by)
	if err != nil {
		return nil, err
	}
	if !yes(in.Body.DryRun) {
		if in.Body.Note != nil {
			if err := s.Control.NoteRun(ctx, in.DagID, in.DagRunID, *in.Body.Note, by); err != nil {
				return nil, err
			}
		}
		s.Pulse.Ring()
		return s.getRun(ctx, &in.RunPath)
	}
	found, err := s.picked(ctx, row, keys)
	return clearedResponse(found), err
}

// A ClearedInstance is a task instance that would be cleared with its run. Here Airflow's answer is read as one of two
// shapes of which the smaller fits whatever fits the larger, which the official client refuses as ambiguous; without
// executor_config, which is always empty, only the smaller fits.
type ClearedInstance struct {
	TaskInstanceResponse
	ExecutorConfig *string `json:"executor_config,omitempty"`
}

// A ClearTaskInstanceCollectionResponse is what would be cleared with a run.
type ClearTaskInstanceCollectionResponse struct {
	TaskInstances []ClearedInstance `json:"task_instances" nullable:"false"`
	TotalEntries  int               `json:"total_entries"`
}

func clearedResponse(found TaskInstanceCollectionResponse) ClearTaskInstanceCollectionResponse {
	r := ClearTaskInstanceCollectionResponse{TaskInstances: []ClearedInstance{}, TotalEntries: found.TotalEntries}
	for _, t := range found.TaskInstances {
		r.TaskInstances = append(r.TaskInstances, ClearedInstance{TaskInstanceResponse: t})
	}
	return r
}

// picked tells of the instances of a run with those keys, as they are now.
func (s *server) picked(ctx context.Context, row engine.RunRow, keys []engine.TaskKey) (TaskInstanceCollectionResponse, error) {
	v, err := s.view(ctx, RunPath{row.DAG, row.RunID})
	if err != nil {
		return TaskInstanceCollectionResponse{}, err
	}
	var found []instance
	for _, t := range v.Tasks {
		if slices.Contains(keys, t.TaskKey) {
			found = append(found, instance{t, v.Run})
		}
	}
	return s.instancesResponse(ctx, found)
}
