package layout

import (
	"cmp"
	"slices"
)

// sweeps is how often the columns are gone through; more hardly ever helps.
const sweeps = 12

// reduceCrossings orders each column by the middle of its neighbours, forwards and backwards in turn, and keeps the best
// order that was seen.
func reduceCrossings(layers [][]*item) {
	best, order := crossings(layers), orders(layers)
	for round := 0; round < sweeps && best > 0; round++ {
		if round%2 == 0 {
			for _, l := range layers[1:] {
				sortBy(l, func(it *item) []*item { return it.up })
			}
		} else {
			for i := len(layers) - 2; i >= 0; i-- {
				sortBy(layers[i], func(it *item) []*item { return it.down })
			}
		}
		if n := crossings(layers); n < best {
			best, order = n, orders(layers)
		}
	}
	for i, l := range order {
		copy(layers[i], l)
		number(layers[i])
	}
}

func sortBy(layer []*item, neighbours func(*item) []*item) {
	middle := make(map[*item]float64, len(layer))
	for _, it := range layer {
		middle[it] = float64(it.pos)
		if ns := neighbours(it); len(ns) > 0 {
			sum := 0
			for _, n := range ns {
				sum += n.pos
			}
			middle[it] = float64(sum) / float64(len(ns))
		}
	}
	slices.SortStableFunc(layer, func(a, b *item) int { return cmp.Compare(middle[a], middle[b]) })
	number(layer)
}

func orders(layers [][]*item) [][]*item {
	out := make([][]*item, len(layers))
	for i, l := range layers {
		out[i] = slices.Clone(l)
	}
	return out
}

// crossings counts how often edges cross between neighbouring columns.
func crossings(layers [][]*item) int {
	n := 0
	for _, l := range layers {
		var ends []int // of the edges, in the order of their starts
		for _, it := range l {
			to := make([]int, len(it.down))
			for i, d := range it.down {
				to[i] = d.pos
			}
			slices.Sort(to)
			for _, t := range to {
				for _, e := range ends {
					if e > t {
						n++
					}
				}
			}
			ends = append(ends, to...)
		}
	}
	return n
}
