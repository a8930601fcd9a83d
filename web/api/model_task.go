package api

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// A TaskInstanceHistoryResponse is one try of a task instance.
type TaskInstanceHistoryResponse struct {
	TaskID          string      `json:"task_id"`
	DagID           string      `json:"dag_id"`
	DagRunID        string      `json:"dag_run_id"`
	MapIndex        int         `json:"map_index"`
	StartDate       *time.Time  `json:"start_date"`
	EndDate         *time.Time  `json:"end_date"`
	Duration        *float64    `json:"duration" doc:"In seconds"`
	State           *string     `json:"state" doc:"null: it waits for its upstreams"`
	TryNumber       int         `json:"try_number"`
	MaxTries        int         `json:"max_tries"`
	TaskDisplayName string      `json:"task_display_name"`
	DagDisplayName  string      `json:"dag_display_name"`
	Hostname        *string     `json:"hostname" doc:"The worker process"`
	Unixname        *string     `json:"unixname"`
	Pool            string      `json:"pool"`
	PoolSlots       int         `json:"pool_slots"`
	Queue           *string     `json:"queue"`
	PriorityWeight  *int        `json:"priority_weight"`
	Operator        *string     `json:"operator" doc:"The Go function"`
	OperatorName    *string     `json:"operator_name"`
	QueuedWhen      *time.Time  `json:"queued_when"`
	ScheduledWhen   *time.Time  `json:"scheduled_when"`
	Pid             *int        `json:"pid"`
	Executor        *string     `json:"executor"`
	ExecutorConfig  string      `json:"executor_config"`
	DagVersion      *DagVersion `json:"dag_version"`
}

// A TaskInstanceResponse is a task instance: a task, one element of a mapped one, or a node that a task reports.
type TaskInstanceResponse struct {
	TaskInstanceHistoryResponse
	ID               string          `json:"id"`
	LogicalDate      *time.Time      `json:"logical_date"`
	RunAfter         time.Time       `json:"run_after"`
	Note             *string         `json:"note" doc:"By people"`
	RenderedMapIndex *string         `json:"rendered_map_index" doc:"Name of the element that it works on"`
	RenderedFields   map[string]any  `json:"rendered_fields"`
	Trigger          json.RawMessage `json:"trigger"`
	TriggererJob     json.RawMessage `json:"triggerer_job"`
	Reason           *string         `json:"reason" doc:"Ours: why it does not run; null when it runs on a worker that is heard of, or has ended"`
	Error            *string         `json:"error" doc:"Ours: how its latest try failed, or why it was decided without one"`
}

// A TaskInstanceCollectionResponse is a page of task instances.
type TaskInstanceCollectionResponse struct {
	TaskInstances     []TaskInstanceResponse `json:"task_instances" nullable:"false"`
	TotalEntries      int                    `json:"total_entries"`
	TotalEntriesLimit *int                   `json:"total_entries_limit"`
	NextCursor        *string                `json:"next_cursor"`
	PreviousCursor    *string                `json:"previous_cursor"`
}

// A TaskInstanceHistoryCollectionResponse is the tries of a task instance.
type TaskInstanceHistoryCollectionResponse struct {
	TaskInstances []TaskInstanceHistoryResponse `json:"task_instances" nullable:"false"`
	TotalEntries  int                           `json:"total_entries"`
}

// stateOf is Airflow's name of a state; null for none.
func stateOf(s engine.State) *string {
	if s == engine.None || s == "" {
		return nil
	}
	return optional(string(s))
}

func instanceResponse(t engine.TaskView, run engine.RunRow) TaskInstanceResponse {
	priority := t.Priority
	h := TaskInstanceHistoryResponse{
		TaskID: t.Task, DagID: t.DAG, DagRunID: t.RunID, MapIndex: t.MapIndex, StartDate: utc(t.StartedAt), EndDate: utc(t.EndedAt), Duration: seconds(t.StartedAt, t.EndedAt),
		State: stateOf(t.State), TryNumber: t.Try, MaxTries: max(t.MaxTries-1, 0), TaskDisplayName: t.Task, DagDisplayName: t.DAG, Hostname: optional(t.Worker),
		Pool: poolOf(t.Pool), PoolSlots: max(1, t.PoolSlots), Queue: optional(t.Queue), PriorityWeight: &priority, Operator: optional(t.Body), OperatorName: optional(shortName(t.Body)),
		QueuedWhen: utc(t.QueuedAt), ScheduledWhen: utc(t.QueuedAt), ExecutorConfig: "{}",
	}
	r := TaskInstanceResponse{TaskInstanceHistoryResponse: h, ID: instanceID(t.TaskKey), LogicalDate: utc(run.Logical), RunAfter: runAfter(run), RenderedFields: map[string]any{},
		Note: optional(t.Note), RenderedMapIndex: optional(t.Name), Reason: optional(t.Reason), Error: optional(t.Error)}
	return r
}

// poolOf is Airflow's name of the pool that a task is in.
func poolOf(pool string) string { return cmp.Or(pool, defaultPool) }

func shortName(body string) string { return body[strings.LastIndex(body, ".")+1:] }

// tryResponse is one try of an instance, from history.
func tryResponse(t engine.TaskView, a engine.Attempt) TaskInstanceHistoryResponse {
	r := instanceResponse(t, engine.RunRow{}).TaskInstanceHistoryResponse
	ended := a.EndedAt.UTC()
	r.TryNumber, r.State, r.StartDate, r.EndDate, r.Duration = a.Try, optional(endState(a.Ending)), utc(a.StartedAt), &ended, seconds(a.StartedAt, &ended)
	r.QueuedWhen, r.ScheduledWhen, r.Hostname = utc(a.QueuedAt), utc(a.QueuedAt), optional(a.Worker)
	return r
}

// endState is Airflow's name of how a try ended: what timed out, was lost or cancelled is failed there.
func endState(e engine.Ending) string {
	switch e {
	case engine.EndSuccess:
		return "success"
	case engine.EndSkipped:
		return "skipped"
	}
	return "failed"
}

func timesOf(t engine.TaskView, run engine.RunRow) timed {
	after := runAfter(run)
	return timed{Logical: run.Logical, After: &after, Start: t.StartedAt, End: t.EndedAt, Duration: seconds(t.StartedAt, t.EndedAt)}
}
