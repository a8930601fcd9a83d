package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/live"
)

// recentRuns is how many of the newest runs the events tell of.
const recentRuns = 100

func (s *server) events(a huma.API) {
	op := operation(http.MethodGet, "/events", "get_events", "What changes, as server-sent events: first the present state, then whatever differs from it")
	op.Responses["200"] = &huma.Response{Description: "Events dag, dag_run, task_instance, stream and backfill, each with the resource as data", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}}}
	huma.Register(a, op, func(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
		if _, err := s.snapshot(ctx, in); err != nil {
			return nil, s.failed(ctx, err)
		}
		return &huma.StreamResponse{Body: func(c huma.Context) { s.sendEvents(c, in) }}, nil
	})
}

type eventsInput struct {
	DagID       string `query:"dag_id" doc:"Only of this DAG"`
	DagRunID    string `query:"dag_run_id" doc:"Only of this run, with its task instances"`
	LastEventID string `header:"Last-Event-ID" doc:"Is understood: whoever comes back is told the present state first"`
}

// An event is one resource as it is now.
type event struct {
	kind, key string
	data      any
}

func (s *server) sendEvents(c huma.Context, in *eventsInput) {
	r, w := humachi.Unwrap(c)
	ctx, stop := s.Gate.Context(r)
	defer stop()
	out := live.NewStream(w)
	for {
		events, err := s.snapshot(ctx, in)
		if err != nil {
			if ctx.Err() == nil {
				s.Log.Warn("events: the client is to connect again", "error", err)
			}
			return
		}
		for _, e := range events {
			data, err := json.Marshal(e.data)
			if err != nil {
				s.Log.Error("encode an event", "kind", e.kind, "error", err)
				return
			}
			if _, err := out.Changed(e.kind+"/"+e.key, e.kind, data); err != nil {
				return
			}
		}
		if out.Flush() != nil || s.Pulse.Wait(ctx) != nil {
			return
		}
	}
}

// snapshot is everything that the events are about, as it is now.
func (s *server) snapshot(ctx context.Context, in *eventsInput) ([]event, error) {
	if in.DagRunID != "" {
		return s.runSnapshot(ctx, RunPath{in.DagID, in.DagRunID})
	}
	var events []event
	dags, err := s.dagsThatFit(ctx, &DAGFilters{})
	if err != nil {
		return nil, err
	}
	f := engine.RunFilter{Limit: recentRuns}
	if in.DagID != "" {
		if _, err := s.status(ctx, in.DagID); err != nil {
			return nil, err
		}
		f.DAGs = []string{in.DagID}
	}
	for _, d := range dags {
		if in.DagID == "" || d.DagID == in.DagID {
			d.LastParsedTime = nil
			events = append(events, event{"dag", d.DagID, d})
		}
	}
	rows, _, err := s.Store.Runs(ctx, f)
	if err != nil {
		return nil, err
	}
	runs, err := s.runs(ctx, rows...)
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		events = append(events, event{"dag_run", r.DagID + "/" + r.DagRunID, r})
	}
	backfills, _, err := s.Store.Backfills(ctx, engine.BackfillFilter{DAG: in.DagID, Limit: recentRuns})
	if err != nil {
		return nil, err
	}
	for _, b := range backfills {
		r := backfillResponse(b)
		events = append(events, event{"backfill", instanceID(engine.TaskKey{Run: b.ID}), r})
	}
	if in.DagID != "" {
		return events, nil
	}
	streams, err := s.listStreams(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, st := range streams.Streams {
		events = append(events, event{"stream", st.Name, st})
	}
	return events, nil
}

func (s *server) runSnapshot(ctx context.Context, p RunPath) ([]event, error) {
	v, err := s.view(ctx, p)
	if err != nil {
		return nil, err
	}
	run, err := s.run(ctx, v.Run)
	if err != nil {
		return nil, err
	}
	events := []event{{"dag_run", p.DagID + "/" + p.DagRunID, run}}
	for _, t := range v.Tasks {
		one, err := s.instanceOf(ctx, instance{t, v.Run})
		if err != nil {
			return nil, err
		}
		events = append(events, event{"task_instance", one.ID, one})
	}
	return events, nil
}
