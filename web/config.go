package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/coder/quartz"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
	"github.com/tidemill/tidemill/web/live"
	"github.com/tidemill/tidemill/web/ui"
)

// A Config is what the web stands on. Control and Store are required; the rest has defaults.
type Config struct {
	Control *engine.Control
	Store   engine.Store

	Version, Build string // of the program, for people
	Log            *slog.Logger
	Clock          quartz.Clock // default: the real one

	// Lake returns how the lake stands, as something that encodes as JSON, for the streams page and /api/v2/lake; nil: there is none.
	Lake func(ctx context.Context) (any, error)
	// Docs is the documentation of a project that a task builds, served at /dbt/; nil: there is none.
	Docs *ui.ProjectDocs
	// Ready errs as long as something that is needed cannot be reached; nil asks the store for the time.
	Ready func(ctx context.Context) error
	// Wake brings hints that something may have changed, so that open pages show it before the next poll; it may be nil.
	Wake <-chan struct{}
}

// New makes the handler for everything: pages at /, the API at /api/v2, probes at /healthz and /readyz.
func New(cfg Config) (http.Handler, error) {
	if cfg.Control == nil || cfg.Store == nil {
		return nil, errors.New("web.Config: Control and Store are required")
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Clock == nil {
		cfg.Clock = quartz.NewReal()
	}
	if cfg.Version == "" {
		cfg.Version = "dev"
	}
	if cfg.Ready == nil {
		cfg.Ready = func(ctx context.Context) error {
			_, err := cfg.Store.Now(ctx)
			return err
		}
	}
	pulse, gate := live.NewPulse(cfg.Clock, cfg.Wake), &live.Gate{}
	r := chi.NewRouter()
	r.Use(recovered(cfg.Log), headers, loopbackOnly, sameSite(), nameable, limited, middleware.GetHead)
	probes(r, cfg.Ready)
	api.Mount(r, api.Deps{Control: cfg.Control, Store: cfg.Store, Version: cfg.Version, Build: cfg.Build, Log: cfg.Log, Clock: cfg.Clock, Pulse: pulse, Gate: gate, Lake: cfg.Lake})
	err := ui.Mount(r, ui.Deps{Control: cfg.Control, Store: cfg.Store, Version: cfg.Version, Log: cfg.Log, Clock: cfg.Clock, Pulse: pulse, Gate: gate, Lake: cfg.Lake, Docs: cfg.Docs})
	if err != nil {
		return nil, err
	}
	return r, nil
}
