package api

import (
	"cmp"
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

func (s *server) tasks(a huma.API) {
	route(s, a, http.MethodGet, "/dags/{dag_id}/tasks", "get_tasks", "List the tasks of a DAG", s.listTasks)
	route(s, a, http.MethodGet, "/dags/{dag_id}/tasks/{task_id}", "get_task", "Get a task of a DAG", s.getTask)
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// A TimeDelta is a span of time, in Airflow's parts.
type TimeDelta struct {
	Type         string `json:"__type"`
	Days         int    `json:"days"`
	Seconds      int    `json:"seconds"`
	Microseconds int    `json:"microseconds"`
}

func timeDelta(d time.Duration) *TimeDelta {
	if d <= 0 {
		return nil
	}
	const day = 24 * time.Hour
	return &TimeDelta{"TimeDelta", int(d / day), int(d % day / time.Second), int(d % time.Second / time.Microsecond)}
}

// A TaskResponse is a task of a DAG.
type TaskResponse struct {
	TaskID                  string            `json:"task_id"`
	TaskDisplayName         string            `json:"task_display_name"`
	Owner                   *string           `json:"owner"`
	StartDate               *time.Time        `json:"start_date"`
	EndDate                 *time.Time        `json:"end_date"`
	TriggerRule             string            `json:"trigger_rule"`
	DependsOnPast           bool              `json:"depends_on_past"`
	WaitForDownstream       bool              `json:"wait_for_downstream"`
	Retries                 int               `json:"retries"`
	Queue                   *string           `json:"queue"`
	Pool                    string            `json:"pool"`
	PoolSlots               int               `json:"pool_slots"`
	ExecutionTimeout        *TimeDelta        `json:"execution_timeout"`
	RetryDelay              *TimeDelta        `json:"retry_delay"`
	RetryExponentialBackoff float64           `json:"retry_exponential_backoff" doc:"The multiplier; 0: constant"`
	PriorityWeight          int               `json:"priority_weight"`
	WeightRule              string            `json:"weight_rule"`
	UIColor                 string            `json:"ui_color"`
	UIFgcolor               string            `json:"ui_fgcolor"`
	TemplateFields          []string          `json:"template_fields" nullable:"false"`
	DownstreamTaskIDs       []string          `json:"downstream_task_ids" nullable:"false"`
	DocMD                   *string           `json:"doc_md"`
	OperatorName            *string           `json:"operator_name"`
	Params                  map[string]any    `json:"params"`
	ClassRef                map[string]string `json:"class_ref"`
	IsMapped                bool              `json:"is_mapped"`
	ExtraLinks              []string          `json:"extra_links" nullable:"false"`
	Upstream                []UpstreamEdge    `json:"upstream" nullable:"false" doc:"Ours: the edges into it"`
	IsSetup                 bool              `json:"is_setup" doc:"Ours"`
	IsTeardown              bool              `json:"is_teardown" doc:"Ours"`
	Branches                []string          `json:"branches" nullable:"false" doc:"Ours: the ways of which it takes one"`
	Answers                 []string          `json:"answers" nullable:"false" doc:"Ours: those that its question takes"`
	UpdatesAssets           []string          `json:"updates_assets" nullable:"false" doc:"Ours: names"`
	TriggersDagID           *string           `json:"triggers_dag_id" doc:"Ours"`
	PokeInterval            *TimeDelta        `json:"poke_interval" doc:"Ours: of a sensor"`
}

// An UpstreamEdge is an edge into a task.
type UpstreamEdge struct {
	TaskID string `json:"task_id"`
	Kind   string `json:"kind" enum:"value,order,settled,optional,first"`
	Branch string `json:"branch" doc:"The way that the upstream must have taken; empty: whichever"`
}

// A TaskCollectionResponse is the tasks of a DAG.
type TaskCollectionResponse struct {
	Tasks        []TaskResponse `json:"tasks" nullable:"false"`
	TotalEntries int            `json:"total_entries"`
}

func taskResponses(spec engine.Spec) []TaskResponse {
	down := map[string][]string{}
	for _, t := range spec.Tasks {
		for _, u := range t.Upstream {
			down[u.Task] = append(down[u.Task], t.ID)
		}
	}
	var owner *string
	if len(spec.Owners) > 0 {
		owner = &spec.Owners[0]
	}
	all := make([]TaskResponse, 0, len(spec.Tasks))
	for _, t := range spec.Tasks {
		r := TaskResponse{
			TaskID: t.ID, TaskDisplayName: t.ID, Owner: owner, StartDate: utc(spec.StartDate), EndDate: utc(spec.EndDate), TriggerRule: string(t.Rule), Retries: t.Retry.Max, Queue: optional(t.Queue),
			DependsOnPast: t.DependsOnPast, WaitForDownstream: t.WaitForDownstream,
			Pool: poolOf(t.Pool), PoolSlots: max(1, t.PoolSlots), ExecutionTimeout: timeDelta(time.Duration(t.Timeout)), RetryDelay: timeDelta(t.Retry.Initial), PriorityWeight: t.Priority, WeightRule: "absolute",
			UIColor: "#e8f7e4", UIFgcolor: "#000", TemplateFields: []string{}, DownstreamTaskIDs: append([]string{}, down[t.ID]...), DocMD: optional(t.Doc),
			OperatorName: optional(shortName(t.Body)), Params: map[string]any{}, ClassRef: map[string]string{"module_path": "", "class_name": t.Body}, IsMapped: t.MapOver != "", ExtraLinks: []string{},
		}
		r.Upstream, r.IsSetup, r.IsTeardown, r.PokeInterval, r.TriggersDagID = []UpstreamEdge{}, t.Setup, t.Teardown, timeDelta(time.Duration(t.PokeEvery)), optional(t.Triggers)
		r.Branches, r.Answers, r.UpdatesAssets = append([]string{}, t.Ports...), append([]string{}, t.Answers...), append([]string{}, t.Updates...)
		for _, u := range t.Upstream {
			r.Upstream = append(r.Upstream, UpstreamEdge{u.Task, string(u.Kind), u.Port})
		}
		if t.Retry.Multiplier > 1 {
			r.RetryExponentialBackoff = t.Retry.Multiplier
		}
		all = append(all, r)
	}
	return all
}

type listTasksInput struct {
	DagPath
	OrderBy string `query:"order_by" default:"task_id"`
}

func (s *server) listTasks(ctx context.Context, in *listTasksInput) (TaskCollectionResponse, error) {
	st, err := s.status(ctx, in.DagID)
	if err != nil {
		return TaskCollectionResponse{}, err
	}
	all := taskResponses(st.Spec)
	if err := sortBy(all, []string{in.OrderBy}, "task_id", map[string]func(a, b TaskResponse) int{
		"task_id":           func(a, b TaskResponse) int { return cmp.Compare(a.TaskID, b.TaskID) },
		"task_display_name": func(a, b TaskResponse) int { return cmp.Compare(a.TaskID, b.TaskID) },
		"retries":           func(a, b TaskResponse) int { return cmp.Compare(a.Retries, b.Retries) },
		"trigger_rule":      func(a, b TaskResponse) int { return cmp.Compare(a.TriggerRule, b.TriggerRule) },
	}); err != nil {
		return TaskCollectionResponse{}, err
	}
	return TaskCollectionResponse{all, len(all)}, nil
}

func (s *server) getTask(ctx context.Context, in *struct {
	DagPath
	TaskID string `path:"task_id"`
}) (TaskResponse, error) {
	st, err := s.status(ctx, in.DagID)
	if err != nil {
		return TaskResponse{}, err
	}
	for _, t := range taskResponses(st.Spec) {
		if t.TaskID == in.TaskID {
			return t, nil
		}
	}
	return TaskResponse{}, fail(http.StatusNotFound, "Task with id %s was not found", in.TaskID)
}
