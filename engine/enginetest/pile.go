package enginetest

import "container/heap"

// A pile keeps elements so that the first by an order is at hand and any can be taken out, each in O(log n).
type pile[T any] struct {
	elems []T
	less  func(a, b T) bool
	index func(T) *int // where an element keeps its place
}

func newPile[T any](less func(a, b T) bool, index func(T) *int) *pile[T] {
	return &pile[T]{less: less, index: index}
}

// first returns the first element; ok is false when the pile is empty.
func (p *pile[T]) first() (e T, ok bool) {
	if len(p.elems) == 0 {
		return e, false
	}
	return p.elems[0], true
}

func (p *pile[T]) put(e T)       { heap.Push(p, e) }
func (p *pile[T]) takeFirst() T  { return heap.Pop(p).(T) }
func (p *pile[T]) remove(e T)    { heap.Remove(p, *p.index(e)) }
func (p *pile[T]) putAll(es []T) { each(es, p.put) }

// The methods below are those of heap.Interface.

func (p *pile[T]) Len() int           { return len(p.elems) }
func (p *pile[T]) Less(i, j int) bool { return p.less(p.elems[i], p.elems[j]) }

func (p *pile[T]) Swap(i, j int) {
	p.elems[i], p.elems[j] = p.elems[j], p.elems[i]
	*p.index(p.elems[i]), *p.index(p.elems[j]) = i, j
}

func (p *pile[T]) Push(x any) {
	e := x.(T)
	*p.index(e) = len(p.elems)
	p.elems = append(p.elems, e)
}

func (p *pile[T]) Pop() any {
	last := len(p.elems) - 1
	e := p.elems[last]
	var zero T
	p.elems[last] = zero
	p.elems = p.elems[:last]
	return e
}

func each[T any](es []T, f func(T)) {
	for _, e := range es {
		f(e)
	}
}
