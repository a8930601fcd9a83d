package web

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/tidemill/tidemill/web/api"
)

// readyWithin is how long a readiness check may take.
const readyWithin = 5 * time.Second

// probes answers whether the process is alive (/healthz) and can reach what it needs (/readyz).
func probes(r chi.Router, ready func(context.Context) error) {
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, "ok\n") })
	r.Get("/readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyWithin)
		defer cancel()
		if err := ready(ctx); err != nil {
			// The error may name hosts and users: it goes to the log of what is not ready, not to whoever asks.
			api.WriteError(w, &api.Error{Status: http.StatusServiceUnavailable, Detail: "not ready: something that is needed cannot be reached; `tidemill doctor` says what"})
			return
		}
		plain(w, "ok\n")
	})
}

func plain(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(text)) // a client that is gone needs no answer
}
