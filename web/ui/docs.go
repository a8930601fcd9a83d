package ui

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
)

// docsPolicy is the content security policy of the project's documentation: one file with everything in it, made by another program out of what
// people wrote. It runs its own scripts and nothing else, fetches nothing, and is of no origin: it can ask this server for nothing in the name of
// who reads it.
const docsPolicy = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts allow-popups allow-downloads"

// projectDocs serves the documentation of the project, one file, at /dbt/.
func (s *server) projectDocs(w http.ResponseWriter, r *http.Request) {
	if s.Docs == nil {
		s.fail(w, r, notFound("page %s: this program has no documentation of a project", r.URL.Path))
		return
	}
	f, err := os.Open(s.Docs.Path) // ours, whatever the address says
	if errors.Is(err, fs.ErrNotExist) {
		s.render(w, r, &page{Title: "Documentation", Name: "docs", Nav: "dags", Static: true, Status: http.StatusNotFound, Data: *s.Docs})
		return
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Security-Policy", docsPolicy)
	w.Header().Set("Cache-Control", "no-cache")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	http.ServeContent(w, r, "", info.ModTime(), f)
}
