package ui

import (
	"context"
	"net/http"
	"slices"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
)

// recentRuns is how many of a DAG's runs the list shows.
const recentRuns = 14

// A dagHead is what pages about a DAG say of it.
type dagHead struct {
	engine.DAGStatus
	Schedule string
	Next     *engine.Interval
	Due      bool // the next run should be there by now
	Active   int
	Tab      string
}

// A dagLine is a DAG in the list.
type dagLine struct {
	dagHead
	Runs []engine.RunRow // oldest first
	Last *engine.RunRow
}

func (s *server) dagsPage(ctx context.Context, _ *http.Request) (*page, error) {
	statuses, err := s.Store.DAGStatuses(ctx)
	if err != nil {
		return nil, err
	}
	var lines []dagLine
	for _, st := range statuses {
		head, err := s.head(ctx, st)
		if err != nil {
			return nil, err
		}
		runs, _, err := s.Store.Runs(ctx, engine.RunFilter{DAGs: []string{st.ID}, Limit: recentRuns})
		if err != nil {
			return nil, err
		}
		l := dagLine{dagHead: head}
		if len(runs) > 0 {
			l.Last = &runs[0]
		}
		l.Runs = slices.Clone(runs)
		byDate(l.Runs)
		lines = append(lines, l)
	}
	return &page{Title: "DAGs", Name: "dags", Nav: "dags", Data: lines}, nil
}

func (s *server) head(ctx context.Context, st engine.DAGStatus) (dagHead, error) {
	now, err := s.Store.Now(ctx)
	if err != nil {
		return dagHead{}, err
	}
	_, active, err := s.Store.Runs(ctx, engine.RunFilter{DAGs: []string{st.ID}, States: []engine.RunState{engine.RunQueued, engine.RunRunning}, Limit: 1})
	if err != nil {
		return dagHead{}, err
	}
	h := dagHead{DAGStatus: st, Schedule: schedule(st.Spec), Active: active}
	if iv, ok := api.NextRun(st, now); ok && !st.Paused {
		h.Next, h.Due = &iv, iv.End.Before(now)
	}
	return h, nil
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
