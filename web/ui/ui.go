// Package ui is a stub for now.
package ui

import (
	"context"
	"github.com/coder/quartz"
	"github.com/go-chi/chi/v5"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/live"
	"log/slog"
)

type Deps struct {
	Control *engine.Control
	Store   engine.Store
	Version string
	Log     *slog.Logger
	Clock   quartz.Clock
	Pulse   *live.Pulse
	Gate    *live.Gate
	Lake    func(context.Context) (any, error)
}

func Mount(r chi.Router, d Deps) error { return nil }
