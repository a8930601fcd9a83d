package ui

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/layout"
)

// A runStory is why a run is as it is.
type runStory struct {
	Why      string // it has not started
	Events   []engine.AssetEvent
	Versions []versionStep // those that its tries ran under, when they are several
	Behind   bool          // its DAG has a newer version
	Note     note
	Marked   *mark // it ended by a person's word
}

// Story is the run's story, whose note is not the row's.
func (h runHead) Story() runStory { return h.runStory }

// A versionStep is a version that some of a run's tries ran under.
type versionStep struct {
	Number int // 1 for the DAG's first
	Hash   string
	Since  time.Time // its first try ended
}

// fullHead is the head of a run with its story.
func (s *server) fullHead(ctx context.Context, v engine.RunView, tab string) (runHead, error) {
	h := headOf(v, tab)
	h.runStory.Note = note{Text: v.Run.Note, Action: runURL(v.Run.DAG, v.Run.RunID) + "/note", MapIndex: -1, Next: runURL(v.Run.DAG, v.Run.RunID)}
	if v.Run.State == engine.RunQueued && len(v.Tasks) > 0 {
		h.Why = v.Tasks[0].Reason
	}
	var err error
	if h.Refused, err = s.refused(ctx, v.Run.DAG); err != nil {
		return h, err
	}
	if h.Marked, err = s.runMark(ctx, v.Run); err != nil {
		return h, err
	}
	if v.Run.Type == engine.AssetRun {
		if h.Events, err = s.Store.RunAssets(ctx, v.Run.Key); err != nil {
			return h, err
		}
	}
	known, err := s.Store.DAGVersions(ctx, v.Run.DAG)
	if err != nil || len(known) < 2 {
		return h, err
	}
	h.Behind = !v.Run.State.Terminal() && v.Run.Version != "" && known[len(known)-1].Version != v.Run.Version
	attempts, err := s.Store.Attempts(ctx, []int64{v.Run.Key}, "")
	h.Versions = versionSteps(attempts, known)
	return h, err
}

// versionSteps are the versions that tries ran under, in the order of their first; nil when there was only one.
func versionSteps(attempts []engine.Attempt, known []engine.DAGVersion) []versionStep {
	slices.SortStableFunc(attempts, func(a, b engine.Attempt) int { return a.EndedAt.Compare(b.EndedAt) })
	var steps []versionStep
	for _, a := range attempts {
		if a.Version == "" || slices.ContainsFunc(steps, func(st versionStep) bool { return st.Hash == a.Version }) {
			continue
		}
		n := slices.IndexFunc(known, func(v engine.DAGVersion) bool { return v.Version == a.Version })
		steps = append(steps, versionStep{n + 1, a.Version, a.EndedAt})
	}
	if len(steps) < 2 {
		return nil
	}
	return steps
}

// A graphMark explains a mark or a line of a graph.
type graphMark struct {
	Sign string // path of a role's mark; "": a line
	Line string // class of a line
	Text string
}

var roleTexts = []struct {
	role layout.Role
	text string
}{{layout.Setup, "setup"}, {layout.Teardown, "teardown"}, {layout.Sensor, "sensor"}, {layout.Branch, "branch"}, {layout.Question, "asks a person"}, {layout.Trigger, "triggers a DAG"}}

var lineTexts = []struct {
	kind engine.EdgeKind
	text string
}{{engine.OrderEdge, "order only"}, {engine.SettledEdge, "however it ended"}, {engine.OptionalEdge, "optional, or the first of several"}}

// marksOf are the marks and lines that a definition's graph has.
func marksOf(spec engine.Spec) []graphMark {
	g := layout.Of(spec)
	var out []graphMark
	for _, r := range roleTexts {
		if slices.ContainsFunc(g.Nodes, func(n layout.Node) bool { return n.Role == r.role }) {
			out = append(out, graphMark{Sign: layout.Roles[r.role], Text: r.text})
		}
	}
	for _, l := range lineTexts {
		if slices.ContainsFunc(g.Edges, func(e layout.Edge) bool {
			return e.Kind == l.kind || l.kind == engine.OptionalEdge && e.Kind == engine.FirstEdge
		}) {
			out = append(out, graphMark{Line: string(l.kind), Text: l.text})
		}
	}
	return out
}

// A note is what people noted, with what its form needs. Task "": of the run.
type note struct {
	Text, Action, Task string
	MapIndex           int
	Next               string
}

// Shown is the note without what pages do not show.
func (n note) Shown() string { return maskText(strings.TrimSpace(n.Text)) }
