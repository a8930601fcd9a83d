package ui

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// backfillsShown is how many of the newest backfills the page shows.
const backfillsShown = 100

type backfillLine struct {
	engine.BackfillRow
	Total, Done int
	Parts       []part
	State       string
	Runs        []engine.RunRow
	Zone        *time.Location // of the DAG: its range is days there
}

// A part is a piece of a progress bar.
type part struct {
	X, W  float64
	Class string
	Text  string
}

func (s *server) backfillsPage(ctx context.Context, _ *http.Request) (*page, error) {
	rows, _, err := s.Store.Backfills(ctx, engine.BackfillFilter{Limit: backfillsShown})
	if err != nil {
		return nil, err
	}
	var lines []backfillLine
	zones := map[string]*time.Location{}
	for _, b := range rows {
		if zones[b.DAG] == nil {
			if zones[b.DAG], err = s.zone(ctx, b.DAG); err != nil {
				return nil, err
			}
		}
		l := backfillLine{BackfillRow: b, State: backfillState(b), Zone: zones[b.DAG]}
		for _, n := range b.Counts {
			l.Total += n
		}
		l.Done = b.Counts[engine.RunSuccess] + b.Counts[engine.RunFailed]
		l.Parts = progress(b.Counts, l.Total)
		if b.CompletedAt == nil {
			if l.Runs, _, err = s.Store.Runs(ctx, engine.RunFilter{Backfill: b.ID, OrderBy: "logical", Limit: 60}); err != nil {
				return nil, err
			}
		}
		lines = append(lines, l)
	}
	return &page{Title: "Backfills", Name: "backfills", Nav: "backfills", Data: lines}, nil
}

// zone is where a DAG's days begin; UTC of one that is not known.
func (s *server) zone(ctx context.Context, dag string) (*time.Location, error) {
	st, err := s.Store.DAGStatus(ctx, dag)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return nil, err
	}
	return zoneOf(st.Spec), nil
}

func backfillState(b engine.BackfillRow) string {
	switch {
	case b.Cancelled:
		return "cancelled"
	case b.CompletedAt != nil && b.Counts[engine.RunFailed] > 0:
		return "failed"
	case b.CompletedAt != nil:
		return "success"
	case b.Paused:
		return "paused"
	case b.Counts[engine.RunRunning] > 0:
		return "running"
	}
	return "queued"
}

func progress(counts map[engine.RunState]int, total int) []part {
	var out []part
	x := 0.0
	for _, st := range []engine.RunState{engine.RunSuccess, engine.RunFailed, engine.RunRunning, engine.RunQueued} {
		n := counts[st]
		if n == 0 {
			continue
		}
		w := float64(n) / float64(total) * chartWidth
		out = append(out, part{x, w, string(st), strconv.Itoa(n) + " " + string(st)})
		x += w
	}
	return out
}

// cancelData is what the page says that cancelling a backfill would do.
type cancelData struct {
	engine.BackfillRow
	Queued, Running int
	Zone            *time.Location
}

// cancelBackfill says what cancelling would do, and does it when it is confirmed.
func (s *server) cancelBackfill(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	id, err := backfillID(r)
	var row engine.BackfillRow
	if err == nil {
		row, err = s.Store.Backfill(ctx, id)
	}
	if err == nil && row.CompletedAt != nil {
		err = fmt.Errorf("backfill %d has ended: %w", id, engine.ErrConflict)
	}
	if err == nil && r.PostFormValue("confirm") != "" {
		if err = s.Control.CancelBackfill(ctx, id, r.PostFormValue("running") == "true", by); err == nil {
			s.Pulse.Ring()
			http.Redirect(w, r, "/backfills", http.StatusSeeOther)
			return
		}
	}
	var zone *time.Location
	if err == nil {
		zone, err = s.zone(ctx, row.DAG)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	d := cancelData{row, row.Counts[engine.RunQueued], row.Counts[engine.RunRunning], zone}
	s.render(w, r, &page{Title: fmt.Sprintf("Cancel backfill %d", id), Name: "cancel", Nav: "backfills", Static: true, Data: d})
}
