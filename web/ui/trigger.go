package ui

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
)

// triggerData is the form that triggers a run.
type triggerData struct {
	Head    dagHead
	Params  paramForm
	Logical string
	RunID   string
	Note    string
	Problem string
	Wrong   map[string]string // what is wrong with the fields that are no params, by their names in the API
}

func (s *server) triggerPage(ctx context.Context, r *http.Request) (*page, error) {
	head, err := s.dag(ctx, r, "trigger")
	if err != nil {
		return nil, err
	}
	return triggerForm(triggerData{Head: head, Params: newParamForm(head.Spec.Params)}), nil
}

func triggerForm(d triggerData) *page {
	return &page{Title: "Trigger " + d.Head.ID, Name: "trigger", Nav: "dags", Static: true, Data: d}
}

// trigger makes a run and goes to it; what does not fit is told in the form.
func (s *server) trigger(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	head, err := s.dag(ctx, r, "trigger")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	d := triggerData{Head: head, Params: newParamForm(head.Spec.Params), Logical: strings.TrimSpace(r.PostFormValue("logical")), RunID: strings.TrimSpace(r.PostFormValue("run_id")), Note: strings.TrimSpace(r.PostFormValue("note"))}
	row, err := s.makeRun(ctx, r, &d)
	if err != nil {
		status, detail := api.StatusOf(err)
		if status >= 500 {
			s.fail(w, r, err)
			return
		}
		d.Wrong = map[string]string{"logical_date": "", "dag_run_id": "", "note": ""}
		d.Problem = d.Params.refused(detail, d.Wrong)
		pg := triggerForm(d)
		pg.Status = status
		s.render(w, r, pg)
		return
	}
	s.Pulse.Ring()
	http.Redirect(w, r, runURL(row.DAG, row.RunID), http.StatusSeeOther)
}

func (s *server) makeRun(ctx context.Context, r *http.Request, d *triggerData) (engine.RunRow, error) {
	params, ok := d.Params.read(r)
	if !ok {
		return engine.RunRow{}, errForm
	}
	t := engine.TriggerRequest{DAG: d.Head.ID, RunID: d.RunID, Params: params, Note: d.Note, By: by}
	if d.Logical != "" {
		at, _, err := engine.ParseDate("logical_date", d.Logical, zoneOf(d.Head.Spec))
		if err != nil {
			return engine.RunRow{}, err
		}
		t.Logical = &at
	}
	return s.Control.Trigger(ctx, t)
}

// errForm says that a form shows at its fields what does not fit.
var errForm = &api.Error{Status: http.StatusUnprocessableEntity, Detail: []api.Problem{}}

func zoneOf(s engine.Spec) *time.Location {
	if zone, err := engine.LoadZone(s.Zone); err == nil {
		return zone
	}
	return time.UTC
}
