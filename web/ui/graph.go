package ui

import (
	"bytes"
	"context"
	"html/template"
	"net/http"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/layout"
)

// graphData is what a page with a graph shows.
type graphData struct {
	Head  dagHead
	Run   *runHead
	SVG   template.HTML
	Marks []graphMark // what the picture's marks and lines mean
	Fit   string      // class that makes it no wider than the window; "" for its own size
}

func (s *server) graphPage(ctx context.Context, r *http.Request) (*page, error) {
	head, err := s.dag(ctx, r, "graph")
	if err != nil {
		return nil, err
	}
	// The last run tells of virtual nodes that the definition does not know.
	runs, _, err := s.Store.Runs(ctx, engine.RunFilter{DAGs: []string{head.ID}, Limit: 1})
	if err != nil {
		return nil, err
	}
	views, err := engine.View(ctx, s.Store, runs, false)
	if err != nil {
		return nil, err
	}
	spec := withReported(head.Spec, views)
	svg, err := graph(spec, layout.Options{})
	return &page{Title: head.ID + " graph", Name: "graph", Nav: "dags", Data: graphData{Head: head, SVG: svg, Marks: marksOf(spec), Fit: fit(r, spec)}}, err
}

// fitsUpTo is how wide a graph may be, in pixels, to be still readable when it is shrunk to a large window.
const fitsUpTo = 2400

// fit is how a graph is sized: as the address says, else shrunk to a large window where it stays readable.
func fit(r *http.Request, spec engine.Spec) string {
	switch q := r.URL.Query().Get("fit"); {
	case q == "1":
		return "fit"
	case q == "" && layout.Arrange(layout.Of(spec)).W <= fitsUpTo:
		return "fit-large"
	}
	return ""
}

func graph(spec engine.Spec, o layout.Options) (template.HTML, error) {
	var b bytes.Buffer
	err := layout.RenderSVG(&b, layout.Of(spec), o)
	return template.HTML(b.String()), err //nolint:gosec // the renderer escapes all that it writes
}
