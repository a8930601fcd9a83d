package ui

import (
	"context"
	"net/http"
	"slices"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
)

// How many DAGs stand on a page of the list, and how many runs of each.
const (
	dagsShown  = 50
	recentRuns = 14
)

// dagList is a page of the list of DAGs.
type dagList struct {
	Filter   dagFilter
	All      int // that there are
	Fit      int // that the filter leaves
	From, To int // of those that fit, which are shown; from 1
	Lines    []dagLine
	Paused   []choice
	Last     []choice
	Tags     []choice
	Owners   []choice
	Before   string // link to the page before; "": none
	After    string
}

// A dagLine is a DAG in the list.
type dagLine struct {
	dagHead
	Runs []engine.RunRow // oldest first
	Last *engine.RunRow
}

// dagsPage reads the definitions of all DAGs and their last runs together, and more runs only of those that it shows.
func (s *server) dagsPage(ctx context.Context, r *http.Request) (*page, error) {
	now, err := s.Store.Now(ctx)
	if err != nil {
		return nil, err
	}
	statuses, err := s.Store.DAGStatuses(ctx)
	if err != nil {
		return nil, err
	}
	last, err := api.NewestRuns(ctx, s.Store, idsOf(statuses), 1)
	if err != nil {
		return nil, err
	}
	all := make([]candidate, 0, len(statuses))
	for _, st := range statuses {
		c := candidate{DAGStatus: st}
		if runs := last[st.ID]; len(runs) > 0 {
			c.last = runs[0].State
		}
		all = append(all, c)
	}
	live, err := api.LiveDAGs(ctx, s.Store, s.Control)
	if err != nil {
		return nil, err
	}
	f := dagFilterOf(r.URL.Query())
	l, shown := f.list(all)
	runs, err := api.NewestRuns(ctx, s.Store, idsOf(shown), recentRuns)
	if err != nil {
		return nil, err
	}
	for _, st := range shown {
		line := dagLine{dagHead: s.headAt(st, now, live), Runs: slices.Clone(runs[st.ID])}
		if len(line.Runs) > 0 {
			line.Last = &runs[st.ID][0]
		}
		byDate(line.Runs)
		l.Lines = append(l.Lines, line)
	}
	return &page{Title: "DAGs", Name: "dags", Nav: "dags", Data: l}, nil
}

func idsOf(statuses []engine.DAGStatus) []string {
	ids := make([]string, len(statuses))
	for i, st := range statuses {
		ids[i] = st.ID
	}
	return ids
}
