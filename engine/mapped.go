package engine

import (
	"context"
	"reflect"
	"slices"
)

// DefaultMapLimit is the largest list that a task is mapped over unless MapLimit says otherwise.
const DefaultMapLimit = 1024

// Map makes a task with one instance per element of a list. Over an [Each] it goes element by element: instance i reads
// what instance i yielded and starts as soon as that has ended, so that one slow element does not hold the others.
//
// An empty list skips the task. A list longer than [MapLimit] fails it, not the task that made the list. If the list is no
// list ("In[[]A] … does not match"), use [After].
func Map[A, B any](list In[[]A], id string, f func(context.Context, A) (B, error), opts ...TaskOption) Each[B] {
	t := addTask(id, []Edge{list}, ValueEdge, opts)
	element := mapOver[A](t, list)
	t.describe(f)
	t.body = func(ctx context.Context, in *taskInputs) ([]byte, error) {
		a, err := element(in)
		if err != nil {
			return nil, err
		}
		if err := nameElement(ctx, in, t, a); err != nil {
			return nil, err
		}
		b, err := f(ctx, a)
		return encodeOutput(b, err)
	}
	return eachOf[B](t)
}

// MapWith is [Map] with a second input that every element reads as it is.
func MapWith[A, S, B any](list In[[]A], shared In[S], id string, f func(context.Context, A, S) (B, error), opts ...TaskOption) Each[B] {
	t := addTask(id, []Edge{list, shared}, ValueEdge, opts)
	element := mapOver[A](t, list)
	if h := handleOf(shared); h != nil {
		t.readsWhole = slices.ContainsFunc(h.edges(ValueEdge), func(e edge) bool { return e.to.task == t.over })
	}
	t.describe(f)
	t.body = func(ctx context.Context, in *taskInputs) ([]byte, error) {
		a, err := element(in)
		if err != nil {
			return nil, err
		}
		if err := nameElement(ctx, in, t, a); err != nil {
			return nil, err
		}
		s, err := shared.value(in)
		if err != nil {
			return nil, err
		}
		b, err := f(ctx, a, s)
		return encodeOutput(b, err)
	}
	return eachOf[B](t)
}

// Cross makes a task with one instance for each pair of an element of a and one of b: a[0] with each of b, then a[1], and so on. It
// starts when both lists are complete. Its limits are those of [Map], on the number of pairs.
func Cross[A, B, C any](a In[[]A], b In[[]B], id string, f func(context.Context, A, B) (C, error), opts ...TaskOption) Each[C] {
	t := addTask(id, []Edge{a, b}, ValueEdge, opts)
	t.over, t.cross, t.overAll = listTask(t, a), listTask(t, b), true
	checkElementName[A](t)
	t.describe(f)
	t.body = func(ctx context.Context, in *taskInputs) ([]byte, error) {
		av, err := decodeItem[A](in, 0)
		if err != nil {
			return nil, err
		}
		bv, err := decodeItem[B](in, 1)
		if err != nil {
			return nil, err
		}
		if err := nameElement(ctx, in, t, av); err != nil {
			return nil, err
		}
		c, err := f(ctx, av, bv)
		return encodeOutput(c, err)
	}
	return eachOf[C](t)
}

// mapOver maps t over a list and returns how its instances read their element.
func mapOver[A any](t *Task, list In[[]A]) func(*taskInputs) (A, error) {
	t.over = listTask(t, list)
	checkElementName[A](t)
	if each, ok := list.(Each[A]); ok && t.over != nil {
		return func(in *taskInputs) (A, error) { return decodeOutput[A](in, each.n.task) }
	}
	return func(in *taskInputs) (A, error) { return decodeItem[A](in, 0) }
}

// listTask is the task whose list a handle stands for.
func listTask(t *Task, list Edge) *Task {
	h := handleOf(list)
	if h == nil {
		return nil
	}
	if h.kind != taskNode {
		t.g.fail(t.where, "task %q is mapped over a handle that is no task's own output; put a task between that returns the list", t.spec.ID)
		return nil
	}
	h.task.listOut = h.task.listOut || h.task.over == nil
	return h.task
}

func eachOf[B any](t *Task) Each[B] {
	checkJSON[B](t.g, "output of task "+t.spec.ID)
	t.checkOutput = checkOutput[B]
	return Each[B]{&node{g: t.g, kind: taskNode, task: t}}
}

// ElementName names the instances of a mapped task on screen by the element that each reads, such as a file's name. A must be the type of
// the element (of a for Cross); an empty name leaves the number.
func ElementName[A any](name func(A) string) TaskOption {
	return taskOption(func(t *Task) { t.elementName = name })
}

func checkElementName[A any](t *Task) {
	if t.elementName == nil {
		return
	}
	if _, ok := t.elementName.(func(A) string); !ok {
		t.g.fail(t.where, "task %q: its ElementName is a %T; its elements are %s", t.spec.ID, t.elementName, reflect.TypeFor[A]())
	}
}

// nameElement tells the name of the element that an attempt works on. It errs when the name must not be told.
func nameElement[A any](ctx context.Context, in *taskInputs, t *Task, a A) error {
	if name, ok := t.elementName.(func(A) string); ok {
		return in.nameAs(ctx, name(a))
	}
	return nil
}

// MapLimit is the largest list that the task is mapped over; the default is 1,024.
func MapLimit(n int) TaskOption {
	return taskOption(func(t *Task) {
		if n < 1 {
			t.g.fail(t.where, "MapLimit(%d): must be at least 1", n)
		}
		t.mapLimit, t.spec.MapLimit = n, n
	})
}
