package ui

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/layout"
)

// lineageRuns is how many of the latest runs are looked through for how a piece of data stands.
const lineageRuns = 25

// lineageData is what the page of a DAG's data shows.
type lineageData struct {
	Head  dagHead
	SVG   template.HTML
	Fit   string
	Lines []lineageLine
	Docs  bool // there is a documentation of the project
	Tests bool // each test is drawn
	Folds bool // there are tests that can be drawn or folded
}

// A lineageLine is a piece of data in the list.
type lineageLine struct {
	engine.LineageNode
	State  engine.State // "": it has none
	URL    string       // of the task instance that it is of; "": none
	Rows   string
	Took   string
	At     *time.Time
	Tests  string // how its tests stand
	Bad    bool   // one of them failed
	Depth  int
	Warned bool
}

// A pieceState is how a piece of data stood when its task ran last.
type pieceState struct {
	task    engine.TaskView
	details struct {
		Rows     *int64   `json:"rows"`
		Failures int64    `json:"failures"`
		Warned   bool     `json:"warned"`
		Seconds  *float64 `json:"seconds"`
	}
}

func (s *server) lineagePage(ctx context.Context, r *http.Request) (*page, error) {
	head, err := s.dag(ctx, r, "lineage")
	if err != nil {
		return nil, err
	}
	d, ok := s.Control.Catalog().DAG(head.ID)
	if !ok || !d.HasLineage() {
		return nil, notFound("lineage of DAG %s: this process has no task of it that says what data it works on", head.ID)
	}
	runs, _, err := s.Store.Runs(ctx, engine.RunFilter{DAGs: []string{head.ID}, Limit: lineageRuns})
	if err != nil {
		return nil, err
	}
	views, err := engine.View(ctx, s.Store, runs, false)
	if err != nil {
		return nil, err
	}
	nodes := d.Lineage()
	all := linesOf(nodes, latestOf(views))
	data := lineageData{Head: head, Docs: s.Docs != nil, Tests: r.URL.Query().Get("tests") == "all"}
	data.Folds = slices.ContainsFunc(all, lineageLine.isTest)
	g := lineageGraph(head.ID, all, data.Tests)
	if r.URL.Query().Get("fit") == "1" || r.URL.Query().Get("fit") == "" && layout.Arrange(g.Graph).W <= fitsUpTo {
		data.Fit = map[bool]string{true: "fit", false: "fit-large"}[r.URL.Query().Get("fit") == "1"]
	}
	var b bytes.Buffer
	if err := layout.RenderSVG(&b, g.Graph, layout.Options{States: g.states, Notes: g.notes, Link: func(n layout.Node) string { return g.links[n.ID] }}); err != nil {
		return nil, err
	}
	data.SVG = template.HTML(b.String()) //nolint:gosec // the renderer escapes all that it writes
	data.Lines = listed(all)
	return &page{Title: head.ID + " lineage", Name: "lineage", Nav: "dags", Data: data}, nil
}

// latestOf is how each task, or virtual node, stood when it ran last. views are those of runs, the newest first.
func latestOf(views []engine.RunView) map[string]pieceState {
	out := map[string]pieceState{}
	for _, v := range views {
		for _, t := range v.Tasks {
			if _, seen := out[t.Task]; seen || t.MapIndex >= 0 || t.Runner == "" && !t.State.Terminal() || t.Runner != "" && t.StartedAt == nil && !t.State.Bad() {
				continue
			}
			p := pieceState{task: t}
			_ = json.Unmarshal(t.Details, &p.details) // details that say nothing are none
			out[t.Task] = p
		}
	}
	return out
}

func linesOf(nodes []engine.LineageNode, latest map[string]pieceState) []lineageLine {
	out := make([]lineageLine, len(nodes))
	for i, n := range nodes {
		l := lineageLine{LineageNode: n}
		if p, ok := latest[n.Task]; ok && n.Task != "" {
			l.State, l.URL, l.At, l.Warned = p.task.State, taskURL(p.task.DAG, p.task.RunID, p.task.Task, -1), p.task.StartedAt, p.details.Warned
			if p.details.Rows != nil {
				l.Rows = count(*p.details.Rows)
			}
			if p.details.Failures > 0 {
				l.Rows = count(p.details.Failures) + " found"
			}
			switch {
			case p.details.Seconds != nil:
				l.Took = span(time.Duration(*p.details.Seconds * float64(time.Second)))
			case p.task.StartedAt != nil && p.task.EndedAt != nil:
				l.Took = span(p.task.EndedAt.Sub(*p.task.StartedAt))
			}
		}
		out[i] = l
	}
	return out
}

func (l lineageLine) isTest() bool { return l.Kind == "test" || l.Kind == "unit_test" }

// summary is a line's figures in a word each.
func (l lineageLine) summary() string {
	var parts []string
	if l.Rows != "" {
		text := l.Rows
		if !strings.HasSuffix(text, "found") {
			text += " rows"
		}
		parts = append(parts, text)
	}
	if l.Took != "" {
		parts = append(parts, l.Took)
	}
	if len(parts) == 0 && l.State != "" {
		parts = append(parts, word(l.State))
	}
	return strings.Join(parts, " · ")
}

// subjects are what each test checks: of all that it reads the piece that comes last.
func subjects(all []lineageLine) map[string]string {
	at := map[string]int{}
	for i, l := range all {
		at[l.ID] = i
	}
	out := map[string]string{}
	for _, l := range all {
		if !l.isTest() {
			continue
		}
		last := -1
		for _, up := range l.Upstream {
			if i, ok := at[up]; ok && !all[i].isTest() {
				last = max(last, i)
			}
		}
		if last >= 0 {
			out[l.ID] = all[last].ID
		}
	}
	return out
}

// listed puts each test below what it checks and counts them there.
func listed(all []lineageLine) []lineageLine {
	subject := subjects(all)
	below := map[string][]lineageLine{}
	for _, l := range all {
		if of := subject[l.ID]; of != "" {
			l.Depth = 1
			below[of] = append(below[of], l)
		}
	}
	var out []lineageLine
	for _, l := range all {
		if subject[l.ID] != "" {
			continue
		}
		tests := below[l.ID]
		l.Tests, l.Bad = testTally(tests)
		slices.SortStableFunc(tests, func(a, b lineageLine) int { return cmp.Compare(badness(b), badness(a)) })
		out = append(append(out, l), tests...)
	}
	return out
}

func badness(l lineageLine) int {
	switch {
	case l.State.Bad():
		return 2
	case l.Warned:
		return 1
	}
	return 0
}

// testTally says how tests stand, "" of none, and whether one of them failed.
func testTally(tests []lineageLine) (text string, bad bool) {
	failed, warned, passed := 0, 0, 0
	for _, t := range tests {
		switch {
		case t.State.Bad():
			failed++
		case t.Warned:
			warned++
		case t.State == engine.Success:
			passed++
		}
	}
	if len(tests) == 0 {
		return "", false
	}
	var parts []string
	for _, p := range []struct {
		n    int
		word string
	}{{failed, "failed"}, {warned, "warned"}, {passed, "passed"}} {
		if p.n > 0 {
			parts = append(parts, count(p.n)+" "+p.word)
		}
	}
	if len(parts) == 0 {
		parts = append(parts, plural(len(tests), "test"))
	}
	return strings.Join(parts, ", "), failed > 0
}
