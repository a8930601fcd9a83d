package ui

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
)

//go:embed templates/*.html
var templateFiles embed.FS

// templates are the pages' templates, each with the frame and the shared parts.
type templates map[string]*template.Template

func loadTemplates(a assets) (templates, error) {
	shared, err := template.New("").Funcs(functions(a)).ParseFS(templateFiles, "templates/frame.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	files, err := templateFiles.ReadDir("templates")
	if err != nil {
		return nil, err
	}
	out := templates{}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".html")
		if name == "frame" || name == "parts" {
			continue
		}
		t, err := shared.Clone()
		if err != nil {
			return nil, err
		}
		if out[name], err = t.ParseFS(templateFiles, "templates/"+f.Name()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// A page is what is shown for a request.
type page struct {
	Title  string
	Name   string // of its template
	Nav    string // which part of the navigation is current
	Static bool   // not live: a form, or something that does not change
	Status int    // 0: 200
	Data   any
	Log    *logFollower // of a page that shows a log; nil: none

	Elsewhere string // another address has the page; "": this one
}

// pageFunc makes a page of a request.
type pageFunc func(ctx context.Context, r *http.Request) (*page, error)

// A frame is a page with what is around it.
type frame struct {
	*page
	Path    string
	Now     time.Time
	Live    bool // rendered for /live
	Health  health
	Version string
}

// show serves a page.
func (s *server) show(p pageFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		pg, err := p(r.Context(), r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		if pg.Elsewhere != "" {
			http.Redirect(w, r, pg.Elsewhere, http.StatusFound)
			return
		}
		s.render(w, r, pg)
	}
}

func (s *server) render(w http.ResponseWriter, r *http.Request, pg *page) {
	var b bytes.Buffer
	f, err := s.frame(r.Context(), r, pg)
	if err == nil {
		err = s.templates[pg.Name].ExecuteTemplate(&b, "frame", f)
	}
	if err != nil {
		s.Log.Error("render a page", "path", r.URL.Path, "error", err)
		http.Error(w, "This page could not be made; the server's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if pg.Status != 0 {
		w.WriteHeader(pg.Status)
	}
	_, _ = w.Write(b.Bytes()) // a client that is gone needs no answer
}

func (s *server) frame(ctx context.Context, r *http.Request, pg *page) (*frame, error) {
	now, err := s.Store.Now(ctx)
	if err != nil {
		return nil, err
	}
	h, err := s.health(ctx, now)
	if err != nil {
		return nil, err
	}
	return &frame{page: pg, Path: r.URL.RequestURI(), Now: now, Health: h, Version: s.Version}, nil
}

// problem is what the page of an error shows.
type problem struct {
	Status int
	Word   string
	Text   string
	Back   string // where what failed was asked for; "/": nowhere special
}

// fail shows an error as a page.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, detail := api.StatusOf(err)
	if status >= 500 && r.Context().Err() == nil {
		s.Log.Error("a page failed", "path", r.URL.Path, "error", err)
	}
	pg := &page{Title: http.StatusText(status), Name: "problem", Static: true, Status: status, Data: problem{status, http.StatusText(status), textOf(detail), back(r)}}
	var b bytes.Buffer
	f, ferr := s.frame(r.Context(), r, pg)
	if ferr != nil {
		f = &frame{page: pg, Path: r.URL.Path, Now: s.Clock.Now(), Version: s.Version}
	}
	if terr := s.templates["problem"].ExecuteTemplate(&b, "frame", f); terr != nil {
		http.Error(w, textOf(detail), status)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a client that is gone needs no answer
}

// operation is what a store says it was doing, or the kind of error, before what went wrong: no news to people.
var operation = regexp.MustCompile(`^([A-Z][A-Za-z]+: |conflict: )+`)

// textOf is the detail of an error as people read it.
func textOf(detail any) string {
	problems, ok := detail.([]api.Problem)
	if !ok {
		text, _ := detail.(string)
		return operation.ReplaceAllString(text, "")
	}
	var lines []string
	for _, p := range problems {
		where := ""
		for _, part := range p.Loc[1:] {
			name, ok := part.(string)
			if name == "conf" { // as Airflow's API says it; forms say params
				name = "params"
			}
			if ok {
				where += name + " "
			}
		}
		lines = append(lines, strings.TrimSpace(where)+": "+p.Msg)
	}
	return strings.Join(lines, "\n")
}

// health is the strip at the top of every page.
type health struct {
	OK      bool
	Workers []workerHealth
	Slots   int
	Busy    int
	Text    string
	Asked   int // questions that wait for a person
}

type workerHealth struct {
	Name   string
	Silent bool
	Busy   int
	Slots  int
}

func (s *server) health(ctx context.Context, now time.Time) (health, error) {
	workers, err := s.Store.Workers(ctx)
	if err != nil {
		return health{}, err
	}
	asked, err := s.Store.Questions(ctx, nil, questionsShown)
	if err != nil {
		return health{}, err
	}
	h := health{Asked: len(asked)}
	schedules, seen := false, time.Time{}
	for _, w := range workers {
		silent := now.Sub(w.BeatAt) > engine.DefaultDeadAfter
		if w.BeatAt.After(seen) {
			seen = w.BeatAt
		}
		h.Workers = append(h.Workers, workerHealth{w.Name, silent, w.Leases, w.Slots})
		if !silent {
			h.Slots += w.Slots
			h.Busy += w.Leases
			schedules = schedules || w.Kind == "serve"
		}
	}
	switch {
	case len(workers) == 0:
		h.Text = "no worker process is alive: nothing runs"
	case now.Sub(seen) > engine.DefaultDeadAfter:
		h.Text = "no worker process is alive: nothing runs; the last was heard of " + distance(seen.Sub(now))
	case !schedules:
		h.Text = "no process schedules: start tidemill serve"
	default:
		h.OK = true
	}
	return h, nil
}
