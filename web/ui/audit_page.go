package ui

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
)

// actsShown is how many entries stand on a page of the audit log.
const actsShown = 50

// An auditFilter says which entries the page of the audit log shows, and which page of them. The address keeps it.
type auditFilter struct {
	DAG, Run string
	What     string // event
	Who      string // a part of it
	Page     int    // from 1
}

func auditFilterOf(q url.Values) auditFilter {
	f := auditFilter{DAG: strings.TrimSpace(q.Get("dag")), Run: strings.TrimSpace(q.Get("run")), Who: strings.TrimSpace(q.Get("who")), What: strings.TrimSpace(q.Get("what")), Page: 1}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 0 && n < 1<<24 {
		f.Page = n
	}
	return f
}

// URL is where the log is filtered so.
func (f auditFilter) URL() string {
	q := url.Values{}
	for name, value := range map[string]string{"dag": f.DAG, "run": f.Run, "who": f.Who, "what": f.What} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Page > 1 {
		q.Set("page", strconv.Itoa(f.Page))
	}
	if len(q) == 0 {
		return "/audit"
	}
	return "/audit?" + q.Encode()
}

// On tells whether something is filtered out.
func (f auditFilter) On() bool { return f != auditFilter{Page: f.Page} }

// query is what the store is asked for: the newest first.
func (f auditFilter) query() engine.AuditFilter {
	q := engine.AuditFilter{DAG: f.DAG, RunID: f.Run, OrderBy: []string{"-id"}, Limit: actsShown, Offset: (f.Page - 1) * actsShown}
	q.Match = api.AuditMatches("owner", f.Who, "")
	if f.What != "" {
		q.Events = []string{f.What}
	}
	return q
}

func auditURL(dag, run string) string { return auditFilter{DAG: dag, Run: run}.URL() }

// auditData is what the page of the audit log shows.
type auditData struct {
	Filter   auditFilter
	DAGs     []string
	Events   []choice
	Lines    []auditLine
	Total    int
	From, To int // of those that fit, which are shown; from 1
	Newer    string
	Older    string
}

// An auditLine is an entry of the audit log.
type auditLine struct {
	engine.AuditEntry
	What  string
	Facts []string // a line of text, in the pieces between which it may be broken
}

// atCommas cuts a text after its commas.
func atCommas(text string) []string {
	if text == "" {
		return nil
	}
	return strings.SplitAfter(text, ",")
}

func (s *server) auditPage(ctx context.Context, r *http.Request) (*page, error) {
	f := auditFilterOf(r.URL.Query())
	entries, total, err := s.Store.Audit(ctx, f.query())
	if err != nil {
		return nil, err
	}
	heads, err := s.Store.DAGHeads(ctx)
	if err != nil {
		return nil, err
	}
	d := auditData{Filter: f, Total: total, DAGs: idsOf(heads), Events: actWords}
	if f.DAG != "" && !slices.Contains(d.DAGs, f.DAG) {
		d.DAGs = append(d.DAGs, f.DAG)
	}
	d.From = (f.Page-1)*actsShown + 1
	d.To = d.From + len(entries) - 1
	for _, e := range entries {
		d.Lines = append(d.Lines, auditLine{e, actWord(e), atCommas(onOneLine(pretty(e.Extra)))})
	}
	if f.Page > 1 {
		newer := f
		newer.Page = min(f.Page-1, max(1, (total+actsShown-1)/actsShown))
		d.Newer = newer.URL()
	}
	if d.To < total && len(entries) > 0 {
		older := f
		older.Page++
		d.Older = older.URL()
	}
	return &page{Title: "Audit log", Name: "audit", Nav: "audit", Data: d}, nil
}
