package ui

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/layout"
)

// A runHead is what pages about a run say of it.
type runHead struct {
	engine.RunRow
	Params  string
	Counts  []stateCount
	Tab     string
	Paused  bool
	Refused string // why this page's process would clear and mark nothing of it; "": it would
	runStory
}

type stateCount struct {
	State engine.State
	N     int
}

// runData is what the page of a run shows.
type runData struct {
	Run    runHead
	Failed []taskLine // the first that failed
	More   int        // that failed as well
	Tasks  []taskLine
	Only   engine.State // the one state that is listed; "": all
	Chart  *chart
}

// A taskLine is a task instance in the list of a run.
type taskLine struct {
	engine.TaskView
	Label string
	Depth int
	Pick  string // value of its checkbox; "" for a virtual node
	Bars  []bar
	Why   string
	Head  string // group that starts here; its line comes before
	Fold  *fold  // what is left out after it
}

func (s *server) runView(ctx context.Context, r *http.Request) (engine.RunView, error) {
	row, err := s.Store.RunByID(ctx, param(r, "dag"), param(r, "run"))
	if err != nil {
		return engine.RunView{}, err
	}
	views, err := engine.View(ctx, s.Store, []engine.RunRow{row}, true)
	if err != nil {
		return engine.RunView{}, err
	}
	return views[0], nil
}

func (s *server) runPage(ctx context.Context, r *http.Request) (*page, error) {
	v, err := s.runView(ctx, r)
	if err != nil {
		return nil, err
	}
	now, err := s.Store.Now(ctx)
	if err != nil {
		return nil, err
	}
	attempts, err := s.Store.Attempts(ctx, []int64{v.Run.Key}, "")
	if err != nil {
		return nil, err
	}
	clears, err := s.clears(ctx, v.Run, attempts)
	if err != nil {
		return nil, err
	}
	at := now.Truncate(chartStep)
	past := pastOf(v, attempts, clears, at)
	pieces, all := map[engine.TaskKey][]piece{}, []piece(nil)
	for _, t := range v.Tasks {
		pieces[t.TaskKey] = past.pieces(t)
		all = append(all, pieces[t.TaskKey]...)
	}
	c := chartOf(v.Run, at, all)
	head, err := s.fullHead(ctx, v, "tasks")
	if err != nil {
		return nil, err
	}
	d := runData{Run: head, Chart: c, Only: engine.State(r.URL.Query().Get("state"))}
	for i, t := range failures(v.Tasks) {
		if i == failuresShown {
			d.More = len(failures(v.Tasks)) - i
			break
		}
		d.Failed = append(d.Failed, taskLine{TaskView: t, Label: nameOf(t), Why: why(t, v.Tasks)})
	}
	list, folds := shown(v.Tasks, r.URL)
	group := ""
	for _, t := range list {
		l := taskLine{TaskView: t, Label: labelOf(t), Bars: c.bars(pieces[t.TaskKey]), Why: why(t, v.Tasks)}
		if m := markOf(attempts, t); m != nil && l.Why == "" && t.Runner == "" && t.State.Terminal() && !asks(v.Spec, t.Task) {
			l.Why = "marked " + m.State + " by " + maskText(m.By)
		}
		if t.State == engine.None && t.Reason == head.Why {
			l.Why = "" // the head says it
		}
		if t.Group != "" {
			l.Depth = 1 + strings.Count(t.Group, ".")
		}
		if t.Group != group && t.Runner == "" {
			group, l.Head = t.Group, t.Group
		}
		if t.Runner != "" {
			l.Depth++
		} else {
			l.Pick = pick(t)
		}
		if f, ok := folds[t.TaskKey]; ok {
			l.Fold = &f
		}
		d.Tasks = append(d.Tasks, l)
	}
	return &page{Title: v.Run.RunID + " · " + v.Run.DAG, Name: "run", Nav: "dags", Data: d}, nil
}

// clears are when instances of a run were cleared, as far as that is noted; none are looked for where nothing was tried again.
func (s *server) clears(ctx context.Context, r engine.RunRow, attempts []engine.Attempt) ([]time.Time, error) {
	if !slices.ContainsFunc(attempts, func(a engine.Attempt) bool { return a.Try > 0 && (a.Try > 1 || !r.State.Terminal()) }) {
		return nil, nil
	}
	acts, _, err := s.Store.Audit(ctx, engine.AuditFilter{DAG: r.DAG, RunID: r.RunID, Events: []string{engine.ActClearRun, engine.ActClearTasks}, OrderBy: []string{"-id"}, Limit: actsShown})
	if err != nil {
		return nil, err
	}
	var at []time.Time
	for _, a := range acts {
		at = append(at, a.At)
	}
	return at, nil
}

