package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

func (s *server) dependencies(a huma.API) {
	const summary = "Why a task instance does not run"
	route(s, a, http.MethodGet, instancesPath+"/{task_id}/dependencies", "get_task_instance_dependencies", summary, func(ctx context.Context, in *QueryIndexPath) (TaskDependencyCollectionResponse, error) {
		return s.getDependencies(ctx, in.key(in.MapIndex))
	})
	route(s, a, http.MethodGet, instancesPath+"/{task_id}/{map_index}/dependencies", "get_task_instance_dependencies_by_map_index", summary, func(ctx context.Context, in *MappedPath) (TaskDependencyCollectionResponse, error) {
		return s.getDependencies(ctx, in.key(in.MapIndex))
	})
}

// A TaskDependencyResponse is what a task instance waits for.
type TaskDependencyResponse struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// TaskDependencyCollectionResponse lists what a task instance waits for: nothing where it runs or has ended.
type TaskDependencyCollectionResponse struct {
	Dependencies []TaskDependencyResponse `json:"dependencies"`
}

func (s *server) getDependencies(ctx context.Context, k instanceKey) (TaskDependencyCollectionResponse, error) {
	in, err := s.instance(ctx, k)
	if err != nil {
		return TaskDependencyCollectionResponse{}, err
	}
	return TaskDependencyCollectionResponse{dependenciesOf(in.TaskView, in.run.State)}, nil
}

// dependenciesOf is the reason that is on the screen, under the name that Airflow has for its kind.
func dependenciesOf(t engine.TaskView, run engine.RunState) []TaskDependencyResponse {
	if t.Reason == "" {
		return []TaskDependencyResponse{}
	}
	return []TaskDependencyResponse{{dependencyName(t, run), t.Reason}}
}

func dependencyName(t engine.TaskView, run engine.RunState) string {
	switch t.State {
	case engine.UpForRetry:
		return "Not In Retry Period"
	case engine.UpForReschedule:
		return "Ready To Reschedule"
	case engine.AwaitingInput, engine.Deferred, engine.Restarting:
		return "Task Instance State"
	case engine.None:
		if run == engine.RunQueued {
			return "Dagrun Running"
		}
		return "Trigger Rule"
	}
	switch {
	case strings.Contains(t.Reason, "is paused"):
		return "Dag Not Paused"
	case strings.Contains(t.Reason, "pool "):
		return "Pool Slots Available"
	case strings.HasPrefix(t.Reason, "depends on past"):
		return "Previous Dagrun State"
	}
	return "Task Instance Slots Available"
}
