package engine

import (
	"context"
	"time"
)

// DefaultPokeEvery and DefaultPokeTimeout are those of a [Poke] that leaves them out.
const (
	DefaultPokeEvery   = time.Minute
	DefaultPokeTimeout = 7 * 24 * time.Hour
)

// A Poke says how often a [Sensor] looks and how long it waits in all. Between two pokes it holds no slot.
type Poke struct {
	Every   time.Duration // from the end of one poke to the next; 0: [DefaultPokeEvery]
	Timeout time.Duration // from the end of the first poke; then the task fails, without retries. 0: [DefaultPokeTimeout]
}

// Sensor makes a task that waits until f says that something is ready: f is called again and again until ready is true, and out is the
// task's output then. An error is a failure of the task, retried as any other. f should look once and return.
func Sensor[A, B any](a In[A], id string, p Poke, f func(ctx context.Context, a A) (out B, ready bool, err error), opts ...TaskOption) Node[B] {
	t := addTask(id, []Edge{a}, ValueEdge, opts)
	if p.Every < 0 || p.Timeout < 0 {
		t.g.fail(t.where, "task %q: Poke{Every: %s, Timeout: %s}: neither may be below 0", id, p.Every, p.Timeout)
	}
	if p.Every == 0 {
		p.Every = DefaultPokeEvery
	}
	if p.Timeout == 0 {
		p.Timeout = DefaultPokeTimeout
	}
	t.spec.PokeEvery, t.spec.WaitLimit = Duration(p.Every), Duration(p.Timeout)
	t.describe(f)
	checkJSON[B](t.g, "output of task "+id)
	t.body = func(ctx context.Context, in *taskInputs) ([]byte, error) {
		av, err := a.value(in)
		if err != nil {
			return nil, err
		}
		out, ready, err := f(ctx, av)
		if err == nil && !ready {
			return nil, &suspendError{Suspension{State: UpForReschedule, After: p.Every, Timeout: p.Timeout}}
		}
		return encodeOutput(out, err)
	}
	return nodeOf[B](t)
}
