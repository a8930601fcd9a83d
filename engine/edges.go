package engine

import "context"

// After makes a task that reads a and yields a B. It runs when a has succeeded.
//
// A body without an output does not fit here ("type func(…) error of f does not match"): use [Sink].
func After[A, B any](a In[A], id string, f func(context.Context, A) (B, error), opts ...TaskOption) Node[B] {
	t := addTask(id, []Edge{a}, ValueEdge, opts)
	t.describe(f)
	checkJSON[B](t.g, "output of task "+id)
	t.body = func(ctx context.Context, in *taskInputs) ([]byte, error) {
		av, err := a.value(in)
		if err != nil {
			return nil, err
		}
		b, err := f(ctx, av)
		return encodeOutput(b, err)
	}
	return nodeOf[B](t)
}

// After2 makes a task that reads a and b. It runs when both have succeeded.
func After2[A, B, C any](a In[A], b In[B], id string, f func(context.Context, A, B) (C, error), opts ...TaskOption) Node[C] {
	t := addTask(id, []Edge{a, b}, ValueEdge, opts)
	t.describe(f)
	checkJSON[C](t.g, "output of task "+id)
	t.body = func(ctx context.Context, in *taskInputs) ([]byte, error) {
		av, err := a.value(in)
		if err != nil {
			return nil, err
		}
		bv, err := b.value(in)
		if err != nil {
			return nil, err
		}
		c, err := f(ctx, av, bv)
		return encodeOutput(c, err)
	}
	return nodeOf[C](t)
}

// After3 makes a task that reads a, b and c. It runs when all have succeeded.
func After3[A, B, C, D any](a In[A], b In[B], c In[C], id string, f func(context.Context, A, B, C) (D, error), opts ...TaskOption) Node[D] {
	t := addTask(id, []Edge{a, b, c}, ValueEdge, opts)
	t.describe(f)
	checkJSON[D](t.g, "output of task "+id)
	t.body = func(ctx context.Context, in *taskInputs) ([]byte, error) {
		av, err := a.value(in)
		if err != nil {
			return nil, err
		}
		bv, err := b.value(in)
		if err != nil {
			return nil, err
		}
		cv, err := c.value(in)
		if err != nil {
			return nil, err
		}
		d, err := f(ctx, av, bv, cv)
		return encodeOutput(d, err)
	}
	return nodeOf[D](t)
}

// After4 makes a task that reads a, b, c and d. It runs when all have succeeded.
func After4[A, B, C, D, E any](a In[A], b In[B], c In[C], d In[D], id string, f func(context.Context, A, B, C, D) (E, error), opts ...TaskOption) Node[E] {
	t := addTask(id, []Edge{a, b, c, d}, ValueEdge, opts)
	t.describe(f)
	checkJSON[E](t.g, "output of task "+id)
	t.body = func(ctx context.Context, in *taskInputs) ([]byte, error) {
		av, err := a.value(in)
		if err != nil {
			return nil, err
		}
		bv, err := b.value(in)
		if err != nil {
			return nil, err
		}
		cv, err := c.value(in)
		if err != nil {
			return nil, err
		}
		dv, err := d.value(in)
		if err != nil {
			return nil, err
		}
		e, err := f(ctx, av, bv, cv, dv)
		return encodeOutput(e, err)
	}
	return nodeOf[E](t)
}

// Sink makes a task that reads a and has no output.
func Sink[A any](a In[A], id string, f func(context.Context, A) error, opts ...TaskOption) Node[struct{}] {
	t := addTask(id, []Edge{a}, ValueEdge, opts)
	t.describe(f)
	t.body = func(ctx context.Context, in *taskInputs) ([]byte, error) {
		av, err := a.value(in)
		if err != nil {
			return nil, err
		}
		return nil, f(ctx, av)
	}
	return Node[struct{}]{&node{g: t.g, kind: taskNode, task: t}, func(*taskInputs) (struct{}, error) { return struct{}{}, nil }}
}

// A Result is how a task ended, for readers that run whatever it was. Value is the zero T unless State is success; Err says
// why it is not.
type Result[T any] struct {
	Value T
	State State
	Err   error
}

// Settled is the handle of how n ended: success, failed, skipped or upstream_failed. Its reader runs when n is over, whatever
// the end. It does not take an [Each].
func Settled[T any](n Node[T]) Node[Result[T]] {
	h := handleOf(n)
	if h == nil || h.kind != taskNode {
		if h != nil {
			h.g.fail(caller(), "Settled takes the handle of a task")
		}
		return Node[Result[T]]{n: h, read: func(*taskInputs) (Result[T], error) { return Result[T]{}, nil }}
	}
	return Node[Result[T]]{&node{g: h.g, kind: settledNode, task: h.task}, func(in *taskInputs) (Result[T], error) {
		return decodeResult[T](in, h.task)
	}}
}

func nodeOf[T any](t *Task) Node[T] {
	t.checkOutput = checkOutput[T]
	return Node[T]{&node{g: t.g, kind: taskNode, task: t}, func(in *taskInputs) (T, error) {
		return decodeOutput[T](in, t)
	}}
}
