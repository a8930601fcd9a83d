package ui

import (
	"context"
	"net/http"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
)

// A dagHead is what pages about a DAG say of it.
type dagHead struct {
	engine.DAGStatus
	Schedule string
	Next     *engine.Interval
	Due      bool // the next run should be there by now
	Active   int
	Gone     bool // no process has it: nothing of it runs
	Tab      string
}

func (s *server) head(ctx context.Context, st engine.DAGStatus) (dagHead, error) {
	now, err := s.Store.Now(ctx)
	if err != nil {
		return dagHead{}, err
	}
	live, err := api.LiveDAGs(ctx, s.Store, s.Control)
	if err != nil {
		return dagHead{}, err
	}
	_, active, err := s.Store.Runs(ctx, engine.RunFilter{DAGs: []string{st.ID}, States: []engine.RunState{engine.RunQueued, engine.RunRunning}, Limit: 1})
	h := headAt(st, now, live)
	h.Active = active
	return h, err
}

// headAt is what is known of a DAG without reading its runs. live are the DAGs that a process has.
func headAt(st engine.DAGStatus, now time.Time, live map[string]bool) dagHead {
	h := dagHead{DAGStatus: st, Schedule: schedule(st.Spec), Gone: !live[st.ID]}
	if iv, ok := api.NextRun(st, now); ok && !st.Paused && !h.Gone {
		h.Next, h.Due = &iv, iv.End.Before(now)
	}
	return h
}

// dag finds a DAG by the request's path.
func (s *server) dag(ctx context.Context, r *http.Request, tab string) (dagHead, error) {
	all, err := s.Store.DAGStatuses(ctx)
	if err != nil {
		return dagHead{}, err
	}
	id := param(r, "dag")
	for _, st := range all {
		if st.ID == id {
			h, err := s.head(ctx, st)
			h.Tab = tab
			return h, err
		}
	}
	return dagHead{}, notFound("DAG %q", id)
}
