package layout

import (
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
)

// A Node is a node of the picture.
type Node struct {
	ID     string `json:"id"`
	Label  string `json:"label"`
	Kind   Kind   `json:"kind"`
	Parent string `json:"parent,omitempty"` // box that it is in
	Doc    string `json:"doc,omitempty"`
}

// An Edge goes from what ends first to what follows.
type Edge struct {
	From string          `json:"from"`
	To   string          `json:"to"`
	Kind engine.EdgeKind `json:"kind"`
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
		n := Node{ID: t.ID, Label: lastPart(t.ID, t.Group), Kind: Task, Parent: groupID(t.Group), Doc: t.Doc}
		switch {
		case t.MapOver != "":
			n.Kind = Mapped
		case len(t.Virtual) > 0:
			n.Kind = Runner
		}
		g.Nodes = append(g.Nodes, n)
		for _, u := range t.Upstream {
			g.Edges = append(g.Edges, Edge{u.Task, t.ID, u.Kind})
		}
		for _, v := range t.Virtual {
			g.Nodes = append(g.Nodes, Node{ID: v.ID, Label: strings.TrimPrefix(v.ID, t.ID+"_"), Kind: Virtual, Parent: t.ID, Doc: v.Doc})
			for _, u := range v.Upstream {
				g.Edges = append(g.Edges, Edge{u, v.ID, engine.ValueEdge})
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

// without leaves out edges of which an end is not there, and repeated ones.
func (g *Graph) without() *Graph {
	known := map[string]bool{}
	for _, n := range g.Nodes {
		known[n.ID] = true
	}
	seen := map[[2]string]bool{}
	kept := g.Edges[:0]
	for _, e := range g.Edges {
		key := [2]string{e.From, e.To}
		if known[e.From] && known[e.To] && !seen[key] && e.From != e.To {
			seen[key] = true
			kept = append(kept, e)
		}
	}
	g.Edges = kept
	return g
}
