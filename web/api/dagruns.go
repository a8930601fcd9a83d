package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

func (s *server) dagRuns(a huma.API) {
	const runs, run = "/dags/{dag_id}/dagRuns", "/dags/{dag_id}/dagRuns/{dag_run_id}"
	route(s, a, http.MethodGet, runs, "get_dag_runs", "List runs; ~ as DAG: of every DAG", s.listRuns)
	route(s, a, http.MethodPost, runs+"/list", "get_list_dag_runs_batch", "List runs of several DAGs", s.batchRuns)
	route(s, a, http.MethodPost, runs, "trigger_dag_run", "Trigger a run", s.trigger)
	route(s, a, http.MethodGet, run, "get_dag_run", "Get a run", s.getRun)
	route(s, a, http.MethodPatch, run, "patch_dag_run", "Set the state or the note of a run", s.patchRun)
}

// RunPath names a run.
type RunPath struct {
	DagID    string `path:"dag_id"`
	DagRunID string `path:"dag_run_id"`
}

type listRunsInput struct {
	DagPath
	DAGRunFilters
}

func (s *server) listRuns(ctx context.Context, in *listRunsInput) (DAGRunCollectionResponse, error) {
	var dags []string
	if in.DagID != "~" {
		if _, err := s.status(ctx, in.DagID); err != nil {
			return DAGRunCollectionResponse{}, err
		}
		dags = []string{in.DagID}
	}
	return s.runPage(ctx, dags, &in.DAGRunFilters)
}

func (s *server) runPage(ctx context.Context, dags []string, f *DAGRunFilters) (DAGRunCollectionResponse, error) {
	rows, total, err := s.findRuns(ctx, dags, f)
	if err != nil {
		return DAGRunCollectionResponse{}, err
	}
	all, err := s.runs(ctx, rows...)
	return DAGRunCollectionResponse{DagRuns: all, TotalEntries: total}, err
}

// row finds a run.
func (s *server) row(ctx context.Context, p RunPath) (engine.RunRow, error) {
	if strings.IndexByte(p.DagRunID, 0) >= 0 { // in a body: no run is called so, and PostgreSQL refuses to look it up
		return engine.RunRow{}, fail(http.StatusNotFound, "The DagRun with dag_id: `%s` and run_id: `%s` was not found", p.DagID, p.DagRunID)
	}
	row, err := s.Store.RunByID(ctx, p.DagID, p.DagRunID)
	if err != nil {
		if status, _ := StatusOf(err); status == http.StatusNotFound {
			return row, fail(http.StatusNotFound, "The DagRun with dag_id: `%s` and run_id: `%s` was not found", p.DagID, p.DagRunID)
		}
		return row, err
	}
	return row, nil
}

func (s *server) getRun(ctx context.Context, in *RunPath) (DAGRunResponse, error) {
	row, err := s.row(ctx, *in)
	if err != nil {
		return DAGRunResponse{}, err
	}
	return s.run(ctx, row)
}

// TriggerDAGRunPostBody asks for a manual run.
type TriggerDAGRunPostBody struct {
	LogicalDate       *Time      `json:"logical_date" doc:"null: a run without one"`
	DagRunID          *string    `json:"dag_run_id,omitempty" nullable:"true"`
	DataIntervalStart *Time      `json:"data_interval_start,omitempty" doc:"Follows from the logical date here: leave it out"`
	DataIntervalEnd   *Time      `json:"data_interval_end,omitempty" doc:"Follows from the logical date here: leave it out"`
	RunAfter          *Time      `json:"run_after,omitempty" doc:"Not later than now: a run starts when it is triggered"`
	Conf              JSONObject `json:"conf,omitempty" doc:"The DAG's params"`
	Note              *string    `json:"note,omitempty" nullable:"true" maxLength:"1000"`
	PartitionKey      *string    `json:"partition_key,omitempty" nullable:"true"`
}

type triggerInput struct {
	DagPath
	Body TriggerDAGRunPostBody
}

func (s *server) trigger(ctx context.Context, in *triggerInput) (DAGRunResponse, error) {
	st, err := s.status(ctx, in.DagID)
	if err != nil {
		return DAGRunResponse{}, err
	}
	b := in.Body
	t := engine.TriggerRequest{DAG: st.ID, Params: b.Conf, By: by}
	switch {
	case b.PartitionKey != nil:
		return DAGRunResponse{}, invalid("there are no partitions here; leave it out", *b.PartitionKey, "body", "partition_key")
	case b.DataIntervalStart != nil && !b.DataIntervalStart.IsZero() || b.DataIntervalEnd != nil && !b.DataIntervalEnd.IsZero():
		return DAGRunResponse{}, invalid("the data interval follows from the logical date; leave it out", nil, "body", "data_interval_start")
	}
	if b.RunAfter != nil && !b.RunAfter.IsZero() {
		now, err := s.Store.Now(ctx)
		if err != nil {
			return DAGRunResponse{}, err
		}
		if b.RunAfter.After(now) {
			return DAGRunResponse{}, invalid("a run starts when it is triggered; leave it out", b.RunAfter.Time, "body", "run_after")
		}
	}
	if b.LogicalDate != nil && !b.LogicalDate.IsZero() {
		t.Logical = &b.LogicalDate.Time
	}
	if b.DagRunID != nil {
		t.RunID = *b.DagRunID
	}
	if b.Note != nil {
		t.Note = *b.Note
	}
	row, err := s.Control.Trigger(ctx, t)
	if err != nil {
		return DAGRunResponse{}, err
	}
	s.Pulse.Ring()
	return s.run(ctx, row)
}

// DAGRunPatchBody says what to change of a run.
type DAGRunPatchBody struct {
	State *string `json:"state,omitempty" nullable:"true" enum:"queued,success,failed" doc:"queued clears what failed"`
	Note  *string `json:"note,omitempty" nullable:"true" maxLength:"1000"`
}

type patchRunInput struct {
	RunPath
	UpdateMask
	Body DAGRunPatchBody
}

func (s *server) patchRun(ctx context.Context, in *patchRunInput) (DAGRunResponse, error) {
	if err := in.check("state", "note"); err != nil {
		return DAGRunResponse{}, err
	}
	if _, err := s.row(ctx, in.RunPath); err != nil {
		return DAGRunResponse{}, err
	}
	if in.Body.Note != nil && in.has("note") {
		if err := s.Control.NoteRun(ctx, in.DagID, in.DagRunID, *in.Body.Note, by); err != nil {
			return DAGRunResponse{}, err
		}
		s.Pulse.Ring()
	}
	if in.Body.State != nil && in.has("state") {
		if err := s.setRunState(ctx, in.RunPath, *in.Body.State); err != nil {
			return DAGRunResponse{}, err
		}
		s.Pulse.Ring()
	}
	return s.getRun(ctx, &in.RunPath)
}

func (s *server) setRunState(ctx context.Context, p RunPath, state string) error {
	if state == "queued" {
		_, err := s.Control.Clear(ctx, p.DagID, p.DagRunID, engine.Selection{OnlyFailed: true}, false, by)
		return err
	}
	return s.Control.MarkRun(ctx, p.DagID, p.DagRunID, engine.RunState(state), by)
}
