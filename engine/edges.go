package engine

import "context"

// After makes a task that reads a and yields a B. It runs when a has succeeded.
//
// A body without an output does not fit here ("type func(…) error of f does not match"): use [Sink].
//
// A body returns with nothing locked: its goroutine is used again, and with it a thread that it has locked (runtime.LockOSThread) and not
// unlocked. One that changes its thread (namespaces, affinity, a C library's state) does so in a goroutine of its own, which it waits for and
// which ends without unlocking: the thread ends with it.
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
// the end. For an [Each] use [SettledEach].
func Settled[T any](n In[T]) Node[Result[T]] {
	h := settledOf(n, "Settled")
	if h != nil && h.task.over != nil {
		h.g.fail(caller(), "Settled of the mapped task %q: use SettledEach, which tells how each element ended", h.task.spec.ID)
	}
	return Node[Result[T]]{h, func(in *taskInputs) (Result[T], error) {
		a, err := in.latest(h.task)
		if err != nil {
			return Result[T]{}, err
		}
		return resultOf[T](a, h)
	}}
}

// SettledEach is the handle of how each element of a mapped task ended, in element order. Its reader runs when all are over. Where the
// task was decided as a whole (its list failed, or was empty) there is one result that says so.
func SettledEach[T any](n Each[T]) Node[[]Result[T]] {
	h := settledOf(n, "SettledEach")
	return Node[[]Result[T]]{h, func(in *taskInputs) ([]Result[T], error) {
		got := in.from.of(h.task)
		out := make([]Result[T], len(got))
		for i, a := range got {
			r, err := resultOf[T](a, h)
			if err != nil {
				return nil, err
			}
			out[i] = r
		}
		return out, nil
	}}
}

func settledOf(e Edge, what string) *node {
	h := handleOf(e)
	if h != nil && h.kind != taskNode {
		h.g.fail(caller(), "%s takes the handle of a task", what)
		return nil
	}
	if h == nil {
		return nil
	}
	return &node{g: h.g, kind: settledNode, task: h.task, port: h.port}
}

// An Opt is an input that may have been skipped.
type Opt[T any] struct {
	v  T
	ok bool
}

// Get returns the value; ok is false when its task was skipped.
func (o Opt[T]) Get() (v T, ok bool) { return o.v, o.ok }

// Some is an Opt that holds v, for calling a body by hand.
func Some[T any](v T) Opt[T] { return Opt[T]{v, true} }

// Optional is the handle of n's output, or of nothing when n was skipped. Its reader runs when n has succeeded or was skipped, unless it
// has a [Rule]: then that decides, and what has not succeeded is nothing.
func Optional[T any](n In[T]) Node[Opt[T]] {
	h := handleOf(n)
	if h != nil && h.kind != taskNode {
		h.g.fail(caller(), "Optional takes the handle of a task")
		h = nil
	}
	if h == nil {
		return Node[Opt[T]]{}
	}
	return Node[Opt[T]]{&node{g: h.g, kind: optionalNode, task: h.task, port: h.port}, func(in *taskInputs) (Opt[T], error) {
		if !in.succeeded(h) {
			return Opt[T]{}, nil
		}
		v, err := n.value(in)
		return Opt[T]{v, err == nil}, err
	}}
}

func nodeOf[T any](t *Task) Node[T] {
	t.checkOutput = checkOutput[T]
	return Node[T]{&node{g: t.g, kind: taskNode, task: t}, func(in *taskInputs) (T, error) {
		return decodeOutput[T](in, t)
	}}
}
