package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/coder/quartz"
	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/live"
)

// Deps is what the API stands on. All but Lake and Ready are required.
type Deps struct {
	Control        *engine.Control
	Store          engine.Store
	Version, Build string
	Log            *slog.Logger
	Clock          quartz.Clock
	Pulse          *live.Pulse
	Gate           *live.Gate
	Lake           func(ctx context.Context) (any, error)
}

// server answers the API's calls.
type server struct {
	Deps
	book *versionBook
}

// by is who does what is asked for here, as history tells it.
const by = "rest_api"

// maxBody bounds what is read of a request, in bytes.
const maxBody = 1 << 20

// Mount adds the API to a router: /api/v2 and /auth/token.
func Mount(r chi.Router, d Deps) {
	r.Group(func(r chi.Router) {
		r.Use(validJSON)
		mount(r, d)
	})
}

func mount(r chi.Router, d Deps) {
	s := &server{d, &versionBook{known: map[[2]string]*DagVersion{}}}
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{Title: "Tidemill", Version: d.Version, Description: "Airflow 3's public REST API for DAGs, runs, task instances, logs and backfills; " +
				"streams and events in the same style. It listens on loopback only and asks for no credentials so far."},
			Components: &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)},
		},
		OpenAPIPath: "/api/v2/openapi", Formats: formats(), DefaultFormat: "application/json", RejectUnknownQueryParameters: true,
		Transformers: []huma.Transformer{airflowErrors},
	}
	a := humachi.New(r, config)
	s.dags(a)
	s.dagRuns(a)
	s.waiting(a)
	s.taskInstances(a)
	s.clearing(a)
	s.tries(a)
	s.dependencies(a)
	s.logs(a)
	s.attachments(a)
	s.xcoms(a)
	s.backfills(a)
	s.tasks(a)
	s.versions(a)
	s.pools(a)
	s.assets(a)
	s.assetEvents(a)
	s.questions(a)
	s.eventLogs(a)
	s.monitor(a)
	s.streams(a)
	s.events(a)
	r.Get("/api/v2/docs", docs(a.OpenAPI()))
	absent := func(w http.ResponseWriter, r *http.Request) {
		WriteError(w, fail(http.StatusNotFound, "there is no %s %s here: see /api/v2/docs for what there is", r.Method, r.URL.Path))
	}
	r.Get("/api/v2"+instancesPath+"/{task_id}/links", absent) // where the number of an element may stand
	r.Get("/api/v2/assets/aliases", absent)                   // where the id of an asset may stand
	r.HandleFunc("/api", absent)
	r.HandleFunc("/api/*", absent)
	r.HandleFunc("/auth/*", absent)
}

// formats are JSON and nothing else. What is answered is written without escaping HTML.
func formats() map[string]huma.Format {
	f := huma.Format{
		Marshal: func(w io.Writer, v any) error {
			e := json.NewEncoder(w)
			e.SetEscapeHTML(false)
			return e.Encode(v)
		},
		Unmarshal: json.Unmarshal,
	}
	return map[string]huma.Format{"application/json": f, "json": f}
}

// WriteError answers with an error, in Airflow's shape.
func WriteError(w http.ResponseWriter, e *Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(e) // a client that is gone needs no answer
}

// out is an answer with a body.
type out[T any] struct{ Body T }

// route registers one call. Errors of the handler become answers by [StatusOf].
func route[I, O any](s *server, a huma.API, method, path, id, summary string, h func(context.Context, *I) (O, error)) {
	huma.Register(a, operation(method, path, id, summary), func(ctx context.Context, in *I) (*out[O], error) {
		body, err := h(ctx, in)
		if err != nil {
			return nil, s.failed(ctx, err)
		}
		return &out[O]{body}, nil
	})
}

func operation(method, path, id, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: method, Path: "/api/v2" + path, Summary: summary, Tags: []string{tagOf(path)}, MaxBodyBytes: maxBody, BodyReadTimeout: 10 * time.Second,
		Responses: map[string]*huma.Response{"default": {Description: "Error", Content: map[string]*huma.MediaType{"application/json": {Schema: errorSchema}}}}}
}

var errorSchema = &huma.Schema{Type: huma.TypeObject, Required: []string{"detail"}, Properties: map[string]*huma.Schema{
	"detail": {Description: "A text, or for a request that does not fit a list of {loc, msg, type}"}}}

// tagOf groups the calls in the documentation.
func tagOf(path string) string {
	tag := ""
	for _, known := range []string{"dags", "dagRuns", "taskInstances", "backfills", "streams", "events", "monitor", "version", "tasks", "pools", "assets", "dagVersions", "hitlDetails", "eventLogs"} {
		if containsSegment(path, known) {
			tag = known
		}
	}
	return tag
}
