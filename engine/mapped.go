package engine

import "context"

// DefaultMapLimit is the largest list that a task is mapped over unless MapLimit says otherwise.
const DefaultMapLimit = 1024

// Map makes a task with one instance per element of a list. Over an [Each] it goes element by element: instance i reads
// what instance i yielded and starts as soon as that has ended, so that one slow element does not hold the others.
//
// An empty list skips the task. A list longer than [MapLimit] fails it, not the task that made the list. If the list is no
// list ("In[[]A] … does not match"), use [After].
func Map[A, B any](list In[[]A], id string, f func(context.Context, A) (B, error), opts ...TaskOption) Each[B] {
	t := addTask(id, []Edge{list}, ValueEdge, opts)
	t.describe(f)
	checkJSON[B](t.g, "output of task "+id)
	if h := handleOf(list); h != nil {
		if h.kind == taskNode && h.task != nil {
			t.over = h.task
			h.task.listOut = true
		} else {
			t.g.fail(t.where, "task %q: Map takes the output of a task", id)
		}
	}
	t.checkOutput = checkOutput[B]
	each, byElement := list.(Each[A])
	t.body = func(ctx context.Context, in *taskInputs) ([]byte, error) {
		var a A
		var err error
		if byElement {
			a, err = decodeOutput[A](in, each.n.task)
		} else {
			a, err = decodeListItem[A](in, t.over)
		}
		if err != nil {
			return nil, err
		}
		b, err := f(ctx, a)
		return encodeOutput(b, err)
	}
	return Each[B]{&node{g: t.g, kind: taskNode, task: t}}
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
