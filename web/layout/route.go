package layout

// lines turns routes into points: from the right side of a node straight to the end of its column, and from there in one
// curve per gap to the next column. No curve crosses a column, so that no edge runs over a node.
func lines(routes []route, layers [][]*item, gaps []float64) []Line {
	left, right := sides(layers, gaps)
	out := make([]Line, 0, len(routes))
	for _, r := range routes {
		first := r.items[0]
		points := []Point{{left[first.layer] + first.w, first.y}, {right[first.layer], first.y}}
		for _, it := range r.items[1 : len(r.items)-1] {
			points = append(points, Point{left[it.layer], it.y}, Point{right[it.layer], it.y})
		}
		last := r.items[len(r.items)-1]
		points = append(points, Point{left[last.layer], last.y})
		out = append(out, Line{r.edge, points})
	}
	return out
}

func sides(layers [][]*item, gaps []float64) (left, right []float64) {
	x := 0.0
	for i, l := range layers {
		widest, nodes := widths(l)
		for _, it := range l {
			if it.isNode() {
				it.w = nodes
			}
		}
		left, right = append(left, x), append(right, x+widest)
		x += widest + gaps[i]
	}
	return left, right
}
