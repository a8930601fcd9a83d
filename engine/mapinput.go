package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// A mapItem is the element that an instance of a mapped task reads of a list.
type mapItem struct {
	of    *Task
	index int
	raw   []byte
	err   error // why it has none
}

// elements are those of what a task that others are mapped over has left: of its list, or one for each of its own instances.
type elements struct {
	of       *Task
	attempts []Attempt
	list     jsonList
	err      error
}

func (e *elements) len() int {
	if e.of.over != nil {
		return len(e.attempts)
	}
	return len(e.list.items)
}

// item copies an element, so that a list does not stay in memory as long as the slowest of its elements runs. from is the attempt that
// left it, without the rest of its output.
func (e *elements) item(i int) (it mapItem, from []Attempt) {
	it = mapItem{of: e.of, index: i, err: e.err}
	switch {
	case it.err != nil:
		return it, nil
	case e.of.over == nil:
		var raw []byte
		raw, it.err = e.list.item(i)
		it.raw, from = bytes.Clone(raw), e.attempts[len(e.attempts)-1:]
	case i < len(e.attempts):
		it.raw, from = e.attempts[i].Output, e.attempts[i:i+1]
	default:
		it.err = fmt.Errorf("it has %d elements now, none at %d: clear this task as a whole", len(e.attempts), i)
		return it, nil
	}
	a := from[0]
	a.Output = nil
	return it, []Attempt{a}
}

// elementsOf are the elements of what a task has left for an attempt.
func (a *attempt) elementsOf(t *Task, in *inputReader) elements {
	e := elements{of: t, attempts: a.inputs.from.of(t)}
	if t.over != nil {
		return e
	}
	var last Attempt
	if last, e.err = a.inputs.latest(t); e.err == nil {
		e.list, e.err = in.list(t, last)
	}
	return e
}

// narrow leaves an instance of a mapped task its own element of the list (with [Cross] its pair), and no more of the list unless its task
// reads that as a whole too. Of what goes element by element it has no more to begin with.
func (a *attempt) narrow(in *inputReader) {
	t := a.task
	if t.over == nil || t.over.over != nil && !t.overAll {
		return
	}
	over := []elements{a.elementsOf(t.over, in)}
	at := []int{a.MapIndex}
	if t.cross != nil {
		over = append(over, a.elementsOf(t.cross, in))
		at = over[0].pair(&over[1], a.MapIndex)
	}
	var left readings
	for i := range over {
		it, from := over[i].item(at[i])
		a.inputs.items = append(a.inputs.items, it)
		left.set(it.of, Input{Attempts: append(left.of(it.of), from...)})
	}
	if !t.readsWhole {
		for _, l := range left {
			a.inputs.from.set(l.task, l.Input)
		}
	}
}

// pair is which elements of e and of the list that it is crossed with the i-th pair has.
func (e *elements) pair(with *elements, i int) []int {
	n, m := e.len(), with.len()
	if i < n*m {
		return []int{i / m, i % m}
	}
	if e.err == nil && with.err == nil {
		e.err = fmt.Errorf("its list and the one that it is crossed with have %d and %d elements now, no pair at %d: clear this task as a whole", n, m, i)
	}
	return []int{0, 0}
}

// decodeItem decodes an instance's element of the n-th list that its task is mapped over.
func decodeItem[T any](in *taskInputs, n int) (T, error) {
	var v T
	it := in.items[n]
	if it.err != nil {
		return v, Permanent(fmt.Errorf("input of %s: %w", it.of.spec.ID, it.err))
	}
	if it.raw == nil {
		return v, Permanent(fmt.Errorf("input of %s: element %d is success but has no output in this run: clear it, or mark it with an output", it.of.spec.ID, it.index))
	}
	if err := json.Unmarshal(it.raw, &v); err != nil {
		return v, Permanent(fmt.Errorf("input of %s: element %d of its output does not decode into %T: %w", it.of.spec.ID, it.index, v, err))
	}
	return v, nil
}