// asks tells whether a task asks people, whose answer is no mark.
func asks(spec engine.Spec, task string) bool {
	return slices.ContainsFunc(spec.Tasks, func(t engine.TaskSpec) bool { return t.ID == task && len(t.Answers) > 0 })
}

func headOf(v engine.RunView, tab string) runHead {
	h := runHead{RunRow: v.Run, Tab: tab, Paused: v.Run.DAGPaused}
	if p := strings.TrimSpace(string(v.Run.Params)); p != "" && p != "{}" {
		h.Params = pretty(v.Run.Params)
	}
	for _, st := range severity {
		n := 0
		for _, t := range v.Tasks {
			if t.State == st {
				n++
			}
		}
		if n > 0 {
			h.Counts = append(h.Counts, stateCount{st, n})
		}
	}
	return h
}

// nameOf is an instance's whole name.
func nameOf(t engine.TaskView) string {
	return t.Task + elementOf(t)
}

// elementOf is the number and the name of the element that an instance works on; "" for one that is not mapped.
func elementOf(t engine.TaskView) string {
	switch {
	case t.MapIndex < 0:
		return ""
	case t.Name != "" && t.Runner == "":
		return " [" + strconv.Itoa(t.MapIndex) + "] " + maskText(t.Name)
	}
	return " [" + strconv.Itoa(t.MapIndex) + "]"
}

func labelOf(t engine.TaskView) string {
	label := t.Task
	switch {
	case t.Runner != "":
		label = strings.TrimPrefix(label, t.Runner+"_")
	case t.Group != "":
		label = strings.TrimPrefix(label, t.Group+".")
	}
	return label + elementOf(t)
}

// pick names an instance in a form.
func pick(t engine.TaskView) string {
	if t.MapIndex < 0 {
		return t.Task
	}
	return t.Task + "[" + strconv.Itoa(t.MapIndex) + "]"
}

// why says in one line why an instance does not run, or how it failed.
func why(t engine.TaskView, all []engine.TaskView) string {
	text := reason(t, all)
	switch {
	case t.Runner != "" && t.Reason != "" && t.Message == "":
		return "" // its runner's line says it
	case t.Error != "" && t.State != engine.None:
		text = t.Error
	case t.Runner != "" && t.Message != "":
		text = t.Message
	}
	text, _, _ = strings.Cut(text, "\n")
	return maskText(text)
}

// reason is why an instance does not run, with the states in it as people read them and as they are by now.
func reason(t engine.TaskView, all []engine.TaskView) string {
	text := t.Reason
	for _, up := range t.Upstream {
		for _, old := range append([]engine.State{"waiting"}, severity...) {
			said := up + " (" + string(old) + ")"
			if !strings.Contains(text, said) {
				continue
			}
			now := worst(only(all, up))
			text = strings.ReplaceAll(text, said, up+" ("+word(now)+")")
		}
	}
	return strings.ReplaceAll(text, "which is none", "which is waiting")
}

func only(all []engine.TaskView, task string) []engine.TaskView {
	var out []engine.TaskView
	for _, t := range all {
		if t.Task == task {
			out = append(out, t)
		}
	}
	return out
}

func (s *server) runGraphPage(ctx context.Context, r *http.Request) (*page, error) {
	v, err := s.runView(ctx, r)
	if err != nil {
		return nil, err
	}
	byTask := map[string][]engine.TaskView{}
	for _, t := range v.Tasks {
		byTask[t.Task] = append(byTask[t.Task], t)
	}
	states := map[string]engine.State{}
	notes := map[string]string{}
	for id, all := range byTask {
		states[id] = worst(all)
		for _, t := range all {
			if t.Reason != "" && notes[id] == "" {
				notes[id] = why(t, v.Tasks)
			}
		}
	}
	spec := withReported(v.Spec, []engine.RunView{v})
	svg, err := graph(spec, layout.Options{States: states, Notes: notes, Link: func(n layout.Node) string {
		switch all := byTask[n.ID]; {
		case len(all) == 0:
			return ""
		case len(all) > 1:
			return runURL(v.Run.DAG, v.Run.RunID)
		default:
			return taskURL(v.Run.DAG, v.Run.RunID, n.ID, all[0].MapIndex)
		}
	}})
	if err != nil {
		return nil, err
	}
	head, err := s.fullHead(ctx, v, "graph")
	return &page{Title: v.Run.RunID + " graph · " + v.Run.DAG, Name: "graph", Nav: "dags", Data: graphData{Run: &head, SVG: svg, Marks: marksOf(spec), Fit: fit(r, spec)}}, err
}

// chartStep is how finely the chart of a running run follows the clock.
const chartStep = 5 * time.Second
