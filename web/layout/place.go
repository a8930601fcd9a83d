package layout

// rounds is how often the columns are shifted towards their neighbours.
const rounds = 8

// place gives every item a place: columns side by side, and within each column as near to the neighbours as the order and
// the sizes allow. It returns the size of the whole.
func (a *arranger) place(layers [][]*item, gaps []float64) (w, h float64) {
	for _, l := range layers {
		stack(l, nil)
	}
	for round := range rounds {
		if round%2 == 0 {
			for _, l := range layers[1:] {
				stack(l, func(it *item) []*item { return it.up })
			}
		} else {
			for i := len(layers) - 2; i >= 0; i-- {
				stack(layers[i], func(it *item) []*item { return it.down })
			}
		}
	}
	for _, l := range layers {
		stack(l, func(it *item) []*item { return append(append([]*item{}, it.up...), it.down...) })
	}
	top, bottom := layers[0][0].y, layers[0][0].y
	for _, l := range layers {
		for _, it := range l {
			top, bottom = min(top, it.y-it.h/2), max(bottom, it.y+it.h/2)
		}
	}
	x := 0.0
	for i, l := range layers {
		widest, nodes := widths(l)
		for _, it := range l {
			it.y -= top
			if it.id == "" {
				it.w = widest
				continue
			}
			b := a.nodes[it.id]
			if !b.Inside {
				b.W = nodes
			}
			b.X, b.Y = x, it.y-b.H/2
		}
		x += widest + gaps[i]
	}
	return x - gaps[len(gaps)-1], bottom - top
}

// gapsOf are how far each column is from the next: as far as the labels of the edges that end there need.
func gapsOf(routes []route, layers int) []float64 {
	gaps := make([]float64, layers)
	for i := range gaps {
		gaps[i] = columnGap
	}
	for _, r := range routes {
		if i := r.items[len(r.items)-1].layer - 1; r.edge.Label != "" && i >= 0 {
			gaps[i] = max(gaps[i], columnGap+float64(len([]rune(Shorten(r.edge.Label))))*labelWidth)
		}
	}
	return gaps
}

// widths are that of a column and that of its nodes, which are all as wide as the widest of them; boxes are as wide as they are.
func widths(layer []*item) (column, nodes float64) {
	for _, it := range layer {
		column = max(column, it.w)
		if it.isNode() {
			nodes = max(nodes, it.w)
		}
	}
	return column, nodes
}

// stack places a column: each item as near as may be to the middle of its neighbours, in order and without overlap. That
// is a regression with a rising result, solved by pooling items that want to pass each other. Without neighbours the
// items are packed.
func stack(layer []*item, neighbours func(*item) []*item) {
	type pool struct {
		want, weight float64
		n            int
	}
	offset, offsets := 0.0, make([]float64, len(layer))
	var pools []pool
	for i, it := range layer {
		if i > 0 {
			offset += (layer[i-1].h+it.h)/2 + gap(layer[i-1], it)
		}
		offsets[i] = offset
		want, weight := wish(it, neighbours)
		pools = append(pools, pool{want - offset, weight, 1})
		for len(pools) > 1 && pools[len(pools)-2].want > pools[len(pools)-1].want {
			p, q := pools[len(pools)-2], pools[len(pools)-1]
			sum := p.weight + q.weight
			pools = append(pools[:len(pools)-2], pool{(p.want*p.weight + q.want*q.weight) / sum, sum, p.n + q.n})
		}
	}
	i := 0
	for _, p := range pools {
		for range p.n {
			layer[i].y = p.want + offsets[i]
			i++
		}
	}
}

// wish is where an item wants to be and how much. Passages want it more, so that long edges are straight.
func wish(it *item, neighbours func(*item) []*item) (y, weight float64) {
	if neighbours == nil {
		return 0, 1
	}
	ns := neighbours(it)
	if len(ns) == 0 {
		return it.y, 0.1
	}
	sum, all := 0.0, 0.0
	for _, n := range ns {
		pull := 1.0
		if it.id != "" && n.id == "" {
			pull = 0.1 // a node keeps to nodes; the edge that goes past them bends
		}
		sum += n.y * pull
		all += pull
	}
	if it.id == "" {
		return sum / all, 3
	}
	return sum / all, max(1, it.h/nodeHeight) // what is large stays, what is small goes out of its way
}

func gap(a, b *item) float64 {
	if a.id == "" && b.id == "" {
		return rowGap / 2
	}
	return rowGap
}
