package ui

import (
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/layout"
)

// A dataGraph is a picture of data with what is drawn at its nodes.
type dataGraph struct {
	*layout.Graph
	states map[string]engine.State
	notes  map[string]string
	links  map[string]string
}

// lineageGraph draws what data is made of. Unless each test is to be drawn, those of one piece are one node.
func lineageGraph(dag string, all []lineageLine, tests bool) dataGraph {
	g := dataGraph{&layout.Graph{DAG: dag, Nodes: []layout.Node{}, Edges: []layout.Edge{}}, map[string]engine.State{}, map[string]string{}, map[string]string{}}
	subject, drawn := map[string]string{}, map[string]bool{}
	if !tests {
		subject = subjects(all)
	}
	folded := map[string][]lineageLine{}
	for _, l := range all {
		if of := subject[l.ID]; of != "" {
			folded[of] = append(folded[of], l)
			continue
		}
		drawn[l.ID] = true
		kind := layout.Task
		if l.Task == "" {
			kind = layout.Data
		}
		sub := l.summary()
		if sub == "" {
			sub = word(l.Kind)
		}
		g.node(layout.Node{ID: l.ID, Label: l.Name, Kind: kind, Doc: l.Doc, Sub: sub}, l.State, word(l.Kind), l.URL)
	}
	for _, l := range all {
		if tests := folded[l.ID]; len(tests) > 0 {
			text, _ := testTally(tests)
			id := "tests of " + l.ID
			g.node(layout.Node{ID: id, Label: plural(len(tests), "test"), Kind: layout.Task, Sub: text}, stateOfTests(tests), "of "+l.Name, "?tests=all")
			g.Edges = append(g.Edges, layout.Edge{From: l.ID, To: id, Kind: engine.OrderEdge})
		}
		if !drawn[l.ID] {
			continue
		}
		kind := engine.ValueEdge
		if l.isTest() {
			kind = engine.OrderEdge
		}
		for _, up := range l.Upstream {
			if drawn[up] {
				g.Edges = append(g.Edges, layout.Edge{From: up, To: l.ID, Kind: kind})
			}
		}
	}
	return g
}

func (g *dataGraph) node(n layout.Node, state engine.State, note, link string) {
	g.Nodes = append(g.Nodes, n)
	g.notes[n.ID] = note
	if state != "" {
		g.states[n.ID] = state
	}
	if link != "" {
		g.links[n.ID] = link
	}
}

// stateOfTests is that of the worst of them.
func stateOfTests(tests []lineageLine) engine.State {
	worst := engine.State("")
	for _, t := range tests {
		switch {
		case t.State == engine.Failed:
			return engine.Failed
		case t.State != "" && (worst == "" || worst == engine.Success):
			worst = t.State
		}
	}
	return worst
}
