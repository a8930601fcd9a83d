package ui

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/layout"
)

func notFound(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, engine.ErrNotFound)...)
}

// How many rows the grid has when boxes start closed, and how few runs have wide columns, so that their dates can be read.
const (
	openBelow = 45
	few       = 2
)

// gridData is what the grid shows: runs as columns, oldest first, and tasks as rows.
type gridData struct {
	Head    dagHead
	Columns []gridColumn
	Rows    []gridRow
	Total   int
	Newest  int // the first of those shown, counted from the newest run; 1 for it
	Oldest  int // the last of those shown
	Few     bool
	More    string // link to more runs at once; "": none
	Older   string // link to those before; "": none
	Newer   string
	First   string // link to the newest ones; "" where Newer leads to them
}

type gridColumn struct {
	Run    engine.RunRow
	Height int    // of its bar, in percent of the longest run
	Label  string // its date, or the time of another run of that day
	NewDay bool
}

type gridRow struct {
	ID, Label, Kind string
	Depth           int
	Toggle          string // link that opens or closes it; "" when it holds nothing
	Open            bool
	Cells           []gridCell
}

type gridCell struct {
	State engine.State // "": no such task in that run
	URL   string
	Text  string
}

func (s *server) gridPage(ctx context.Context, r *http.Request) (*page, error) {
	head, err := s.dag(ctx, r, "grid")
	if err != nil {
		return nil, err
	}
	n, skip := stretch(r.URL.Query())
	runs, total, err := s.Store.Runs(ctx, engine.RunFilter{DAGs: []string{head.ID}, Limit: n, Offset: skip})
	if err != nil {
		return nil, err
	}
	byDate(runs)
	views, err := engine.View(ctx, s.Store, runs, false)
	if err != nil {
		return nil, err
	}
	g := gridData{Head: head, Columns: columns(runs), Total: total, Few: len(runs) <= few}
	g.Rows = rows(head.Spec, views, r.URL)
	g.page(r.URL, n, skip)
	return &page{Title: head.ID, Name: "grid", Nav: "dags", Data: g}, nil
}

func columns(runs []engine.RunRow) []gridColumn {
	longest := time.Duration(1)
	for _, r := range runs {
		longest = max(longest, duration(r))
	}
	out := make([]gridColumn, 0, len(runs))
	last := ""
	for _, r := range runs {
		c := gridColumn{Run: r, Height: max(8, int(100*math.Sqrt(float64(duration(r))/float64(longest))))}
		at := dateOf(r).UTC()
		if c.Label = at.Format("Jan 2"); c.Label == last {
			c.Label = at.Format("15:04")
		} else {
			last, c.NewDay = c.Label, true
		}
		out = append(out, c)
	}
	return out
}

// dateOf is what a run is about: its logical date, or when somebody asked for it.
func dateOf(r engine.RunRow) time.Time {
	if r.Logical != nil {
		return *r.Logical
	}
	return r.QueuedAt
}

// byDate orders runs by what they are about, oldest first.
func byDate(runs []engine.RunRow) {
	slices.SortStableFunc(runs, func(a, b engine.RunRow) int {
		return cmp.Or(dateOf(a).Compare(dateOf(b)), cmp.Compare(a.Key, b.Key))
	})
}

func duration(r engine.RunRow) time.Duration {
	if r.StartedAt == nil || r.EndedAt == nil {
		return 0
	}
	return r.EndedAt.Sub(*r.StartedAt)
}

// rows are the tasks as an indented list, boxes before what they hold.
func rows(spec engine.Spec, views []engine.RunView, u *url.URL) []gridRow {
	g := layout.Of(withReported(spec, views))
	states := make([]map[string][]engine.TaskView, len(views))
	for i, v := range views {
		states[i] = map[string][]engine.TaskView{}
		for _, t := range v.Tasks {
			states[i][t.Task] = append(states[i][t.Task], t)
		}
	}
	children := map[string][]layout.Node{}
	for _, n := range inOrder(g) {
		children[n.Parent] = append(children[n.Parent], n)
	}
	b := gridBuilder{states: states, children: children, views: views, u: u, toggled: map[string]bool{}, open: len(g.Nodes) <= openBelow}
	for _, id := range strings.Split(u.Query().Get("toggle"), ",") {
		b.toggled[id] = id != ""
	}
	b.add("", 0)
	return b.rows
}

// inOrder are the nodes of a graph in the order of its tasks, each group where its first task is.
func inOrder(g *layout.Graph) []layout.Node {
	known, parent := map[string]layout.Node{}, map[string]string{}
	for _, n := range g.Nodes {
		known[n.ID], parent[n.ID] = n, n.Parent
	}
	var out []layout.Node
	var add func(id string)
	add = func(id string) {
		n, ok := known[id]
		if !ok {
			return
		}
		delete(known, id)
		add(parent[id])
		out = append(out, n)
	}
	for _, n := range g.Nodes {
		if n.Kind != layout.Group {
			add(n.ID)
		}
	}
	return out
}

