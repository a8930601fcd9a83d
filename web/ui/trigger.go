package ui

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
)

// triggerData is the form that triggers a run.
type triggerData struct {
	Head    dagHead
	Fields  []paramField
	Logical string
	RunID   string
	Note    string
	Problem string
}

// A paramField is a param in the form, made from its JSON Schema.
type paramField struct {
	Name, Doc string
	Type      string // text, number, integer, boolean, date-time, list or json
	Value     string
}

func (s *server) triggerPage(ctx context.Context, r *http.Request) (*page, error) {
	head, err := s.dag(ctx, r, "trigger")
	if err != nil {
		return nil, err
	}
	return triggerForm(triggerData{Head: head, Fields: paramFields(head.Spec.Params)}), nil
}

func triggerForm(d triggerData) *page {
	return &page{Title: "Trigger " + d.Head.ID, Name: "trigger", Nav: "dags", Static: true, Data: d}
}

// paramFields are the fields for a JSON Schema of an object, in the order of their names.
func paramFields(schema []byte) []paramField {
	var object struct {
		Properties map[string]struct {
			Type        string `json:"type"`
			Format      string `json:"format"`
			Description string `json:"description"`
			Items       struct {
				Type string `json:"type"`
			} `json:"items"`
		} `json:"properties"`
	}
	if json.Unmarshal(schema, &object) != nil {
		return nil
	}
	var out []paramField
	for name, p := range object.Properties {
		f := paramField{Name: name, Doc: p.Description, Type: "json"}
		switch {
		case p.Format == "date-time":
			f.Type = "date-time"
		case p.Type == "string":
			f.Type = "text"
		case p.Type == "number", p.Type == "integer", p.Type == "boolean":
			f.Type = p.Type
		case p.Type == "array" && p.Items.Type == "string":
			f.Type = "list"
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b paramField) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// read makes the params of what was filled in; fields that are empty are left out, so that they have their zero value.
func readParams(fields []paramField, r *http.Request) ([]byte, error) {
	params := map[string]any{}
	for i := range fields {
		f := &fields[i]
		f.Value = strings.TrimSpace(r.PostFormValue("param." + f.Name))
		if f.Value == "" {
			continue
		}
		v, err := f.decode()
		if err != nil {
			text := err.Error()
			if bad := (*engine.InvalidError)(nil); errors.As(err, &bad) {
				text = bad.Message // the field's name is said already
			}
			return nil, &engine.InvalidError{Field: "params." + f.Name, Message: text}
		}
		params[f.Name] = v
	}
	return json.Marshal(params)
}

func (f *paramField) decode() (any, error) {
	bad := func(want string) error { return &engine.InvalidError{Field: f.Name, Message: want} }
	switch f.Type {
	case "boolean":
		return f.Value == "true", nil
	case "integer":
		if _, err := strconv.ParseInt(f.Value, 10, 64); err != nil {
			return nil, bad("is no whole number, such as 7")
		}
		return json.Number(f.Value), nil
	case "number":
		if _, err := strconv.ParseFloat(f.Value, 64); err != nil || !json.Valid([]byte(f.Value)) {
			return nil, bad("is no number, such as 0.5")
		}
		return json.Number(f.Value), nil
	case "list":
		var list []string
		for _, part := range strings.FieldsFunc(f.Value, func(r rune) bool { return r == ',' || r == '\n' }) {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
		return list, nil
	case "date-time":
		at, _, err := engine.ParseDate(f.Name, f.Value, time.UTC)
		return at, err
	case "json":
		if !json.Valid([]byte(f.Value)) {
			return nil, bad("is no JSON")
		}
		return json.RawMessage(f.Value), nil
	}
	return f.Value, nil
}

// trigger makes a run and goes to it; what does not fit is told in the form.
func (s *server) trigger(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	head, err := s.dag(ctx, r, "trigger")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	d := triggerData{Head: head, Fields: paramFields(head.Spec.Params), Logical: strings.TrimSpace(r.PostFormValue("logical")), RunID: strings.TrimSpace(r.PostFormValue("run_id")), Note: strings.TrimSpace(r.PostFormValue("note"))}
	row, err := s.makeRun(ctx, r, &d)
	if err != nil {
		status, detail := api.StatusOf(err)
		if status >= 500 {
			s.fail(w, r, err)
			return
		}
		d.Problem = textOf(detail)
		pg := triggerForm(d)
		pg.Status = status
		s.render(w, r, pg)
		return
	}
	s.Pulse.Ring()
	http.Redirect(w, r, runURL(row.DAG, row.RunID), http.StatusSeeOther)
}

func (s *server) makeRun(ctx context.Context, r *http.Request, d *triggerData) (engine.RunRow, error) {
	params, err := readParams(d.Fields, r)
	if err != nil {
		return engine.RunRow{}, err
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

func zoneOf(s engine.Spec) *time.Location {
	if zone, err := engine.LoadZone(s.Zone); err == nil {
		return zone
	}
	return time.UTC
}
