package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

func (s *server) streams(a huma.API) {
	route(s, a, http.MethodGet, "/streams", "get_streams", "List streams", s.listStreams)
	route(s, a, http.MethodGet, "/streams/{stream}", "get_stream", "Get a stream", func(ctx context.Context, in *streamPath) (StreamResponse, error) {
		return s.getStream(ctx, in.Name)
	})
	for name, paused := range map[string]bool{"pause": true, "resume": false} {
		route(s, a, http.MethodPut, "/streams/{stream}/"+name, name+"_stream", "Pause or resume a stream", func(ctx context.Context, in *streamPath) (StreamResponse, error) {
			if _, err := s.getStream(ctx, in.Name); err != nil {
				return StreamResponse{}, err
			}
			if err := s.Control.PauseStream(ctx, in.Name, paused, by); err != nil {
				return StreamResponse{}, err
			}
			s.Pulse.Ring()
			return s.getStream(ctx, in.Name)
		})
	}
	if s.Lake != nil {
		route(s, a, http.MethodGet, "/lake", "get_lake", "How the lake stands", func(ctx context.Context, _ *struct{}) (any, error) { return s.Lake(ctx) })
	}
}

type streamPath struct {
	Name string `path:"stream"`
}

// A StreamResponse is a stream: a task without end.
type StreamResponse struct {
	Name        string            `json:"name"`
	Description *string           `json:"description"`
	IsPaused    bool              `json:"is_paused"`
	Replicas    []ReplicaResponse `json:"replicas" nullable:"false"`
}

// A ReplicaResponse is one replica of a stream.
type ReplicaResponse struct {
	Replica    int             `json:"replica"`
	State      string          `json:"state" enum:"running,stopped,restarting,paused"`
	Worker     *string         `json:"worker"`
	StartedAt  *time.Time      `json:"started_at"`
	Restarts   int             `json:"restarts" doc:"In a row"`
	NextStart  *time.Time      `json:"next_start"`
	Error      *string         `json:"error" doc:"Why it ended last"`
	Progress   json.RawMessage `json:"progress" doc:"As the stream reports it"`
	ProgressAt *time.Time      `json:"progress_at"`
}

// A StreamCollectionResponse is all streams.
type StreamCollectionResponse struct {
	Streams      []StreamResponse `json:"streams" nullable:"false"`
	TotalEntries int              `json:"total_entries"`
}

func streamResponse(st engine.StreamStatus) StreamResponse {
	r := StreamResponse{Name: st.Name, Description: optional(st.Doc), IsPaused: st.Paused, Replicas: []ReplicaResponse{}}
	for _, p := range st.Replicas {
		r.Replicas = append(r.Replicas, ReplicaResponse{
			p.Replica, p.State, optional(p.Worker), utc(p.StartedAt), p.Restarts, utc(p.NextStart), optional(p.Error), raw(p.Progress), utc(p.ProgressAt),
		})
	}
	return r
}

func (s *server) listStreams(ctx context.Context, _ *struct{}) (StreamCollectionResponse, error) {
	all, err := s.Store.Streams(ctx)
	if err != nil {
		return StreamCollectionResponse{}, err
	}
	page := StreamCollectionResponse{Streams: make([]StreamResponse, 0, len(all)), TotalEntries: len(all)}
	for _, st := range all {
		page.Streams = append(page.Streams, streamResponse(st))
	}
	return page, nil
}

func (s *server) getStream(ctx context.Context, name string) (StreamResponse, error) {
	all, err := s.listStreams(ctx, nil)
	if err != nil {
		return StreamResponse{}, err
	}
	for _, st := range all.Streams {
		if st.Name == name {
			return st, nil
		}
	}
	return StreamResponse{}, fail(http.StatusNotFound, "The stream with name: `%s` was not found", name)
}
