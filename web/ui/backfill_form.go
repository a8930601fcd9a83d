package ui

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
)

// backfillData is the form that makes a backfill, and what it would do.
type backfillData struct {
	Head      dagHead
	Params    paramForm
	From, To  string
	Reprocess string
	Limit     string
	Backwards bool
	Tasks     string
	Problem   string
	Wrong     map[string]string // as of [triggerData]
	Steps     []engine.BackfillStep
	Runs      int
	Planned   bool
}

func (s *server) backfillPage(ctx context.Context, r *http.Request) (*page, error) {
	head, err := s.dag(ctx, r, "backfill")
	if err != nil {
		return nil, err
	}
	return backfillForm(backfillData{Head: head, Params: newParamForm(head.Spec.Params), Reprocess: "none", Limit: strconv.Itoa(engine.DefaultBackfillRuns)}), nil
}

func backfillForm(d backfillData) *page {
	return &page{Title: "Backfill " + d.Head.ID, Name: "backfill", Nav: "dags", Static: true, Data: d}
}

// backfill shows what a backfill would do, and makes it when it is confirmed.
func (s *server) backfill(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	head, err := s.dag(ctx, r, "backfill")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	text := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	d := backfillData{Head: head, Params: newParamForm(head.Spec.Params), From: text("from"), To: text("to"), Reprocess: text("reprocess"), Limit: text("limit"), Backwards: text("backwards") != "", Tasks: text("tasks")}
	confirmed := text("confirm") != ""
	plan, err := s.planBackfill(ctx, r, &d, !confirmed)
	if err == nil && confirmed {
		s.Pulse.Ring()
		http.Redirect(w, r, "/backfills", http.StatusSeeOther)
		return
	}
	pg := backfillForm(d)
	if err != nil {
		status, detail := api.StatusOf(err)
		if status >= 500 {
			s.fail(w, r, err)
			return
		}
		d.Wrong = map[string]string{"from_date": "", "to_date": "", "max_active_runs": "", "task_ids": "", "reprocess_behavior": ""}
		pg.Status, d.Problem = status, d.Params.refused(detail, d.Wrong)
	} else {
		d.Planned, d.Steps = true, plan.Steps
		for _, step := range plan.Steps {
			if step.Action != engine.BackfillLeave {
				d.Runs++
			}
		}
	}
	pg.Data = d
	s.render(w, r, pg)
}

func (s *server) planBackfill(ctx context.Context, r *http.Request, d *backfillData, dryRun bool) (engine.BackfillPlan, error) {
	params, ok := d.Params.read(r)
	from, to, err := engine.ParseRange(d.From, d.To, zoneOf(d.Head.Spec))
	if err != nil {
		return engine.BackfillPlan{}, err
	}
	limit, err := strconv.Atoi(d.Limit)
	if err != nil {
		return engine.BackfillPlan{}, &engine.InvalidError{Field: "max_active_runs", Message: "is a whole number of at least 1"}
	}
	if !ok {
		return engine.BackfillPlan{}, errForm
	}
	q := engine.BackfillRequest{DAG: d.Head.ID, Params: params, By: by, BackfillOrder: engine.BackfillOrder{
		BackfillRange: engine.BackfillRange{From: from, To: to}, MaxActiveRuns: limit, Backwards: d.Backwards, Reprocess: engine.Reprocess(d.Reprocess)}}
	q.Tasks = strings.FieldsFunc(d.Tasks, func(c rune) bool { return c == ',' || c == ' ' })
	return s.Control.Backfill(ctx, q, dryRun)
}
