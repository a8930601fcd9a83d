package layout

// A Point is a place in the picture; y grows downwards.
type Point struct{ X, Y float64 }

// A Box is where a node is.
type Box struct {
	Node
	X, Y, W, H float64
	Depth      int // how many boxes it is in
	Inside     bool
}

// A Line is where an edge runs: straight pieces, alternating with curves between the columns. Edges between the insides
// of two boxes run from box to box.
type Line struct {
	Edge
	Points []Point
}

// A Picture is a graph that has been laid out.
type Picture struct {
	W, H  float64
	Boxes []Box // a box comes before what is in it
	Lines []Line
}

// Sizes of things, in pixels.
const (
	nodeHeight = 30
	subHeight  = 15 // of a second line
	rowGap     = 12 // between nodes of a column
	columnGap  = 38 // between columns; edges curve there
	padding    = 14 // inside a box, and around the picture
	header     = 28 // of a box: its name
	charWidth  = 6.7
	labelWidth = 6.1 // of a character of an edge's label
	roleWidth  = 16  // of the mark of a task's role
	maxLabel   = 36  // characters; longer ones are shortened in the middle
)

// level is what is directly in one box, or in none.
type level struct {
	ids      []string
	edgeList // lifted to this level: between its own ids
}

type arranger struct {
	nodes  map[string]*Box
	parent map[string]string
	levels map[string]*level
	order  []string
}

// Arrange lays a graph out.
func Arrange(g *Graph) *Picture {
	a := &arranger{nodes: map[string]*Box{}, parent: map[string]string{}}
	for _, n := range g.Nodes {
		a.nodes[n.ID] = &Box{Node: n}
		a.parent[n.ID] = n.Parent
		a.order = append(a.order, n.ID)
	}
	for {
		a.lift(g)
		box := a.tangled()
		if box == "" {
			break
		}
		a.dissolve(box)
	}
	pic := &Picture{}
	w, h := a.arrange("", pic)
	pic.W, pic.H = w+2*padding, h+2*padding
	a.settle("", padding, padding, 0)
	for _, id := range a.order {
		if b, ok := a.nodes[id]; ok {
			pic.Boxes = append(pic.Boxes, *b)
		}
	}
	a.shift(pic)
	return pic
}

// lift sorts nodes and edges into levels: an edge belongs to the innermost box that holds both its ends.
func (a *arranger) lift(g *Graph) {
	a.levels = map[string]*level{"": {}}
	for _, id := range a.order {
		if _, ok := a.nodes[id]; ok {
			a.level(a.parent[id]).ids = append(a.level(a.parent[id]).ids, id)
		}
	}
	for _, e := range g.Edges {
		from, to := a.chain(e.From), a.chain(e.To)
		i := 0
		for i < len(from)-1 && i < len(to)-1 && from[i] == to[i] {
			i++
		}
		if lifted := (Edge{from[i], to[i], e.Kind, e.Label}); lifted.From != lifted.To {
			a.level(a.parent[lifted.From]).add(lifted)
		}
	}
}

func (a *arranger) level(id string) *level {
	if a.levels[id] == nil {
		a.levels[id] = &level{}
	}
	return a.levels[id]
}

// chain is a node with the boxes that it is in, outermost first.
func (a *arranger) chain(id string) []string {
	var up []string
	for ; id != ""; id = a.parent[id] {
		up = append([]string{id}, up...)
	}
	return up
}

// tangled finds a group that is part of a cycle between boxes, as when a task outside follows one inside and another
// inside follows that; "" when there is none.
func (a *arranger) tangled() string {
	for _, l := range a.levels {
		if len(l.ids) == 0 {
			continue
		}
		for id := range inCycle(l) {
			if a.nodes[id].Kind == Group {
				return a.first(l)
			}
		}
	}
	return ""
}

// first is the first group of a level that is part of a cycle.
func (a *arranger) first(l *level) string {
	cyclic := inCycle(l)
	for _, id := range l.ids {
		if cyclic[id] && a.nodes[id].Kind == Group {
			return id
		}
	}
	return ""
}

// inCycle are the nodes that remain when those without predecessors, or without successors, are taken away again and again.
func inCycle(l *level) map[string]bool {
	left := map[string]bool{}
	for _, id := range l.ids {
		left[id] = true
	}
	for changed := true; changed; {
		changed = false
		in, out := map[string]bool{}, map[string]bool{}
		for _, e := range l.edges {
			if left[e.From] && left[e.To] {
				in[e.To], out[e.From] = true, true
			}
		}
		for id := range left {
			if !in[id] || !out[id] {
				delete(left, id)
				changed = true
			}
		}
	}
	return left
}

// dissolve takes a group out of the picture: what is in it moves one level up.
func (a *arranger) dissolve(group string) {
	for id, p := range a.parent {
		if p == group {
			a.parent[id] = a.parent[group]
		}
	}
	delete(a.nodes, group)
	delete(a.parent, group)
}

// arrange lays out what is in a box, relative to the box's inside, and returns how large that is.
func (a *arranger) arrange(id string, pic *Picture) (w, h float64) {
	l := a.levels[id]
	for _, child := range l.ids {
		b := a.nodes[child]
		if a.levels[child] != nil {
			inW, inH := a.arrange(child, pic)
			b.Inside = true
			b.W, b.H = max(inW+2*padding, textWidth(b.Label)+56), inH+header+padding
			continue
		}
		b.W, b.H = max(textWidth(b.Label), textWidth(b.Sub))+44, nodeHeight
		if b.Sub != "" {
			b.H += subHeight
		}
		if b.Role != "" {
			b.W += roleWidth
		}
	}
	return a.columns(l, pic)
}

// settle turns places inside boxes into places in the picture.
func (a *arranger) settle(id string, dx, dy float64, depth int) {
	l := a.levels[id]
	if l == nil {
		return
	}
	for _, child := range l.ids {
		b := a.nodes[child]
		b.X += dx
		b.Y += dy
		b.Depth = depth
		a.settle(child, b.X+padding, b.Y+header, depth+1)
	}
}

// shift moves edges into the box that they are in.
func (a *arranger) shift(pic *Picture) {
	for i := range pic.Lines {
		dx, dy := float64(padding), float64(padding)
		if p := a.parent[pic.Lines[i].From]; p != "" {
			dx, dy = a.nodes[p].X+padding, a.nodes[p].Y+header
		}
		for j := range pic.Lines[i].Points {
			pic.Lines[i].Points[j].X += dx
			pic.Lines[i].Points[j].Y += dy
		}
	}
}

// Shorten cuts a long label in its middle.
func Shorten(label string) string {
	r := []rune(label)
	if len(r) <= maxLabel {
		return label
	}
	return string(r[:maxLabel/2]) + "…" + string(r[len(r)-maxLabel/2+1:])
}

func textWidth(label string) float64 { return float64(len([]rune(Shorten(label)))) * charWidth }
