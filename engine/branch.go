package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// A taken is the output of a task that chooses: which way it went, and the value that goes on with it.
type taken struct {
	Taken string          `json:"taken"`
	Value json.RawMessage `json:"value"`
}

func encodeTaken[T any](name string, v T) ([]byte, error) {
	value, err := encodeOutput(v, nil)
	if err != nil {
		return nil, err
	}
	return encodeOutput(taken{Taken: name, Value: value}, nil)
}

// checkTaken tells whether raw is the output of a task that chooses, with a value that is a T.
func checkTaken[T any](t *Task) func([]byte) error {
	return func(raw []byte) error {
		if err := checkOutput[taken](raw); err != nil {
			return fmt.Errorf(`give {"taken": …, "value": …}: %w`, err)
		}
		name, err := t.takenBy(raw)
		if err != nil {
			return err
		}
		if err := checkOutput[T](unwrapTaken(raw)); err != nil {
			return fmt.Errorf("value of %s: %w", name, err)
		}
		return nil
	}
}

// takenBy reads from an output of t which of its ways it went.
func (t *Task) takenBy(output []byte) (string, error) {
	var v taken
	if err := json.Unmarshal(output, &v); err != nil {
		return "", fmt.Errorf("read which way %s went: %w", t.spec.ID, err)
	}
	if !slices.Contains(t.spec.Ports, v.Taken) {
		return "", fmt.Errorf("%s went %q; its ways are %q", t.spec.ID, v.Taken, t.spec.Ports)
	}
	return v.Taken, nil
}

// unwrapTaken is the value that goes on; nil when there is none.
func unwrapTaken(output []byte) []byte {
	var v taken
	if json.Unmarshal(output, &v) != nil {
		return nil
	}
	return v.Value
}

// chooser makes a task that reads a, chooses a way and hands a's value on.
func chooser[T any](a In[T], id string, choose func(t *Task, v T) string, opts []TaskOption) *Task {
	t := addTask(id, []Edge{a}, ValueEdge, opts)
	t.spec.Chooses = true
	checkJSON[T](t.g, "value that task "+id+" hands on")
	t.checkOutput = checkTaken[T](t)
	t.body = func(_ context.Context, in *taskInputs) ([]byte, error) {
		v, err := a.value(in)
		if err != nil {
			return nil, err
		}
		return encodeTaken(choose(t, v), v)
	}
	return t
}

// way is the handle of one way out of t.
func way[T any](t *Task, name string) Node[T] {
	if !slices.Contains(t.spec.Ports, name) {
		t.spec.Ports = append(t.spec.Ports, name)
	}
	return Node[T]{&node{g: t.g, kind: taskNode, task: t, port: name}, func(in *taskInputs) (T, error) { return decodeOutput[T](in, t) }}
}

// If makes a task that asks cond about what a yields. Readers of yes run when it holds and are skipped when it does not; readers of
// no the other way round. Both yield a's value. [First] joins them again.
func If[T any](a In[T], id string, cond func(T) bool, opts ...TaskOption) (yes, no Node[T]) {
	t := chooser(a, id, func(_ *Task, v T) string {
		if cond(v) {
			return "yes"
		}
		return "no"
	}, opts)
	t.describe(cond)
	return way[T](t, "yes"), way[T](t, "no")
}

// Cases are the ways out of a [Switch].
type Cases[T any, K comparable] struct {
	t     *Task
	names map[K]string
}

// Switch makes a task that asks key about what a yields. Readers of the case of that key run; those of the other cases are skipped. A
// key without a case goes to [Cases.Default], and fails the task when there is none.
func Switch[T any, K comparable](a In[T], id string, key func(T) K, opts ...TaskOption) Cases[T, K] {
	names := map[K]string{}
	t := chooser(a, id, func(t *Task, v T) string {
		k := key(v)
		if name, ok := names[k]; ok {
			return name
		}
		if slices.Contains(t.spec.Ports, defaultCase) {
			return defaultCase
		}
		return fmt.Sprint(k) // no way of t: fails it, and says so
	}, opts)
	t.describe(key)
	return Cases[T, K]{t, names}
}

