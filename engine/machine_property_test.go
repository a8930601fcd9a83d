package engine

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A plan is a random DAG as data, with how each instance's tries end, so that the same can be played in any order.
type plan struct {
	tasks []planTask
}

type planTask struct {
	kind  string // plain, list, mapped, settled, waits
	up    []int
	rule  TriggerRule
	retry int
	ends  []string // of its tries in turn, the last for ever
}

func drawPlan(t *rapid.T) plan {
	var p plan
	n := rapid.IntRange(1, 8).Draw(t, "tasks")
	var lists []int // tasks that others can be mapped over
	for i := range n {
		task := planTask{kind: rapid.SampledFrom([]string{"plain", "list"}).Draw(t, "first kind"), retry: rapid.IntRange(0, 2).Draw(t, "retries")}
		if i > 0 {
			task.kind = rapid.SampledFrom([]string{"list", "mapped", "mapped", "mapped", "settled", "waits", "value", "value"}).Draw(t, "kind")
			least := 1
			if task.kind == "list" || task.kind == "waits" {
				least = 0 // it may begin with the run
			}
			task.up = rapid.SliceOfNDistinct(rapid.IntRange(0, i-1), least, min(i, 3), rapid.ID).Draw(t, "up")
			task.rule = rapid.SampledFrom([]TriggerRule{AllSuccess, AllDone, OneSuccess, OneFailed, NoneFailed, AllFailed, NoneSkipped, AllSkipped, OneDone, Always, NoneFailedMinOneSuccess, AllDoneMinOneSuccess}).Draw(t, "rule")
		}
		if task.kind == "mapped" && len(lists) > 0 {
			over := rapid.SampledFrom(lists).Draw(t, "over")
			task.up = append([]int{over}, slices.DeleteFunc(task.up, func(u int) bool { return u == over })...)
		}
		if task.kind == "list" || task.kind == "mapped" {
			lists = append(lists, i)
		}
		task.ends = rapid.SliceOfN(rapid.SampledFrom([]string{"ok", "ok", "fail", "skip", "skip", "lost", "drain", "permanent"}), 1, 3).Draw(t, "ends")
		if last := task.ends[len(task.ends)-1]; last == "drain" {
			task.ends = append(task.ends, "ok")
		}
		p.tasks = append(p.tasks, task)
	}
	return p
}

// build writes the DAG that the plan describes. What a kind cannot take is waited for instead.
func (p plan) build() noDAG {
	d := New[NoParams]("d")
	var handles []Edge
	for i, task := range p.tasks {
		id := fmt.Sprint("t", i)
		var rest []Edge
		for _, u := range task.up {
			rest = append(rest, handles[u])
		}
		opts := []TaskOption{Retry{Max: task.retry}}
		switch task.kind {
		case "list":
			handles = append(handles, After(d.Run(), id, numbers, append(opts, Waits(rest...))...))
			continue
		case "mapped":
			switch list := rest[0].(type) {
			case Node[[]int]:
				handles = append(handles, Map(list, id, same, append(opts, Waits(rest[1:]...))...))
				continue
			case Each[int]:
				handles = append(handles, Map(list, id, same, append(opts, Waits(rest[1:]...))...))
				continue
			}
		case "settled":
			if one, ok := rest[0].(Node[int]); ok {
				handles = append(handles, After(Settled(one), id, func(context.Context, Result[int]) (int, error) { return 0, nil }, append(opts, Waits(rest[1:]...))...))
				continue
			}
		case "value":
			if one, ok := rest[0].(Node[int]); ok {
				handles = append(handles, After(one, id, same, append(opts, Waits(rest[1:]...))...))
				continue
			}
		}
		handles = append(handles, After(d.Run(), id, number, append(opts, Waits(rest...), Rule(orDefault(task.rule)))...))
	}
	return d
}

func orDefault(r TriggerRule) TriggerRule {
	if r == "" {
		return AllSuccess
	}
	return r
}

