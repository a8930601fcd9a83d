package engine

import "context"

// Setup is [After] for a task that makes something which others use and a [Teardown] takes away again: a cluster, a schema, a folder.
// The tasks between it and its teardown run only when it has succeeded, whatever their trigger rule.
func Setup[A, B any](a In[A], id string, f func(context.Context, A) (B, error), opts ...TaskOption) Node[B] {
	n := After(a, id, f, opts...)
	n.n.task.spec.Setup = true
	return n
}

// Teardown makes a task that takes away what setup made. It reads what setup yielded, waits for all tasks between them (those it
// [Covers] and whatever they follow after the setup) and then runs however they ended, if the setup succeeded. It does not count for the
// run's verdict, unless it has [FailRun]. Clearing a task between clears setup and teardown too.
//
// The handle is only good for [Waits] and further teardowns' Covers.
func Teardown[A any](setup In[A], id string, f func(context.Context, A) error, opts ...TaskOption) Edge {
	n := Sink(setup, id, f, opts...)
	t := n.n.task
	t.spec.Teardown = true
	if t.ruleSet {
		t.g.fail(t.where, "task %q: a teardown's trigger rule is %s; leave Rule out", t.spec.ID, AllDoneSetupSuccess)
	}
	t.spec.Rule = AllDoneSetupSuccess
	return n
}

// Covers names the tasks of which a [Teardown] cleans up after: they run between its setup and it. A group stands for all its tasks.
func Covers(tasks ...Edge) TaskOption {
	return taskOption(func(t *Task) {
		for i, e := range tasks {
			n := handleOf(e)
			switch {
			case n == nil:
				t.g.fail(t.where, "task %q: Covers: argument %d is a zero handle", t.spec.ID, i+1)
			case n.g != t.g:
				t.g.fail(t.where, "task %q: Covers: argument %d belongs to DAG %s; a task takes handles of one DAG only", t.spec.ID, i+1, n.g.spec.DAG)
			case n.kind == taskNode || n.kind == groupNode:
				t.covers = append(t.covers, n)
			default:
				t.g.fail(t.where, "task %q: Covers: argument %d is no task and no group", t.spec.ID, i+1)
			}
		}
	})
}

// FailRun makes a [Teardown] count for the run's verdict as any other task does.
func FailRun() TaskOption {
	return taskOption(func(t *Task) { t.spec.FailRun = true })
}

// coverage resolves what teardowns cover, before the tasks are ordered: each covered task follows the setups of its teardown.
func (g *graph) coverage() {
	for _, t := range g.tasks {
		if !t.spec.Teardown && (len(t.covers) > 0 || t.spec.FailRun) {
			g.fail(t.where, "task %q: Covers and FailRun are for teardowns; make it with engine.Teardown", t.spec.ID)
		}
		for _, n := range t.covers {
			for _, covered := range g.members(n) {
				if covered == t {
					g.fail(t.where, "task %q covers the group that it is part of", t.spec.ID)
					continue
				}
				t.addUp(upstream{task: covered, kind: OrderEdge})
				for _, s := range t.directSetups() {
					if s != covered {
						covered.addUp(upstream{task: s, kind: OrderEdge})
					}
				}
			}
		}
	}
}

// members are the tasks that a node of a task or of a group stands for.
func (g *graph) members(n *node) []*Task {
	if n.kind != groupNode {
		return []*Task{n.task}
	}
	var out []*Task
	for _, t := range g.tasks {
		if inGroup(t.spec.Group, n.group) {
			out = append(out, t)
		}
	}
	return out
}

// directSetups are the setups that a teardown belongs to: those it follows directly.
func (t *Task) directSetups() []*Task {
	var out []*Task
	for _, u := range t.up {
		if u.task.spec.Setup {
			out = append(out, u.task)
		}
	}
	return out
}

func (t *Task) addUp(u upstream) {
	for _, have := range t.up {
		if have.task == u.task && (have == u || u.kind == OrderEdge) {
			return
		}
	}
	t.up = append(t.up, u)
}

// pairs finds, once the tasks are ordered, what lies between each setup and its teardown: those tasks need the setup's success, and the
// teardown waits for them.
func (g *graph) pairs() {
	for _, t := range g.tasks {
		t.setups, t.teardowns = nil, nil
	}
	for _, t := range g.tasks {
		if !t.spec.Teardown {
			continue
		}
		above := map[*Task]bool{}
		t.ancestors(above)
		for _, s := range t.directSetups() {
			t.setups = append(t.setups, s)
			s.teardowns = appendNew(s.teardowns, t)
			for _, w := range g.tasks {
				if !above[w] || w == s || w.spec.Teardown {
					continue
				}
				its := map[*Task]bool{}
				if w.ancestors(its); !its[s] {
					continue
				}
				w.setups, w.teardowns = appendNew(w.setups, s), appendNew(w.teardowns, t)
				t.addUp(upstream{task: w, kind: OrderEdge})
			}
		}
	}
	for _, t := range g.tasks {
		t.spec.Setups = nil
		for _, s := range t.setups {
			t.spec.Setups = append(t.spec.Setups, s.spec.ID)
		}
	}
}

func (t *Task) ancestors(into map[*Task]bool) {
	for _, u := range t.up {
		if !into[u.task] {
			into[u.task] = true
			u.task.ancestors(into)
		}
	}
}

func appendNew(list []*Task, t *Task) []*Task {
	for _, have := range list {
		if have == t {
			return list
		}
	}
	return append(list, t)
}
