package layout_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/internal/showcase"
	"github.com/tidemill/tidemill/web/layout"
	"pgregory.net/rapid"
)

func graphs(t *testing.T) map[string]*layout.Graph {
	t.Helper()
	c, err := showcase.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*layout.Graph{}
	for _, id := range c.IDs() {
		d, _ := c.DAG(id)
		out[id] = layout.Of(d.Known())
	}
	out["dbt of 40"] = layout.Of(large())
	return out
}

// large is a DAG whose runner reports forty models in five layers.
func large() engine.Spec {
	t := engine.TaskSpec{ID: "dbt_run", HasVirtual: true, Upstream: []engine.EdgeSpec{{Task: "load", Kind: engine.ValueEdge}}}
	for i := range 40 {
		v := engine.VirtualSpec{ID: fmt.Sprintf("dbt_run_model_%02d", i)}
		for j := 1; j <= 3 && i >= 8; j++ {
			v.Upstream = append(v.Upstream, fmt.Sprintf("dbt_run_model_%02d", (i/8-1)*8+(i*j*7)%8))
		}
		t.Virtual = append(t.Virtual, v)
	}
	return engine.Spec{DAG: "large", Tasks: []engine.TaskSpec{{ID: "load"}, t, {ID: "after", Upstream: []engine.EdgeSpec{{Task: "dbt_run", Kind: engine.ValueEdge}}}}}
}

// sound tells what is wrong with a picture; "" when nothing is.
func sound(p *layout.Picture, parents map[string]string) string {
	const slack = 0.01
	at := map[string]layout.Box{}
	for _, b := range p.Boxes {
		at[b.ID] = b
		if b.X < -slack || b.Y < -slack || b.X+b.W > p.W+slack || b.Y+b.H > p.H+slack {
			return fmt.Sprintf("%s lies outside of the picture", b.ID)
		}
	}
	for i, a := range p.Boxes {
		if box, ok := at[parents[a.ID]]; ok && (a.X < box.X || a.Y < box.Y || a.X+a.W > box.X+box.W+slack || a.Y+a.H > box.Y+box.H+slack) {
			return fmt.Sprintf("%s sticks out of %s", a.ID, box.ID)
		}
		for _, b := range p.Boxes[i+1:] {
			if holds(parents, a.ID, b.ID) || holds(parents, b.ID, a.ID) {
				continue
			}
			if a.X+a.W > b.X+slack && b.X+b.W > a.X+slack && a.Y+a.H > b.Y+slack && b.Y+b.H > a.Y+slack {
				return fmt.Sprintf("%s overlaps %s", a.ID, b.ID)
			}
		}
	}
	for _, l := range p.Lines {
		from, to := at[l.From], at[l.To]
		if from.X+from.W > to.X+slack {
			return fmt.Sprintf("%s → %s does not go to the right", l.From, l.To)
		}
		first, last := l.Points[0], l.Points[len(l.Points)-1]
		if first.X > from.X+from.W+slack || first.X < from.X || first.Y < from.Y || first.Y > from.Y+from.H || last.X > to.X+slack || last.Y < to.Y || last.Y > to.Y+to.H {
			return fmt.Sprintf("%s → %s does not touch its ends", l.From, l.To)
		}
		for i := 1; i < len(l.Points); i++ {
			if l.Points[i].X < l.Points[i-1].X-slack {
				return fmt.Sprintf("%s → %s goes back", l.From, l.To)
			}
		}
	}
	return ""
}

func holds(parents map[string]string, box, id string) bool {
	for id = parents[id]; id != ""; id = parents[id] {
		if id == box {
			return true
		}
	}
	return false
}

func parentsOf(g *layout.Graph) map[string]string {
	out := map[string]string{}
	for _, n := range g.Nodes {
		out[n.ID] = n.Parent
	}
	return out
}

func TestPicturesAreSound(t *testing.T) {
	for name, g := range graphs(t) {
		p := layout.Arrange(g)
		if problem := sound(p, parentsOf(g)); problem != "" {
			t.Errorf("%s: %s", name, problem)
		}
		if len(p.Boxes) != len(g.Nodes) {
			t.Errorf("%s: %d of %d nodes are drawn", name, len(p.Boxes), len(g.Nodes))
		}
	}
}

func TestAnyGraphIsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &layout.Graph{DAG: "d"}
		groups := rapid.IntRange(0, 3).Draw(t, "groups")
		for i := range groups {
			parent := ""
			if i > 0 && rapid.Bool().Draw(t, "nested") {
				parent = fmt.Sprint("g", rapid.IntRange(0, i-1).Draw(t, "parent"))
			}
			g.Nodes = append(g.Nodes, layout.Node{ID: fmt.Sprint("g", i), Label: "group", Kind: layout.Group, Parent: parent})
		}
		n := rapid.IntRange(1, 25).Draw(t, "nodes")
		for i := range n {
			node := layout.Node{ID: fmt.Sprint("t", i), Label: strings.Repeat("x", rapid.IntRange(1, 60).Draw(t, "label")), Kind: layout.Task}
			if groups > 0 {
				if k := rapid.IntRange(-1, groups-1).Draw(t, "group"); k >= 0 {
					node.Parent = fmt.Sprint("g", k)
				}
			}
			g.Nodes = append(g.Nodes, node)
			for range rapid.IntRange(0, 3).Draw(t, "edges") {
				if i > 0 {
					g.Edges = append(g.Edges, layout.Edge{From: fmt.Sprint("t", rapid.IntRange(0, i-1).Draw(t, "from")), To: node.ID, Kind: engine.ValueEdge})
				}
			}
		}
		p := layout.Arrange(g)
		// A group that would make a cycle of boxes is dissolved: what is drawn is what has to be sound.
		parents, drawn := parentsOf(g), map[string]bool{}
		for _, b := range p.Boxes {
			drawn[b.ID] = true
		}
		for id := range parents {
			for parents[id] != "" && !drawn[parents[id]] {
				parents[id] = parents[parents[id]]
			}
		}
		if problem := sound(p, parents); problem != "" {
			t.Fatal(problem)
		}
		for i := range n {
			if !drawn[fmt.Sprint("t", i)] {
				t.Fatalf("t%d is missing", i)
			}
		}
	})
}

// TestNodesBesideABox asks that a task which stands in one column with a box is not drawn as wide as the box.
func TestNodesBesideABox(t *testing.T) {
	var nodes []engine.VirtualSpec
	for i := range 40 {
		nodes = append(nodes, engine.VirtualSpec{ID: fmt.Sprintf("dbt_model_%d", i)})
	}
	up := []engine.EdgeSpec{{Task: "first"}}
	pic := layout.Arrange(layout.Of(engine.Spec{DAG: "d", Tasks: []engine.TaskSpec{{ID: "first"}, {ID: "beside", Upstream: up}, {ID: "dbt", Upstream: up, HasVirtual: true, Virtual: nodes}}}))
	width := map[string]float64{}
	for _, b := range pic.Boxes {
		width[b.ID] = b.W
	}
	if width["beside"] > 200 || width["dbt"] < 500 {
		t.Errorf("beside is %v wide, dbt %v", width["beside"], width["dbt"])
	}
}

func TestFewCrossings(t *testing.T) {
	// Two chains whose nodes are given in turns: an order without a crossing exists and must be found.
	g := &layout.Graph{DAG: "d"}
	for i := range 5 {
		for _, side := range []string{"b", "a"} {
			id := fmt.Sprint(side, i)
			g.Nodes = append(g.Nodes, layout.Node{ID: id, Label: id})
			if i > 0 {
				g.Edges = append(g.Edges, layout.Edge{From: fmt.Sprint(side, i-1), To: id})
			}
		}
	}
	p := layout.Arrange(g)
	y := map[string]float64{}
	for _, b := range p.Boxes {
		y[b.ID] = b.Y
	}
	for i := 1; i < 5; i++ {
		if y[fmt.Sprint("a", i)] != y["a0"] || y[fmt.Sprint("b", i)] != y["b0"] {
			t.Errorf("column %d: the chains are not straight: %v", i, y)
		}
	}
}

