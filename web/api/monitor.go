package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

// silentAfter is how long a process may be silent before it counts as unhealthy: as long as the engine lets it live.
const silentAfter = engine.DefaultDeadAfter

func (s *server) monitor(a huma.API) {
	route(s, a, http.MethodGet, "/monitor/health", "get_health", "Health of the parts", s.health)
	route(s, a, http.MethodGet, "/version", "get_version", "Version", func(context.Context, *struct{}) (VersionInfo, error) {
		return VersionInfo{s.Version, optional(s.Build)}, nil
	})
	op := operation(http.MethodPost, "", "create_token", "A bearer token; it is the same for everybody as long as nothing asks for one")
	op.Path, op.DefaultStatus, op.Tags = "/auth/token", http.StatusCreated, []string{"auth"}
	huma.Register(a, op, func(context.Context, *struct{ Body *LoginBody }) (*out[TokenResponse], error) {
		return &out[TokenResponse]{TokenResponse{"loopback"}}, nil
	})
}

// VersionInfo is which program this is.
type VersionInfo struct {
	Version    string  `json:"version"`
	GitVersion *string `json:"git_version"`
}

// LoginBody is what Airflow's clients log in with. Nothing is checked so far: only this machine can connect.
type LoginBody struct {
	_        struct{} `json:"-" additionalProperties:"true"`
	Username string   `json:"username,omitempty"`
	Password string   `json:"password,omitempty"`
}

// TokenResponse is a bearer token.
type TokenResponse struct {
	AccessToken string `json:"access_token"`
}

// HealthInfoResponse is how the parts are.
type HealthInfoResponse struct {
	Metadatabase struct {
		Status string `json:"status"`
	} `json:"metadatabase"`
	Scheduler struct {
		Status    *string `json:"status"`
		Heartbeat *string `json:"latest_scheduler_heartbeat"`
	} `json:"scheduler"`
	Triggerer struct {
		Status    *string `json:"status"`
		Heartbeat *string `json:"latest_triggerer_heartbeat"`
	} `json:"triggerer" doc:"There is none: null"`
	DagProcessor struct {
		Status    *string `json:"status"`
		Heartbeat *string `json:"latest_dag_processor_heartbeat"`
	} `json:"dag_processor" doc:"There is none: null"`
}

func (s *server) health(ctx context.Context, _ *struct{}) (HealthInfoResponse, error) {
	var h HealthInfoResponse
	healthy, unhealthy := "healthy", "unhealthy"
	h.Metadatabase.Status, h.Scheduler.Status = unhealthy, &unhealthy
	now, err := s.Store.Now(ctx)
	if err != nil {
		return h, nil // that it cannot be reached is the answer
	}
	workers, err := s.Store.Workers(ctx)
	if err != nil {
		return h, nil
	}
	h.Metadatabase.Status = healthy
	var last time.Time
	for _, w := range workers {
		if w.Kind == "serve" && w.BeatAt.After(last) {
			last = w.BeatAt
		}
	}
	if !last.IsZero() {
		at := last.UTC().Format(time.RFC3339Nano)
		h.Scheduler.Heartbeat = &at
		if now.Sub(last) < silentAfter {
			h.Scheduler.Status = &healthy
		}
	}
	return h, nil
}
