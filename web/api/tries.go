package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

func (s *server) tries(a huma.API) {
	const tries = "Task instance tries"
	route(s, a, http.MethodGet, instancesPath+"/{task_id}/tries", "get_task_instance_tries", tries, func(ctx context.Context, in *QueryIndexPath) (TaskInstanceHistoryCollectionResponse, error) {
		return s.listTries(ctx, in.key(in.MapIndex))
	})
	route(s, a, http.MethodGet, instancesPath+"/{task_id}/{map_index}/tries", "get_mapped_task_instance_tries", tries, func(ctx context.Context, in *MappedPath) (TaskInstanceHistoryCollectionResponse, error) {
		return s.listTries(ctx, in.key(in.MapIndex))
	})
	route(s, a, http.MethodGet, instancesPath+"/{task_id}/tries/{task_try_number}", "get_task_instance_try_details", "One try", func(ctx context.Context, in *struct {
		QueryIndexPath
		Try int `path:"task_try_number"`
	}) (TaskInstanceHistoryResponse, error) {
		return s.oneTry(ctx, in.key(in.MapIndex), in.Try)
	})
	route(s, a, http.MethodGet, instancesPath+"/{task_id}/{map_index}/tries/{task_try_number}", "get_mapped_task_instance_try_details", "One try", func(ctx context.Context, in *struct {
		MappedPath
		Try int `path:"task_try_number"`
	}) (TaskInstanceHistoryResponse, error) {
		return s.oneTry(ctx, in.key(in.MapIndex), in.Try)
	})
}

// QueryIndexPath names a task instance, its map index in the query.
type QueryIndexPath struct {
	TaskPath
	MapIndex int `query:"map_index" default:"-1"`
}

func (s *server) listTries(ctx context.Context, k instanceKey) (TaskInstanceHistoryCollectionResponse, error) {
	in, err := s.instance(ctx, k)
	if err != nil {
		return TaskInstanceHistoryCollectionResponse{}, err
	}
	list := []TaskInstanceHistoryResponse{}
	seen := map[int]bool{}
	if in.Runner == "" {
		attempts, err := s.Store.Attempts(ctx, []int64{in.run.Key}, k.task)
		if err != nil {
			return TaskInstanceHistoryCollectionResponse{}, err
		}
		for _, a := range attempts {
			if a.MapIndex == k.mapIndex && a.Try > 0 {
				r := tryResponse(in.TaskView, a)
				if r.DagVersion, err = s.version(ctx, in.DAG, a.Version); err != nil {
					return TaskInstanceHistoryCollectionResponse{}, err
				}
				list = append(list, r)
				seen[a.Try] = true
			}
		}
	}
	if in.Try > 0 && !seen[in.Try] && in.State != engine.None {
		one, err := s.instanceOf(ctx, in)
		if err != nil {
			return TaskInstanceHistoryCollectionResponse{}, err
		}
		list = append(list, one.TaskInstanceHistoryResponse)
	}
	return TaskInstanceHistoryCollectionResponse{list, len(list)}, nil
}

func (s *server) oneTry(ctx context.Context, k instanceKey, try int) (TaskInstanceHistoryResponse, error) {
	list, err := s.listTries(ctx, k)
	if err != nil {
		return TaskInstanceHistoryResponse{}, err
	}
	for _, t := range list.TaskInstances {
		if t.TryNumber == try {
			return t, nil
		}
	}
	return TaskInstanceHistoryResponse{}, fail(http.StatusNotFound, "The Task Instance with dag_id: `%s`, run_id: `%s`, task_id: `%s`, try_number: `%d` and map_index: `%d` was not found", k.DagID, k.DagRunID, k.task, try, k.mapIndex)
}