// withReported adds the virtual nodes that runs reported to those that are planned.
func withReported(spec engine.Spec, views []engine.RunView) engine.Spec {
	spec.Tasks = slices.Clone(spec.Tasks)
	for i, t := range spec.Tasks {
		if !t.HasVirtual {
			continue
		}
		known := map[string]bool{}
		nodes := slices.Clone(t.Virtual)
		for _, n := range nodes {
			known[n.ID] = true
		}
		for _, v := range slices.Backward(views) {
			for _, tv := range v.Tasks {
				if tv.Runner == t.ID && !known[tv.Task] {
					known[tv.Task] = true
					nodes = append(nodes, engine.VirtualSpec{ID: tv.Task, Upstream: tv.Upstream})
				}
			}
		}
		spec.Tasks[i].Virtual = nodes
	}
	return spec
}

type gridBuilder struct {
	rows     []gridRow
	states   []map[string][]engine.TaskView
	children map[string][]layout.Node
	views    []engine.RunView
	u        *url.URL
	toggled  map[string]bool // those that are not as open says
	open     bool
}

func (b *gridBuilder) add(parent string, depth int) {
	for _, n := range b.children[parent] {
		row := gridRow{ID: n.ID, Label: n.Label, Kind: string(n.Kind), Depth: depth}
		if len(b.children[n.ID]) > 0 {
			row.Open = b.open != b.toggled[n.ID]
			row.Toggle = b.toggle(n.ID)
		}
		for i, v := range b.views {
			row.Cells = append(row.Cells, b.cell(n, v, b.states[i]))
		}
		b.rows = append(b.rows, row)
		if row.Open {
			b.add(n.ID, depth+1)
		}
	}
}

func (b *gridBuilder) toggle(id string) string {
	var ids []string
	for k, on := range b.toggled {
		if on && k != id {
			ids = append(ids, k)
		}
	}
	if !b.toggled[id] {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return with(b.u, "toggle", strings.Join(ids, ","))
}

func (b *gridBuilder) cell(n layout.Node, v engine.RunView, states map[string][]engine.TaskView) gridCell {
	if n.Kind == layout.Group {
		var all []engine.TaskView
		for _, t := range v.Tasks {
			if strings.HasPrefix("group:"+t.Group+".", n.ID+".") { // in it, or in a group of it
				all = append(all, t)
			}
		}
		if len(all) == 0 {
			return gridCell{}
		}
		return gridCell{State: worst(all), URL: runURL(v.Run.DAG, v.Run.RunID), Text: fmt.Sprintf("%s: %s", n.Label, tally(all))}
	}
	all := states[n.ID]
	switch len(all) {
	case 0:
		return gridCell{}
	case 1:
		return gridCell{State: all[0].State, URL: taskURL(v.Run.DAG, v.Run.RunID, n.ID, all[0].MapIndex), Text: n.ID + elementOf(all[0]) + ": " + word(all[0].State)}
	}
	return gridCell{State: worst(all), URL: runURL(v.Run.DAG, v.Run.RunID) + "#" + url.PathEscape(pick(all[0])), Text: fmt.Sprintf("%s: %d elements, %s%s", n.ID, len(all), tally(all), badOnes(all))}
}

// severity orders states by how much they ask for attention.
var severity = []engine.State{engine.Failed, engine.UpstreamFailed, engine.UpForRetry, engine.AwaitingInput, engine.Running, engine.Restarting, engine.Queued, engine.Scheduled, engine.UpForReschedule, engine.Deferred, engine.None, engine.Success, engine.Skipped, engine.Removed}

// worst is the state of several that asks for most attention.
func worst(all []engine.TaskView) engine.State {
	for _, s := range severity {
		if slices.ContainsFunc(all, func(t engine.TaskView) bool { return t.State == s }) {
			return s
		}
	}
	return engine.None
}

// badOnes names the first elements that failed; "" when none did or they have no names.
func badOnes(all []engine.TaskView) string {
	var names []string
	for _, t := range all {
		if t.State.Bad() && t.Name != "" && len(names) < 3 {
			names = append(names, maskText(t.Name))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; failed: " + strings.Join(names, ", ")
}

func tally(all []engine.TaskView) string {
	var parts []string
	for _, s := range severity {
		n := 0
		for _, t := range all {
			if t.State == s {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, word(s)))
		}
	}
	return strings.Join(parts, ", ")
}
