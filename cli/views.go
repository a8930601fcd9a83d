package cli

import (
	"encoding/json"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// What commands print as JSON: the names are those of the HTTP API.

type dagJSON struct {
	ID            string     `json:"dag_id"`
	Paused        bool       `json:"is_paused"`
	Schedule      string     `json:"timetable_summary"`
	Zone          string     `json:"timezone"`
	Catchup       bool       `json:"catchup"`
	Tags          []string   `json:"tags"`
	Doc           string     `json:"doc_md"`
	Version       string     `json:"version"`
	LastScheduled *time.Time `json:"last_scheduled_logical_date"`
	RegisteredAt  time.Time  `json:"registered_at"`
	Tasks         []taskSpec `json:"tasks,omitempty"`
}

type taskSpec struct {
	ID       string   `json:"task_id"`
	Upstream []string `json:"upstream_task_ids"`
	Rule     string   `json:"trigger_rule"`
	Retries  int      `json:"retries"`
	Mapped   bool     `json:"is_mapped"`
	Virtual  []string `json:"virtual_task_ids,omitempty"`
}

func dagOf(s engine.DAGStatus, tasks bool) dagJSON {
	d := dagJSON{ID: s.ID, Paused: s.Paused, Schedule: s.Spec.Schedule, Zone: s.Spec.Zone, Catchup: s.Spec.Catchup, Tags: s.Spec.Tags, Doc: s.Spec.Doc,
		Version: s.Version, LastScheduled: s.LastScheduled, RegisteredAt: s.RegisteredAt}
	if !tasks {
		return d
	}
	for _, t := range s.Spec.Tasks {
		ts := taskSpec{ID: t.ID, Upstream: []string{}, Rule: string(t.Rule), Retries: t.Retry.Max, Mapped: t.MapOver != ""}
		for _, u := range t.Upstream {
			ts.Upstream = append(ts.Upstream, u.Task)
		}
		for _, v := range t.Virtual {
			ts.Virtual = append(ts.Virtual, v.ID)
		}
		d.Tasks = append(d.Tasks, ts)
	}
	return d
}

type runJSON struct {
	ID          string          `json:"dag_run_id"`
	DAG         string          `json:"dag_id"`
	Type        string          `json:"run_type"`
	State       string          `json:"state"`
	Logical     *time.Time      `json:"logical_date"`
	Start       *time.Time      `json:"data_interval_start"`
	End         *time.Time      `json:"data_interval_end"`
	QueuedAt    time.Time       `json:"queued_at"`
	StartedAt   *time.Time      `json:"start_date"`
	EndedAt     *time.Time      `json:"end_date"`
	Conf        json.RawMessage `json:"conf"`
	TriggeredBy string          `json:"triggered_by"`
	Note        string          `json:"note"`
	Backfill    int64           `json:"backfill_id,omitempty"`
	FailedTasks int             `json:"failed_tasks"`
	Tasks       []taskJSON      `json:"task_instances,omitempty"`
}

func runOf(r engine.RunRow) runJSON {
	conf := json.RawMessage(r.Params)
	if len(conf) == 0 {
		conf = json.RawMessage("{}")
	}
	return runJSON{ID: r.RunID, DAG: r.DAG, Type: string(r.Type), State: string(r.State), Logical: r.Logical, Start: r.Start, End: r.End, QueuedAt: r.QueuedAt,
		StartedAt: r.StartedAt, EndedAt: r.EndedAt, Conf: conf, TriggeredBy: r.TriggeredBy, Note: r.Note, Backfill: r.Backfill, FailedTasks: r.FailedTasks}
}

type taskJSON struct {
	ID        string     `json:"task_id"`
	MapIndex  int        `json:"map_index"`
	State     string     `json:"state"`
	Try       int        `json:"try_number"`
	StartedAt *time.Time `json:"start_date"`
	EndedAt   *time.Time `json:"end_date"`
	Reason    string     `json:"reason,omitempty"`
	Error     string     `json:"error,omitempty"`
	Runner    string     `json:"runner,omitempty"`
	Name      string     `json:"rendered_map_index,omitempty"`
	Note      string     `json:"note,omitempty"`
	Pool      string     `json:"pool,omitempty"`
}

func taskOf(t engine.TaskView) taskJSON {
	return taskJSON{ID: t.Task, MapIndex: t.MapIndex, State: string(t.State), Try: t.Try, StartedAt: t.StartedAt, EndedAt: t.EndedAt, Reason: t.Reason, Error: t.Error, Runner: t.Runner, Name: t.Name, Note: t.Note, Pool: t.Pool}
}

// runDetail is a run with its task instances.
func runDetail(v engine.RunView) runJSON {
	out := runOf(v.Run)
	for _, t := range v.Tasks {
		out.Tasks = append(out.Tasks, taskOf(t))
	}
	return out
}

type keyJSON struct {
	Task     string `json:"task_id"`
	MapIndex int    `json:"map_index"`
}

func keysOf(keys []engine.TaskKey) []keyJSON {
	out := make([]keyJSON, len(keys))
	for i, k := range keys {
		out[i] = keyJSON{k.Task, k.MapIndex}
	}
	return out
}

type backfillJSON struct {
	ID        int64          `json:"id"`
	DAG       string         `json:"dag_id"`
	From      time.Time      `json:"from_date"`
	To        time.Time      `json:"to_date"`
	Reprocess string         `json:"reprocess_behavior"`
	Max       int            `json:"max_active_runs"`
	Paused    bool           `json:"is_paused"`
	Cancelled bool           `json:"cancelled"`
	CreatedAt time.Time      `json:"created_at"`
	Completed *time.Time     `json:"completed_at"`
	Counts    map[string]int `json:"runs"`
}

func backfillOf(b engine.BackfillRow) backfillJSON {
	out := backfillJSON{ID: b.ID, DAG: b.DAG, From: b.From, To: b.To, Reprocess: b.Reprocess, Max: b.MaxActiveRuns, Paused: b.Paused, Cancelled: b.Cancelled,
		CreatedAt: b.CreatedAt, Completed: b.CompletedAt, Counts: map[string]int{}}
	for s, n := range b.Counts {
		out.Counts[string(s)] = n
	}
	return out
}

type stepJSON struct {
	Logical time.Time `json:"logical_date"`
	Action  string    `json:"action"`
	Reason  string    `json:"reason,omitempty"`
}

func stepsOf(steps []engine.BackfillStep) []stepJSON {
	out := make([]stepJSON, len(steps))
	for i, s := range steps {
		out[i] = stepJSON{s.Interval.Start, string(s.Action), s.Reason}
	}
	return out
}

type streamJSON struct {
	Name     string        `json:"name"`
	Doc      string        `json:"doc"`
	Paused   bool          `json:"is_paused"`
	Replicas []replicaJSON `json:"replicas"`
}

type replicaJSON struct {
	Replica   int             `json:"replica"`
	State     string          `json:"state"`
	Worker    string          `json:"worker"`
	StartedAt *time.Time      `json:"start_date"`
	Restarts  int             `json:"restarts"`
	Error     string          `json:"error,omitempty"`
	Progress  json.RawMessage `json:"progress"`
}

func streamOf(s engine.StreamStatus) streamJSON {
	out := streamJSON{Name: s.Name, Doc: s.Doc, Paused: s.Paused, Replicas: []replicaJSON{}}
	for _, r := range s.Replicas {
		p := json.RawMessage(r.Progress)
		if len(p) == 0 {
			p = json.RawMessage("null")
		}
		out.Replicas = append(out.Replicas, replicaJSON{r.Replica, r.State, r.Worker, r.StartedAt, r.Restarts, r.Error, p})
	}
	return out
}
