package layout

import "math"

// An item is something in a column: a node, or the passage of an edge that spans several columns.
type item struct {
	id    string // "" for a passage
	w, h  float64
	layer int
	up    []*item // in the column before
	down  []*item // in the column after
	pos   int     // place within its column
	y     float64 // of its middle
}

// isNode says whether it is a node, rather than a box or a passage.
func (it *item) isNode() bool { return it.id != "" && it.h <= nodeHeight+subHeight }

// A route is an edge with all that it goes through, from its start to its end.
type route struct {
	edge  Edge
	items []*item
}

// columns lays out one level: what has edges in columns, what has none in a block below. Places are relative to the
// level's own corner.
func (a *arranger) columns(l *level, pic *Picture) (w, h float64) {
	linked := map[string]bool{}
	for _, e := range l.edges {
		linked[e.From], linked[e.To] = true, true
	}
	var alone []*Box
	items := map[string]*item{}
	var ordered []*item
	for _, id := range l.ids {
		b := a.nodes[id]
		if !linked[id] {
			alone = append(alone, b)
			continue
		}
		it := &item{id: id, w: b.W, h: b.H}
		items[id] = it
		ordered = append(ordered, it)
	}
	if len(ordered) > 0 {
		assignLayers(ordered, items, l.edges)
		layers, routes := passages(ordered, items, l.edges)
		reduceCrossings(layers)
		gaps := gapsOf(routes, len(layers))
		w, h = a.place(layers, gaps)
		pic.Lines = append(pic.Lines, lines(routes, layers, gaps)...)
	}
	if len(alone) > 0 {
		top := h
		if h > 0 {
			top += rowGap * 2
		}
		bw, bh := block(alone, top)
		w, h = max(w, bw), top+bh
	}
	return w, h
}

// assignLayers puts each item one column after the last of those that it follows; what follows nothing is moved up to
// what follows it.
func assignLayers(ordered []*item, items map[string]*item, edges []Edge) {
	forward := acyclic(ordered, items, edges)
	for range ordered { // longest path; as many rounds as there are items at most
		moved := false
		for _, e := range forward {
			from, to := items[e.From], items[e.To]
			if to.layer <= from.layer {
				to.layer, moved = from.layer+1, true
			}
		}
		if !moved {
			break
		}
	}
	follows := map[string]bool{}
	for _, e := range forward {
		follows[e.To] = true
	}
	for _, it := range ordered {
		if follows[it.id] {
			continue
		}
		next := math.MaxInt
		for _, e := range forward {
			if e.From == it.id {
				next = min(next, items[e.To].layer)
			}
		}
		if next < math.MaxInt {
			it.layer = next - 1
		}
	}
}

// acyclic turns round the edges that would close a cycle. Definitions have none; hand-made graphs may.
func acyclic(ordered []*item, items map[string]*item, edges []Edge) []Edge {
	out := map[string][]string{}
	for _, e := range edges {
		out[e.From] = append(out[e.From], e.To)
	}
	state := map[string]int{}
	back := map[[2]string]bool{}
	var visit func(id string)
	visit = func(id string) {
		state[id] = 1
		for _, to := range out[id] {
			switch state[to] {
			case 0:
				visit(to)
			case 1:
				back[[2]string{id, to}] = true
			}
		}
		state[id] = 2
	}
	for _, it := range ordered {
		if state[it.id] == 0 {
			visit(it.id)
		}
	}
	forward := make([]Edge, 0, len(edges))
	for _, e := range edges {
		if back[[2]string{e.From, e.To}] {
			e.From, e.To = e.To, e.From
		}
		forward = append(forward, e)
	}
	return forward
}

// passages makes the columns, with an item for each column that an edge passes through.
func passages(ordered []*item, items map[string]*item, edges []Edge) ([][]*item, []route) {
	last := 0
	for _, it := range ordered {
		last = max(last, it.layer)
	}
	layers := make([][]*item, last+1)
	for _, it := range ordered {
		layers[it.layer] = append(layers[it.layer], it)
	}
	var routes []route
	for _, e := range edges {
		from, to := items[e.From], items[e.To]
		if from.layer > to.layer {
			from, to = to, from
		}
		r := route{e, []*item{from}}
		at := from
		for layer := from.layer + 1; layer < to.layer; layer++ {
			p := &item{layer: layer}
			layers[layer] = append(layers[layer], p)
			link(at, p)
			r.items = append(r.items, p)
			at = p
		}
		link(at, to)
		r.items = append(r.items, to)
		routes = append(routes, r)
	}
	for _, l := range layers {
		number(l)
	}
	return layers, routes
}

func link(from, to *item) {
	from.down = append(from.down, to)
	to.up = append(to.up, from)
}

func number(layer []*item) {
	for i, it := range layer {
		it.pos = i
	}
}

// block puts nodes without edges in rows, about twice as wide as high.
func block(alone []*Box, top float64) (w, h float64) {
	widest, area := 0.0, 0.0
	for _, b := range alone {
		widest = max(widest, b.W)
		area += (b.W + rowGap) * (b.H + rowGap)
	}
	limit := max(widest, math.Sqrt(area*2))
	if len(alone) <= 3 {
		limit = widest
	}
	columns := max(1, int((limit+rowGap)/(widest+rowGap)))
	y := top
	for i := 0; i < len(alone); i += columns {
		row := alone[i:min(i+columns, len(alone))]
		high := 0.0
		for j, b := range row {
			b.X, b.Y = float64(j)*(widest+rowGap), y
			if !b.Inside {
				b.W = widest
			}
			w, high = max(w, b.X+b.W), max(high, b.H)
		}
		y += high + rowGap
	}
	return w, y - rowGap - top
}