func TestRenderings(t *testing.T) {
	for name, g := range graphs(t) {
		for format, render := range map[string]func(io.Writer, *layout.Graph) error{
			"svg": func(w io.Writer, g *layout.Graph) error {
				return layout.RenderSVG(w, g, layout.Options{Standalone: true, States: map[string]engine.State{"dbt_run": engine.Running}, Link: func(n layout.Node) string { return "/x?a=1&b=" + n.ID }})
			},
			"dot": layout.RenderDOT, "mermaid": layout.RenderMermaid, "json": layout.RenderJSON,
		} {
			var a, b bytes.Buffer
			if err := errors.Join(render(&a, g), render(&b, g)); err != nil {
				t.Fatal(err)
			}
			if a.String() != b.String() {
				t.Errorf("%s as %s differs from itself", name, format)
			}
			for _, n := range g.Nodes {
				if !strings.Contains(a.String(), n.Label) && !strings.Contains(a.String(), layout.Shorten(n.Label)) {
					t.Errorf("%s as %s: %s is missing", name, format, n.ID)
				}
			}
			switch format {
			case "svg":
				if err := wellFormed(a.Bytes()); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			case "json":
				var back layout.Graph
				if err := json.Unmarshal(a.Bytes(), &back); err != nil || len(back.Edges) != len(g.Edges) {
					t.Errorf("%s: %d edges came back: %v", name, len(back.Edges), err)
				}
			}
		}
	}
}

func wellFormed(b []byte) error {
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func ExampleRenderMermaid() {
	g := layout.Of(engine.Spec{DAG: "hello", Tasks: []engine.TaskSpec{{ID: "name"}, {ID: "greet", Upstream: []engine.EdgeSpec{{Task: "name", Kind: engine.ValueEdge}}}}})
	var b strings.Builder
	if err := layout.RenderMermaid(&b, g); err != nil {
		panic(err)
	}
	fmt.Print(b.String())
	// Output:
	// flowchart LR
	//   n0["name"]
	//   n1["greet"]
	//   n0 --> n1
}

func TestEdgesSayWhichWay(t *testing.T) {
	c, err := showcase.FeatureCatalog()
	if err != nil {
		t.Fatal(err)
	}
	d, _ := c.DAG(showcase.Scores)
	g := layout.Of(d.Known())
	var b bytes.Buffer
	if err := layout.RenderSVG(&b, g, layout.Options{Notes: map[string]string{"release": "waits for <Ada>"}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`text-anchor="end">yes</text>`, `text-anchor="end">no</text>`, `class="edge first"`, `class="edge optional"`, `<path class="role"`, "start_cluster (setup)", "stop_cluster (teardown)",
		"wait_for_rates (sensor)", "is_doubtful (branch)", "release (question)", "waits for &lt;Ada&gt;"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in the picture", want)
		}
	}
	for what, render := range map[string]func(io.Writer, *layout.Graph) error{`"is_doubtful" -> "deep_check" [label="yes"]`: layout.RenderDOT, `-->|"yes"| `: layout.RenderMermaid, `"label": "yes"`: layout.RenderJSON} {
		b.Reset()
		if err := render(&b, g); err != nil || !strings.Contains(b.String(), what) {
			t.Errorf("%q is missing: %v", what, err)
		}
	}
	two := layout.Of(engine.Spec{Tasks: []engine.TaskSpec{{ID: "a"}, {ID: "b", Upstream: []engine.EdgeSpec{{Task: "a", Port: "yes"}, {Task: "a", Port: "no"}, {Task: "a", Port: "yes"}}}}})
	if len(two.Edges) != 1 || two.Edges[0].Label != "yes, no" {
		t.Errorf("edges between the same ends: %+v", two.Edges)
	}
}

// A node with a second line is as wide as the others of its column, and as its lines need.
func TestNodesOfTwoLines(t *testing.T) {
	g := &layout.Graph{DAG: "d", Nodes: []layout.Node{{ID: "a", Label: "a", Kind: layout.Data, Sub: "a rather long second line"}, {ID: "b", Label: "b", Kind: layout.Task}, {ID: "c", Label: "c", Kind: layout.Task, Sub: "x"}},
		Edges: []layout.Edge{{From: "a", To: "c"}, {From: "b", To: "c"}}}
	pic := layout.Arrange(g)
	for _, b := range pic.Boxes {
		want := 30.0
		if b.Sub != "" {
			want = 45
		}
		if b.H != want || b.W < float64(6*len(b.Sub)) || b.W != pic.Boxes[0].W && b.ID == "b" {
			t.Errorf("%s is %.0f by %.0f", b.ID, b.W, b.H)
		}
	}
}
