package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/tidemill/tidemill/engine"
)

// PatchTaskInstanceBody says what to change of a task instance.
type PatchTaskInstanceBody struct {
	NewState          *string         `json:"new_state,omitempty" nullable:"true" doc:"success, failed or skipped"`
	Note              *string         `json:"note,omitempty" nullable:"true" maxLength:"1000"`
	IncludeUpstream   bool            `json:"include_upstream,omitempty"`
	IncludeDownstream bool            `json:"include_downstream,omitempty"`
	IncludeFuture     bool            `json:"include_future,omitempty"`
	IncludePast       bool            `json:"include_past,omitempty"`
	Output            json.RawMessage `json:"output,omitempty" doc:"Ours: what a success yields; the default is the task's last successful output in the run"`
}

type patchInstanceInput struct {
	TaskPath
	UpdateMask
	MapIndex OptInt `query:"map_index"`
	Body     PatchTaskInstanceBody
}

type patchMappedInput struct {
	MappedPath
	UpdateMask
	Body PatchTaskInstanceBody
}

// mark sets the state of instances, and answers with which they are; with dry it only answers.
func (s *server) mark(ctx context.Context, p TaskPath, indexes []int, mask UpdateMask, b PatchTaskInstanceBody, dry bool) (TaskInstanceCollectionResponse, error) {
	none := TaskInstanceCollectionResponse{}
	if err := mask.check("new_state", "note"); err != nil {
		return none, err
	}
	noted := b.Note != nil && mask.has("note")
	if !noted && (b.NewState == nil || !mask.has("new_state")) {
		return none, invalid("give the state to set, success or failed, or a note", nil, "body", "new_state")
	}
	index := -1
	if len(indexes) == 1 {
		index = indexes[0]
	}
	if index < 0 {
		indexes = nil
	}
	rows, err := s.withNeighbours(ctx, p.RunPath, b.IncludePast, b.IncludeFuture)
	if err != nil {
		return none, err
	}
	if err := s.hasTask(ctx, p, index); err != nil {
		return none, err
	}
	if noted && !dry {
		if err := s.note(ctx, p, index, *b.Note); err != nil {
			return none, err
		}
	}
	if b.NewState == nil || !mask.has("new_state") {
		return s.noted(ctx, p, index)
	}
	var all TaskInstanceCollectionResponse
	all.TaskInstances = []TaskInstanceResponse{}
	for _, row := range rows {
		r := engine.MarkRequest{Selection: engine.Selection{Tasks: []string{p.TaskID}, MapIndexes: indexes, Upstream: b.IncludeUpstream, Downstream: b.IncludeDownstream}, State: engine.State(*b.NewState), By: by, DryRun: dry}
		if len(b.Output) > 0 {
			r.Output = b.Output
		}
		keys, err := s.Control.Mark(ctx, row.DAG, row.RunID, r)
		if err != nil {
			return none, err
		}
		found, err := s.picked(ctx, row, keys)
		if err != nil {
			return none, err
		}
		all.TaskInstances = append(all.TaskInstances, found.TaskInstances...)
	}
	if !dry {
		s.Pulse.Ring()
	}
	all.TotalEntries = len(all.TaskInstances)
	return all, nil
}

// note sets the note of an instance, or of all elements of a mapped task.
func (s *server) note(ctx context.Context, p TaskPath, index int, note string) error {
	v, err := s.view(ctx, p.RunPath)
	if err != nil {
		return err
	}
	for _, t := range v.Tasks {
		switch {
		case t.Task != p.TaskID || index >= 0 && t.MapIndex != index:
		case t.Runner != "":
			return invalid(t.Task+" is reported by "+t.Runner+": note that task", nil, "body", "note")
		default:
			if err := s.Control.NoteTask(ctx, p.DagID, p.DagRunID, t.Task, t.MapIndex, note, by); err != nil {
				return err
			}
		}
	}
	s.Pulse.Ring()
	return nil
}

// noted are the instances that a note is about.
func (s *server) noted(ctx context.Context, p TaskPath, index int) (TaskInstanceCollectionResponse, error) {
	row, err := s.row(ctx, p.RunPath)
	if err != nil {
		return TaskInstanceCollectionResponse{}, err
	}
	return s.instancePage(ctx, []engine.RunRow{row}, &TaskInstanceFilters{Page: Page{Limit: maxLimit}}, func(t instance) bool {
		return t.Task == p.TaskID && (index < 0 || t.MapIndex == index)
	})
}

// hasTask refuses a task, or an element of it, that the run does not have.
func (s *server) hasTask(ctx context.Context, p TaskPath, index int) error {
	v, err := s.view(ctx, p.RunPath)
	if err != nil {
		return err
	}
	for _, t := range v.Tasks {
		if t.Task == p.TaskID && (index < 0 || t.MapIndex == index) {
			return nil
		}
	}
	return fail(http.StatusNotFound, "The Task Instance with dag_id: `%s`, run_id: `%s`, task_id: `%s` and map_index: `%d` was not found", p.DagID, p.DagRunID, p.TaskID, index)
}
