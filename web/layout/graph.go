package layout

import (
	"slices"
	"strings"

	"github.com/tidemill/tidemill/engine"
)

// A Kind says what a node is.
type Kind string

// The kinds of nodes.
const (
	Task    Kind = "task"
	Mapped  Kind = "mapped"  // one instance per element of a list
	Runner  Kind = "runner"  // a task that is a box: it reports the nodes in it
	Virtual Kind = "virtual" // a node that a runner reports
	Group   Kind = "group"   // a task group, a box
	Data    Kind = "data"    // data that no task makes
)

// A Node is a node of the picture.
type Node struct {
	ID     string `json:"id"`
	Label  string `json:"label"`
	Kind   Kind   `json:"kind"`
	Parent string `json:"parent,omitempty"` // box that it is in
	Doc    string `json:"doc,omitempty"`
	Role   Role   `json:"role,omitempty"`
	Sub    string `json:"sub,omitempty"` // a second line below the label
}

// A Role says what a task does beside running a function; "" for most.
type Role string

// The roles of tasks, each with a mark at its node.
const (
	Setup    Role = "setup"
	Teardown Role = "teardown"
	Sensor   Role = "sensor"
	Branch   Role = "branch"   // takes one of its ways
	Question Role = "question" // asks a person
	Trigger  Role = "trigger"  // triggers another DAG
)

func roleOf(t engine.TaskSpec) Role {
	switch {
	case t.Setup:
		return Setup
	case t.Teardown:
		return Teardown
	case t.PokeEvery > 0:
		return Sensor
	case len(t.Answers) > 0:
		return Question
	case t.Triggers != "":
		return Trigger
	case t.Chooses && !slices.ContainsFunc(t.Upstream, func(e engine.EdgeSpec) bool { return e.Kind == engine.FirstEdge }):
		return Branch
	}
	return ""
}

// An Edge goes from what ends first to what follows.
type Edge struct {
	From string          `json:"from"`
	To   string          `json:"to"`
	Kind engine.EdgeKind `json:"kind"`
	// Label is the way that From must have taken, of a task that chooses; "" whichever.
	Label string `json:"label,omitempty"`
}

// A Graph is what a picture is made of. A box comes before what is in it.
type Graph struct {
	DAG   string `json:"dag"`
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`
}

// Of is the graph of a definition, with the virtual nodes that it knows.
func Of(s engine.Spec) *Graph {
	g := &Graph{DAG: s.DAG, Nodes: []Node{}, Edges: []Edge{}}
	for _, group := range s.Groups {
		g.Nodes = append(g.Nodes, Node{ID: groupID(group.ID), Label: lastPart(group.ID, group.Parent), Kind: Group, Parent: groupID(group.Parent)})
	}
	for _, t := range s.Tasks {
		n := Node{ID: t.ID, Label: lastPart(t.ID, t.Group), Kind: Task, Parent: groupID(t.Group), Doc: t.Doc, Role: roleOf(t)}
		switch {
		case t.MapOver != "":
			n.Kind = Mapped
		case len(t.Virtual) > 0:
			n.Kind = Runner
		}
		g.Nodes = append(g.Nodes, n)
		for _, u := range t.Upstream {
			g.Edges = append(g.Edges, Edge{u.Task, t.ID, u.Kind, u.Port})
		}
		for _, v := range t.Virtual {
			g.Nodes = append(g.Nodes, Node{ID: v.ID, Label: strings.TrimPrefix(v.ID, t.ID+"_"), Kind: Virtual, Parent: t.ID, Doc: v.Doc})
			for _, u := range v.Upstream {
				g.Edges = append(g.Edges, Edge{From: u, To: v.ID, Kind: engine.ValueEdge})
			}
		}
	}
	return g.without()
}

// groupID keeps the ids of groups apart from those of tasks.
func groupID(id string) string {
	if id == "" {
		return ""
	}
	return "group:" + id
}

func lastPart(id, group string) string {
	if group == "" {
		return id
	}
	return strings.TrimPrefix(id, group+".")
}

// without leaves out edges of which an end is not there, and joins repeated ones.
func (g *Graph) without() *Graph {
	known := map[string]bool{}
	for _, n := range g.Nodes {
		known[n.ID] = true
	}
	var kept edgeList
	for _, e := range g.Edges {
		if known[e.From] && known[e.To] && e.From != e.To {
			kept.add(e)
		}
	}
	g.Edges = append([]Edge{}, kept.edges...)
	return g
}

// An edgeList has at most one edge between two ends.
type edgeList struct {
	edges []Edge
	at    map[[2]string]int
}

// add adds an edge; one between the same ends only adds its label to it.
func (l *edgeList) add(e Edge) {
	key := [2]string{e.From, e.To}
	i, ok := l.at[key]
	if !ok {
		if l.at == nil {
			l.at = map[[2]string]int{}
		}
		l.at[key] = len(l.edges)
		l.edges = append(l.edges, e)
		return
	}
	if o := &l.edges[i]; e.Label != "" && !slices.Contains(strings.Split(o.Label, ", "), e.Label) {
		o.Label = strings.TrimPrefix(o.Label+", "+e.Label, ", ")
	}
}
