package ui

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/coder/quartz"
	"github.com/go-chi/chi/v5"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
	"github.com/tidemill/tidemill/web/live"
)

// Deps is what the pages stand on. All but Lake and Docs are required.
type Deps struct {
	Control *engine.Control
	Store   engine.Store
	Version string
	Log     *slog.Logger
	Clock   quartz.Clock
	Pulse   *live.Pulse
	Gate    *live.Gate
	Lake    func(ctx context.Context) (any, error)
	Docs    *ProjectDocs
}

// A ProjectDocs is the documentation of a project that a task builds: one HTML file, served at /dbt/.
type ProjectDocs struct {
	Path string // where the file is once it has been built
	DAG  string // whose task builds it, for those who look before
}

// by is who does what is clicked here, as history tells it.
const by = "ui"

// server answers the pages' requests.
type server struct {
	Deps
	templates templates
	assets    assets
}

// Mount adds the pages to a router. The error is that of a template that does not parse.
func Mount(r chi.Router, d Deps) error {
	a, err := loadAssets()
	if err != nil {
		return err
	}
	t, err := loadTemplates(a)
	if err != nil {
		return fmt.Errorf("load templates: %w", err)
	}
	s := &server{Deps: d, templates: t, assets: a}
	for path, p := range s.pages() {
		r.Get(path, s.show(p))
	}
	r.Get("/dags/{dag}/runs/{run}/tasks/{task}/log", s.textLog)
	r.Get("/live", s.live)
	r.Get("/assets/*", s.assets.serve)
	r.Get("/dbt/", s.projectDocs)
	r.Get("/dbt", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/dbt/", http.StatusMovedPermanently)
	})
	r.Get("/favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/assets/icon.svg", http.StatusMovedPermanently)
	})
	s.actions(r)
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, &api.Error{Status: http.StatusMethodNotAllowed, Detail: r.Method + " is not for " + r.URL.Path})
	})
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, fmt.Errorf("page %s: %w", r.URL.Path, engine.ErrNotFound))
	})
	return nil
}

// pages are the pages that can be looked at, by path.
func (s *server) pages() map[string]pageFunc {
	return map[string]pageFunc{
		"/":                                   s.dagsPage,
		"/dags/{dag}":                         s.gridPage,
		"/dags/{dag}/graph":                   s.graphPage,
		"/dags/{dag}/lineage":                 s.lineagePage,
		"/dags/{dag}/trigger":                 s.triggerPage,
		"/dags/{dag}/backfill":                s.backfillPage,
		"/dags/{dag}/runs/{run}":              s.runPage,
		"/dags/{dag}/runs/{run}/graph":        s.runGraphPage,
		"/dags/{dag}/runs/{run}/tasks/{task}": s.taskPage,
		"/streams":                            s.streamsPage,
		"/backfills":                          s.backfillsPage,
		"/pools":                              s.poolsPage,
		"/assets":                             s.assetsPage,
		"/questions":                          s.questionsPage,
		"/audit":                              s.auditPage,
	}
}

// param is a part of the request's path.
func param(r *http.Request, name string) string {
	v := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return v
	}
	if u, err := url.PathUnescape(v); err == nil {
		return u
	}
	return v
}

func dagURL(dag string) string      { return "/dags/" + url.PathEscape(dag) }
func runURL(dag, run string) string { return dagURL(dag) + "/runs/" + url.PathEscape(run) }
func taskURL(dag, run, task string, mapIndex int) string {
	u := runURL(dag, run) + "/tasks/" + url.PathEscape(task)
	if mapIndex >= 0 {
		u += fmt.Sprintf("?map_index=%d", mapIndex)
	}
	return u
}