const defaultCase = "default"

// Case is the handle of the case for key k. Asked for twice it is the same case.
func (c Cases[T, K]) Case(k K) Node[T] {
	name := fmt.Sprint(k)
	for other, n := range c.names {
		if other != k && n == name {
			c.t.g.fail(caller(), "task %q: its cases %v and %v read the same, %q; give them a String method that tells them apart", c.t.spec.ID, other, k, name)
		}
	}
	if name == defaultCase {
		c.t.g.fail(caller(), "task %q: a case cannot be called %q; use Default()", c.t.spec.ID, name)
	}
	c.names[k] = name
	return way[T](c.t, name)
}

// Default is the handle for every key that has no case.
func (c Cases[T, K]) Default() Node[T] { return way[T](c.t, defaultCase) }

// First makes a task that joins branches: it runs when a, b and the rest have all ended, each as success or skipped and one at least as
// success, and yields the value of the first of them, in the order given, that succeeded. Its output remembers which that was. When all
// were skipped it is skipped; one that failed makes it upstream_failed.
//
// [FirstOf] is the same with options.
func First[T any](id string, a, b In[T], more ...In[T]) Node[T] {
	return FirstOf(id, append([]In[T]{a, b}, more...))
}

// FirstOf is [First] of one or more handles, with options. A [Rule] is about what the task [Waits] for, besides what First asks of its
// handles. What is about a body of one's own or about elements is refused: [Virtual], [ElementName], [MapLimit], [AwaitRun].
func FirstOf[T any](id string, from []In[T], opts ...TaskOption) Node[T] {
	edges := make([]Edge, len(from))
	for i, f := range from {
		edges[i] = f
	}
	t := addTask(id, edges, FirstEdge, opts)
	t.refuseForFirst(opts)
	t.spec.Chooses = true
	checkJSON[T](t.g, "value that task "+id+" hands on")
	names := make([]string, len(from))
	for i, f := range from {
		n := handleOf(f)
		if n == nil || n.kind != taskNode {
			if n != nil {
				t.g.fail(t.where, "task %q: First takes handles of tasks and branches; its argument %d is none", id, i+1)
			}
			continue
		}
		names[i] = n.name()
		t.spec.Ports = append(t.spec.Ports, names[i])
	}
	t.checkOutput = checkTaken[T](t)
	t.body = func(_ context.Context, in *taskInputs) ([]byte, error) {
		for i, f := range from {
			if !in.succeeded(handleOf(f)) {
				continue
			}
			v, err := f.value(in)
			if err != nil {
				return nil, err
			}
			return encodeTaken(names[i], v)
		}
		return nil, Permanent(fmt.Errorf("none of %q has succeeded", names))
	}
	return Node[T]{&node{g: t.g, kind: taskNode, task: t}, func(in *taskInputs) (T, error) { return decodeOutput[T](in, t) }}
}

// refuseForFirst refuses the options that have no meaning for First. As defaults of the DAG they are left alone: they are for other tasks.
func (t *Task) refuseForFirst(opts []TaskOption) {
	own := &Task{g: newGraph(t.g.spec.DAG, t.where)} // its errors are those that t has already
	for _, o := range opts {
		o.applyTask(own)
	}
	for _, c := range []struct {
		option string
		given  bool
	}{
		{"Virtual", own.spec.HasVirtual}, {"ElementName", own.elementName != nil}, {"MapLimit", own.mapLimit != 0}, {"AwaitRun", own.spec.AwaitsRun},
	} {
		if c.given {
			t.g.fail(t.where, "task %q: First has no use for %s: it has no body of yours, no elements and no run; leave it out", t.spec.ID, c.option)
		}
	}
}
