package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

// dropQueued adds the calls that make updates of assets pending no more.
func (s *server) dropQueued(a huma.API) {
	drop := func(path, id, summary string) huma.Operation {
		op := operation(http.MethodDelete, path, id, summary)
		op.DefaultStatus = http.StatusNoContent
		return op
	}
	huma.Register(a, drop("/assets/{asset_id}/queuedEvents", "delete_asset_queued_events", "Forget an asset's updates that DAGs wait with"), func(ctx context.Context, in *struct {
		AssetPath
		QueuedBefore
	}) (*struct{}, error) {
		return nil, s.failed(ctx, s.dropQueuedEvents(ctx, "", &in.ID, in.Before))
	})
	huma.Register(a, drop("/dags/{dag_id}/assets/queuedEvents", "delete_dag_asset_queued_events", "Forget the updates that a DAG has not run for yet"), func(ctx context.Context, in *struct {
		DagPath
		QueuedBefore
	}) (*struct{}, error) {
		return nil, s.failed(ctx, s.dropQueuedEvents(ctx, in.DagID, nil, in.Before))
	})
	huma.Register(a, drop("/dags/{dag_id}/assets/{asset_id}/queuedEvents", "delete_dag_asset_queued_event", "Forget the updates of an asset that a DAG has not run for yet"), func(ctx context.Context, in *struct {
		DagPath
		AssetPath
		QueuedBefore
	}) (*struct{}, error) {
		return nil, s.failed(ctx, s.dropQueuedEvents(ctx, in.DagID, &in.ID, in.Before))
	})
}

// dropQueuedEvents forgets those of a DAG, or of all for "", and of an asset, or of all for nil. There must be one.
func (s *server) dropQueuedEvents(ctx context.Context, dag string, asset *int64, before string) error {
	var until time.Time
	if before != "" {
		var err error
		if until, err = parseTime(before); err != nil {
			return invalid(err.Error(), before, "query", "before")
		}
	}
	name, number := "", int64(0)
	if asset != nil {
		a, err := s.asset(ctx, *asset)
		if err != nil {
			return err
		}
		name, number = a.Name, *asset
	}
	n, err := s.Control.DropPending(ctx, dag, engine.Asset(name), until, by)
	if err != nil {
		return err
	}
	if n == 0 {
		return noQueuedEvent(dag, number)
	}
	s.Pulse.Ring()
	return nil
}

func noQueuedEvent(dag string, asset int64) error {
	return fail(http.StatusNotFound, "Queue event with dag_id: `%s` and asset_id: `%d` was not found", dag, asset)
}
