package ui

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/go-chi/chi/v5"
	"github.com/tidemill/tidemill/web/live"
)

// live sends a page again and again: its main part and its strip whenever they have changed, and the lines that its log
// gets. Whoever connects, again too, is sent the present state first.
func (s *server) live(w http.ResponseWriter, r *http.Request) {
	target, p, route := s.find(r)
	if p == nil {
		http.NotFound(w, r)
		return
	}
	ctx, stop := s.Gate.Context(r)
	defer stop()
	at := r.Clone(context.WithValue(ctx, chi.RouteCtxKey, route))
	at.URL = target
	out := live.NewStream(w)
	var log *logFollower
	for {
		pg, err := p(ctx, at)
		if err == nil && pg.Elsewhere != "" {
			err = errors.New("the page is at " + pg.Elsewhere)
		}
		if err == nil {
			err = s.sendPage(ctx, out, at, pg)
		}
		if err == nil && pg.Log != nil {
			if log, err = log.follow(pg.Log); err == nil {
				err = s.sendLog(ctx, out, log)
			}
		}
		if err == nil {
			err = out.Flush()
		}
		if err == nil {
			err = s.Pulse.Wait(ctx)
		}
		if err != nil {
			if ctx.Err() == nil {
				s.Log.Debug("a live page ended", "path", target.Path, "error", err)
			}
			return
		}
	}
}

// find is the page that a request for /live is about.
func (s *server) find(r *http.Request) (*url.URL, pageFunc, *chi.Context) {
	target, err := url.ParseRequestURI(r.URL.Query().Get("page"))
	if err != nil || target.Host != "" {
		return nil, nil, nil
	}
	routes := chi.NewRouter()
	pages := s.pages()
	for path := range pages {
		routes.Get(path, func(http.ResponseWriter, *http.Request) {})
	}
	route := chi.NewRouteContext()
	path := target.RawPath
	if path == "" {
		path = target.Path
	}
	if !routes.Match(route, http.MethodGet, path) {
		return nil, nil, nil
	}
	return target, pages[route.RoutePattern()], route
}

func (s *server) sendPage(ctx context.Context, out *live.Stream, r *http.Request, pg *page) error {
	f, err := s.frame(ctx, r, pg)
	if err != nil {
		return err
	}
	f.Live = true
	for _, part := range []string{"strip", "main"} {
		var b bytes.Buffer
		if err := s.templates[pg.Name].ExecuteTemplate(&b, part, f); err != nil {
			return err
		}
		if _, err := out.Changed(part, part, b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}
