package layout

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/tidemill/tidemill/engine"
)

// RenderJSON writes a graph as one JSON object: dag, nodes and edges.
func RenderJSON(w io.Writer, g *Graph) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(g)
}

// children are the nodes by the box that they are in.
func (g *Graph) children() map[string][]Node {
	in := map[string][]Node{}
	for _, n := range g.Nodes {
		in[n.Parent] = append(in[n.Parent], n)
	}
	return in
}

// RenderDOT writes a graph in Graphviz's language. A runner is drawn inside the cluster of what it reports.
func RenderDOT(w io.Writer, g *Graph) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "digraph %q {\n  rankdir=LR;\n  node [shape=box, style=rounded];\n", g.DAG)
	in := g.children()
	var write func(parent, indent string)
	write = func(parent, indent string) {
		for _, n := range in[parent] {
			if len(in[n.ID]) == 0 {
				fmt.Fprintf(b, "%s%q [label=%q];\n", indent, n.ID, n.Label)
				continue
			}
			fmt.Fprintf(b, "%ssubgraph %q {\n%s  label=%q;\n", indent, "cluster_"+n.ID, indent, n.Label)
			if n.Kind == Runner {
				fmt.Fprintf(b, "%s  %q [label=%q];\n", indent, n.ID, n.Label)
			}
			write(n.ID, indent+"  ")
			fmt.Fprintf(b, "%s}\n", indent)
		}
	}
	write("", "  ")
	for _, e := range g.Edges {
		var attributes []string
		if e.Kind != engine.ValueEdge {
			attributes = append(attributes, "style=dashed")
		}
		if e.Label != "" {
			attributes = append(attributes, fmt.Sprintf("label=%q", e.Label))
		}
		style := ""
		if len(attributes) > 0 {
			style = " [" + strings.Join(attributes, ", ") + "]"
		}
		fmt.Fprintf(b, "  %q -> %q%s;\n", e.From, e.To, style)
	}
	b.WriteString("}\n")
	return b.Flush()
}

// RenderMermaid writes a graph in Mermaid's language.
func RenderMermaid(w io.Writer, g *Graph) error {
	b := bufio.NewWriter(w)
	b.WriteString("flowchart LR\n")
	names := map[string]string{}
	for i, n := range g.Nodes {
		names[n.ID] = fmt.Sprintf("n%d", i)
	}
	in := g.children()
	var write func(parent, indent string)
	write = func(parent, indent string) {
		for _, n := range in[parent] {
			if len(in[n.ID]) == 0 {
				fmt.Fprintf(b, "%s%s[%q]\n", indent, names[n.ID], quoteless(n.Label))
				continue
			}
			fmt.Fprintf(b, "%ssubgraph %s[%q]\n", indent, names[n.ID], quoteless(n.Label))
			write(n.ID, indent+"  ")
			fmt.Fprintf(b, "%send\n", indent)
		}
	}
	write("", "  ")
	for _, e := range g.Edges {
		arrow := "-->"
		if e.Kind != engine.ValueEdge {
			arrow = "-.->"
		}
		if e.Label != "" {
			arrow += fmt.Sprintf("|%q|", quoteless(e.Label))
		}
		fmt.Fprintf(b, "  %s %s %s\n", names[e.From], arrow, names[e.To])
	}
	return b.Flush()
}

func quoteless(label string) string { return strings.ReplaceAll(label, `"`, "'") }