// play runs a plan to its end, taking next what pick says of what is ready.
func (p plan) play(t *rapid.T, tb testing.TB, pick func(n int) int) string {
	s := newSim(tb, p.build())
	s.do("start")
	for steps := 0; s.row.State == RunRunning; steps++ {
		if steps > 2000 {
			t.Fatalf("the run does not end: %s", s)
		}
		var ready []TaskKey
		for k := range s.queue {
			ready = append(ready, k)
		}
		slices.SortFunc(ready, func(a, b TaskKey) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		if len(ready) == 0 {
			before := s.String()
			if s.wait(1 << 50); s.String() == before {
				t.Fatalf("the run stands still: %s", s)
			}
			continue
		}
		k := ready[pick(len(ready))]
		var i int
		if _, err := fmt.Sscanf(k.Task, "t%d", &i); err != nil {
			t.Fatal(err)
		}
		task := p.tasks[i]
		name, out := k.Task, "1"
		if k.MapIndex >= 0 {
			name = fmt.Sprintf("%s[%d]", name, k.MapIndex)
		}
		if task.kind == "list" {
			out = []string{"[]", "[1]", "[1,2,3]"}[i%3]
		}
		// Elements end differently from one another, but the same whatever the order.
		try := s.queue[k].Try - 1 + max(k.MapIndex, 0)
		s.do(task.ends[min(try, len(task.ends)-1)] + " " + name + " " + out)
	}
	return s.String()
}

// The same ends give the same final states in whatever order they come; every run ends; nothing is queued or ended twice (sim checks).
func TestOrderOfEndsDoesNotMatter(t *testing.T) {
	check := func(rt *rapid.T) {
		p := drawPlan(rt)
		first := p.play(rt, t, func(int) int { return 0 })
		last := p.play(rt, t, func(n int) int { return n - 1 })
		mixed := p.play(rt, t, func(n int) int { return rapid.IntRange(0, n-1).Draw(rt, "next") })
		if first != last || first != mixed {
			rt.Fatalf("the order of ends decides:\nfirst %s\nlast  %s\nmixed %s\nof %+v", first, last, mixed, p)
		}
	}
	for range 10 { // a hundred plans each
		rapid.Check(t, check)
	}
}

func drawStates(t *rapid.T) RunStates {
	number := rapid.IntRange(0, 1<<20)
	s := RunStates{DeadlineFired: rapid.Bool().Draw(t, "deadline"), Tasks: make([]TaskStates, rapid.IntRange(0, 5).Draw(t, "tasks"))}
	for i := range s.Tasks {
		st := &s.Tasks[i]
		st.Mapped, st.Length = rapid.Bool().Draw(t, "mapped"), rapid.IntRange(-1, 1000).Draw(t, "length")
		n := 1
		if st.Mapped {
			n = rapid.IntRange(0, 5).Draw(t, "elements")
		}
		for range n {
			st.Instances = append(st.Instances, Instance{State: rapid.SampledFrom(stateCodes).Draw(t, "state"), Try: number.Draw(t, "try"), Failures: number.Draw(t, "failures"), Lost: rapid.Bool().Draw(t, "lost")})
		}
	}
	return s
}

func TestRunStatesSurviveEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawStates(t)
		raw := s.Encode()
		got, err := DecodeRunStates(raw)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", s) {
			t.Fatalf("got %+v, want %+v", got, s)
		}
		for n := range raw {
			if _, err := DecodeRunStates(raw[:n]); err == nil {
				t.Fatalf("the first %d of %d bytes decode", n, len(raw))
			}
		}
	})
}

func FuzzDecodeRunStates(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 0, 1, 0, 4, 1, 0})
	f.Add([]byte{1, 1, 2, 3, 2, 2, 4, 1, 0, 0x84, 1, 1, 0, 0, 0, 0})
	f.Add([]byte{1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeRunStates(b)
		if err != nil {
			return
		}
		again, err := DecodeRunStates(s.Encode())
		if err != nil || !bytes.Equal(again.Encode(), s.Encode()) {
			t.Fatalf("what was decoded does not encode: %v", err)
		}
	})
}
