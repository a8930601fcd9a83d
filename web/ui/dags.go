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
	Away     bool // another process has it, not the one whose page this is: it would refuse to trigger and backfill it
	Tab      string
	Lineage  bool // its tasks say what data they work on
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
	h := s.headAt(st, now, live)
	h.Active = active
	return h, err
}

// headAt is what is known of a DAG without reading its runs. live are the DAGs that a process has.
func (s *server) headAt(st engine.DAGStatus, now time.Time, live map[string]bool) dagHead {
	h := dagHead{DAGStatus: st, Schedule: schedule(st.Spec), Gone: !live[st.ID]}
	d, has := s.Control.Catalog().DAG(st.ID)
	h.Away = !has && !h.Gone
	h.Lineage = has && d.HasLineage()
	if iv, ok := api.NextRun(st, now); ok && !st.Paused && !h.Gone {
		h.Next, h.Due = &iv, iv.End.Before(now)
	}
	return h
}

// refused says why this process, whose pages these are, would clear, mark and answer nothing of a DAG's runs; "" where it would.
func (s *server) refused(ctx context.Context, dag string) (string, error) {
	if _, has := s.Control.Catalog().DAG(dag); has {
		return "", nil
	}
	live, err := api.LiveDAGs(ctx, s.Store, s.Control)
	if err != nil {
		return "", err
	}
	if live[dag] {
		return "The process whose page this is does not have this DAG: clear, mark and answer on the pages, or with the command line, of one that has it.", nil
	}
	return "No process has this DAG any more: nothing of it can be cleared, marked or answered until one that has it is started. What it did is kept here.", nil
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
