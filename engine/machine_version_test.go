package engine

import (
	"context"
	"testing"
)

// Each case is a run that begins under one version and goes on under another.
func TestVersionChangesInFlight(t *testing.T) {
	added := func() noDAG { // chain with x before and y after
		d := New[NoParams]("d")
		After(d.Run(), "x", number)
		a := After(d.Run(), "a", number)
		c := Sink(After(a, "b", same), "c", drop)
		After(d.Run(), "y", number, Waits(c))
		return d
	}
	without := func() noDAG { // chain without b
		d := New[NoParams]("d")
		Sink(After(d.Run(), "a", number), "c", drop)
		return d
	}
	turned := func() noDAG { // chain, its tasks in another order and c before b
		d := New[NoParams]("d")
		a := After(d.Run(), "a", number)
		c := Sink(a, "c", drop)
		After(a, "b", same, Waits(c))
		return d
	}
	list := func() noDAG {
		d := New[NoParams]("d")
		l := After(d.Run(), "list", numbers)
		After(l, "all", sum)
		return d
	}
	mapped := func() noDAG {
		d := New[NoParams]("d")
		l := After(d.Run(), "list", numbers)
		Map(l, "m", same)
		After(l, "all", sum)
		return d
	}
	plain := func() noDAG { // fan, m no longer mapped
		d := New[NoParams]("d")
		l := After(d.Run(), "list", numbers)
		After(l, "m", func(context.Context, []int) (int, error) { return 0, nil })
		return d
	}
	for _, c := range []struct {
		name          string
		from, to      noDAG
		before, after string
		want          string
	}{
		{"new tasks join", chain(), added(), "start; ok a 1", "ok b 1", "running x=queued a=success b=success c=queued y=none"},
		{"tasks that left go", chain(), without(), "start; ok a 1", "clear c", "running a=success c=queued"},
		{"their retries too", chain(twice), without(), "start; ok a 1; fail b", "clear c; wait 1h", "running a=success c=queued"},
		{"an order of their own", chain(), turned(), "start; ok a 1", "drain b", "running a=success c=queued b=queued#2"},
		{"mapped over a list that is there", list(), mapped(), "start; ok list [1,2]", "ok all 1", "running list=success m[0]=queued m[1]=queued all=success"},
		{"no longer mapped", fan(), plain(), "start; ok list [1,2]; ok m[0] 1", "clear m[1]", "running list=success m=queued#2"},
		{"a skipped mapped task stays so", fan(), fan(MapLimit(9)), "start; ok list []", "clear list", "queued list=none m=skipped n=skipped all=skipped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSim(t, c.from)
			s.do(c.before)
			s.deploy(c.to)
			s.do(c.after)
			if got := s.String(); got != c.want {
				t.Errorf("after %q, then %q\n got %s\nwant %s", c.before, c.after, got, c.want)
			}
			for k := range s.queue {
				if _, ok := s.def.byID[k.Task]; !ok {
					t.Errorf("%s is in the queue, but has left the DAG", k.Task)
				}
			}
		})
	}
}

// A run with a subset of tasks keeps it, whatever a person does to it before it starts.
func TestSubsetSurvivesAMarkBeforeTheStart(t *testing.T) {
	s := newSim(t, chain())
	s.row.OnlyTasks = []string{"a", "b"}
	s.do("mark success a 1; start; ok b 1")
	if got, want := s.String(), "success a=success b=success c=removed"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What a runner reports between its clear and its end is forgotten: the next try must not take it for done.
func TestClearedRunnerForgetsItsNodes(t *testing.T) {
	for _, end := range []string{"ok r", "wait 30s"} {
		d := New[NoParams]("d")
		Sink(d.Run(), "r", func(context.Context, Run[NoParams]) error { return nil }, Virtual(nil))
		s := newSim(t, d)
		s.do("start; lease r; clear r; " + end)
		if n := len(s.closes); n != 2 || !s.closes[0].Forget || !s.closes[1].Forget {
			t.Errorf("after %q: %+v, want the nodes forgotten at the clear and at the end", end, s.closes)
		}
	}
}
