package api

import (
	"context"
	"fmt"
	"net/http"
)

// BulkBody is what is to be done to several task instances.
type BulkBody struct {
	Actions []BulkAction `json:"actions" maxItems:"100"`
}

// A BulkAction is something that is to be done to each of several task instances. Only update can be done.
type BulkAction struct {
	Action      string                 `json:"action" enum:"update,create,delete" doc:"update; the others are refused in the answer"`
	Entities    []BulkTaskInstanceBody `json:"entities" maxItems:"1000"`
	IfMissing   string                 `json:"action_on_non_existence,omitempty" enum:"fail,skip" default:"fail"`
	IfThere     string                 `json:"action_on_existence,omitempty" enum:"fail,skip,overwrite" doc:"Of create"`
	UpdateMasks []string               `json:"update_mask,omitempty" nullable:"true" doc:"Names of the fields to change; the default is all that are given"`
}

// BulkTaskInstanceBody names a task instance and says what to change of it. What the path names may be left out.
type BulkTaskInstanceBody struct {
	PatchTaskInstanceBody
	TaskID   string  `json:"task_id"`
	MapIndex *int    `json:"map_index,omitempty" nullable:"true" doc:"null: all elements of a mapped task"`
	DagID    *string `json:"dag_id,omitempty" nullable:"true"`
	DagRunID *string `json:"dag_run_id,omitempty" nullable:"true"`
}

// A BulkResponse tells for each kind of action what came of it; null where there was none.
type BulkResponse struct {
	Create *BulkActionResponse `json:"create"`
	Update *BulkActionResponse `json:"update"`
	Delete *BulkActionResponse `json:"delete"`
}

// A BulkActionResponse tells which entities were changed, and what went wrong with others.
type BulkActionResponse struct {
	Success []string    `json:"success" nullable:"false" doc:"DAG.run.task[map index]"`
	Errors  []BulkError `json:"errors" nullable:"false"`
}

// A BulkError is what went wrong with an entity.
type BulkError struct {
	Error      any `json:"error"`
	StatusCode int `json:"status_code"`
}

// bulk changes several task instances, one after the other: what goes wrong with one keeps none from being changed.
func (s *server) bulk(ctx context.Context, in *struct {
	RunPath
	Body BulkBody
}) (BulkResponse, error) {
	var all BulkResponse
	for _, a := range in.Body.Actions {
		into := map[string]**BulkActionResponse{"create": &all.Create, "update": &all.Update, "delete": &all.Delete}[a.Action]
		if *into == nil {
			*into = &BulkActionResponse{[]string{}, []BulkError{}}
		}
		if a.Action != "update" {
			(*into).Errors = append((*into).Errors, BulkError{"Task instances bulk " + a.Action + " is not supported", http.StatusMethodNotAllowed})
			continue
		}
		for _, e := range a.Entities {
			name, err := s.bulkUpdate(ctx, in.RunPath, a, e)
			status, detail := StatusOf(err)
			switch {
			case err == nil:
				(*into).Success = append((*into).Success, name)
			case ctx.Err() != nil || status >= http.StatusInternalServerError:
				return BulkResponse{}, err
			case status != http.StatusNotFound || a.IfMissing != "skip":
				(*into).Errors = append((*into).Errors, BulkError{detail, status})
			}
		}
	}
	return all, nil
}

// bulkUpdate changes one entity and returns how an answer names it.
func (s *server) bulkUpdate(ctx context.Context, p RunPath, a BulkAction, e BulkTaskInstanceBody) (string, error) {
	var err error
	if p.DagID, err = named("dag_id", p.DagID, e.DagID); err != nil {
		return "", err
	}
	if p.DagRunID, err = named("dag_run_id", p.DagRunID, e.DagRunID); err != nil {
		return "", err
	}
	index, indexes := -1, []int(nil)
	if e.MapIndex != nil {
		index, indexes = *e.MapIndex, []int{*e.MapIndex}
	}
	_, err = s.mark(ctx, TaskPath{p, e.TaskID}, indexes, UpdateMask{a.UpdateMasks}, e.PatchTaskInstanceBody, false)
	return fmt.Sprintf("%s.%s.%s[%d]", p.DagID, p.DagRunID, e.TaskID, index), err
}

// named is what an entity is in: what the path says, or with ~ there what the entity says.
func named(field, path string, entity *string) (string, error) {
	switch {
	case entity == nil && path == "~":
		return "", invalid("name it here, or in the place of ~ in the path", nil, "body", field)
	case entity == nil:
		return path, nil
	case path != "~" && path != *entity:
		return "", invalid("the path names "+path+": name the same, or ~ there", *entity, "body", field)
	}
	return *entity, nil
}
