package engine

import (
	"slices"
	"strings"
	"testing"
	"time"
)

type noDAG = *DAG[NoParams]

// chain is a → b → c.
func chain(opts ...TaskOption) noDAG {
	d := New[NoParams]("d", DefaultTask(opts...))
	a := After(d.Run(), "a", number)
	Sink(After(a, "b", same), "c", drop)
	return d
}

// fan is list → m (element by element) → n → all.
func fan(opts ...TaskOption) noDAG {
	d := New[NoParams]("d")
	m := Map(After(d.Run(), "list", numbers), "m", same, opts...)
	After(Map(m, "n", same), "all", sum)
	return d
}

// fanBeside is list → m → n → o, element by element, where n waits for w too.
func fanBeside() noDAG {
	d := New[NoParams]("d")
	w := After(d.Run(), "w", number)
	n := Map(Map(After(d.Run(), "list", numbers), "m", same), "n", same, Waits(w))
	Map(n, "o", same)
	return d
}

func settledPair() noDAG {
	d := New[NoParams]("d")
	a := After(d.Run(), "a", number)
	Sink(Settled(a), "s", look)
	Sink(a, "v", drop)
	return d
}

func grouped(rule ...TaskOption) noDAG {
	d := New[NoParams]("d")
	g := NewGroup(d.Run(), "g")
	After(d.Run(), "a", number, g)
	After(d.Run(), "b", number, g)
	After(d.Run(), "z", number, append(rule, Waits(g))...)
	return d
}

var twice = Retry{Max: 2, Initial: 5 * time.Minute, Multiplier: 2}

// Each case is a script of what happens to a run (see sim.do) and how it stands then.
func TestMachine(t *testing.T) {
	for _, c := range []struct {
		name   string
		dag    noDAG
		script string
		want   string
	}{
		{"a run starts with what has no upstream", chain(), "start", "running a=queued b=none c=none"},
		{"a success makes what follows ready", chain(), "start; ok a 1", "running a=success b=queued c=none"},
		{"the last success ends the run", chain(), "start; ok a 1; ok b 1; ok c", "success a=success b=success c=success"},
		{"a failure decides all that follows", chain(), "start; fail a", "failed a=failed b=upstream_failed c=upstream_failed"},
		{"a skip decides all that follows", chain(), "start; skip a", "success a=skipped b=skipped c=skipped"},

		{"elements follow the list", fan(), "start; ok list [1,2]", "running list=success m[0]=queued m[1]=queued n[0]=none n[1]=none all=none"},
		{"what fails beside a mapped task, after it has its elements", fanBeside(), "start; ok list [1,2]; fail w",
			"running w=failed list=success m[0]=queued m[1]=queued n[0]=upstream_failed n[1]=upstream_failed o[0]=upstream_failed o[1]=upstream_failed"},
		{"what fails beside a mapped task counts at once", fanBeside(), "start; fail w", "running w=failed list=queued m=none n=upstream_failed o=upstream_failed"},
		{"what has failed beside a mapped task, before it has its elements", fanBeside(), "start; fail w; ok list [1,2]",
			"running w=failed list=success m[0]=queued m[1]=queued n[0]=upstream_failed n[1]=upstream_failed o[0]=upstream_failed o[1]=upstream_failed"},
		{"what has failed beside a mapped task without a list", fanBeside(), "start; fail w; fail list", "failed w=failed list=failed m=upstream_failed n=upstream_failed o=upstream_failed"},
		{"element i waits for element i only", fan(), "start; ok list [1,2]; ok m[1] 1", "running list=success m[0]=queued m[1]=success n[0]=none n[1]=queued all=none"},
		{"the reader waits for all", fan(), "start; ok list [1,2]; ok m[1] 1; ok m[0] 1; ok n[1] 1; ok n[0] 1", "running list=success m[0]=success m[1]=success n[0]=success n[1]=success all=queued"},
		{"one element that fails", fan(), "start; ok list [1,2]; fail m[0]; ok m[1] 1; ok n[1] 1", "failed list=success m[0]=failed m[1]=success n[0]=upstream_failed n[1]=success all=upstream_failed"},
		{"one element that is skipped", fan(), "start; ok list [1,2]; skip m[0]; ok m[1] 1; ok n[1] 1", "success list=success m[0]=skipped m[1]=success n[0]=skipped n[1]=success all=skipped"},
		{"an empty list skips", fan(), "start; ok list []", "success list=success m=skipped n=skipped all=skipped"},
		{"null is an empty list", fan(), "start; ok list null", "success list=success m=skipped n=skipped all=skipped"},
		{"a list that is too long fails the mapped task", fan(MapLimit(2)), "start; ok list [1,2,3]", "failed list=success m=failed n=upstream_failed all=upstream_failed"},
		{"what is no list fails the one that made it", fan(), `start; ok list {"a":1}`, "failed list=failed m=upstream_failed n=upstream_failed all=upstream_failed"},
		{"a list that fails", fan(), "start; fail list", "failed list=failed m=upstream_failed n=upstream_failed all=upstream_failed"},

		{"Settled reads a failure", settledPair(), "start; fail a", "running a=failed s=queued v=upstream_failed"},
		{"Settled reads a skip", settledPair(), "start; skip a; ok s", "success a=skipped s=success v=skipped"},
		{"Settled waits for retries", settledPair(), "start", "running a=queued s=none v=none"},

		{"a group stands for its tasks", grouped(), "start; ok g.a 1", "running g.a=success g.b=queued z=none"},
		{"all of them", grouped(), "start; ok g.a 1; ok g.b 1", "running g.a=success g.b=success z=queued"},
		{"one_success runs at once", grouped(Rule(OneSuccess)), "start; ok g.b 1", "running g.a=queued g.b=success z=queued"},
		{"all_done runs after failures", grouped(Rule(AllDone)), "start; fail g.b; fail g.a; ok z 1", "success g.a=failed g.b=failed z=success"},
		{"a failure is decided before the rest has ended", grouped(), "start; fail g.b", "running g.a=queued g.b=failed z=upstream_failed"},

		{"the first retry waits", chain(twice), "start; fail a; wait 4m59s", "running a=up_for_retry b=none c=none"},
		{"to the second", chain(twice), "start; fail a; wait 5m", "running a=queued#2 b=none c=none"},
		{"the second waits twice as long", chain(twice), "start; fail a; wait 5m; fail a; wait 9m59s", "running a=up_for_retry b=none c=none"},
		{"to the second, too", chain(twice), "start; fail a; wait 5m; fail a; wait 10m", "running a=queued#3 b=none c=none"},
		{"then it fails", chain(twice), "start; fail a; wait 5m; fail a; wait 10m; fail a", "failed a=failed b=upstream_failed c=upstream_failed"},
		{"timed out counts", chain(twice), "start; timeout a; wait 5m; timeout a; wait 10m; timeout a", "failed a=failed b=upstream_failed c=upstream_failed"},
		{"lost is retried at once the first time", chain(twice), "start; lost a", "running a=queued#2 b=none c=none"},
		{"and after a delay the second", chain(twice), "start; lost a; lost a", "running a=up_for_retry b=none c=none"},
		{"which grows with the count", chain(twice), "start; lost a; lost a; wait 10m", "running a=queued#3 b=none c=none"},
		{"lost counts against Max", chain(), "start; lost a", "failed a=failed b=upstream_failed c=upstream_failed"},
		{"given back by a drain counts nothing", chain(), "start; drain a; drain a; drain a", "running a=queued#4 b=none c=none"},
		{"a permanent error is not retried", chain(twice), "start; permanent a", "failed a=failed b=upstream_failed c=upstream_failed"},
		{"a delay of the body's own", chain(twice), "start; later a 7s; wait 6s", "running a=up_for_retry b=none c=none"},
		{"ends when it says", chain(twice), "start; later a 7s; wait 7s", "running a=queued#2 b=none c=none"},
		{"a skip is not retried", chain(twice), "start; skip a", "success a=skipped b=skipped c=skipped"},

		{"clear of a finished run queues it", chain(), "start; fail a; clear a b c", "queued a=none b=none c=none"},
		{"clear of nothing changes nothing", chain(), "start; fail a; clear", "failed a=failed b=upstream_failed c=upstream_failed"},
		{"and it starts with the next try", chain(), "start; fail a; clear a b c; start", "running a=queued#2 b=none c=none"},
		{"clear starts the count anew", chain(twice), "start; fail a; wait 5m; fail a; wait 10m; fail a; clear a b c; start; fail a; wait 5m", "running a=queued#5 b=none c=none"},
		{"clear takes back a retry", chain(twice), "start; fail a; clear a; wait 1h", "running a=queued#2 b=none c=none"},
		{"clear of a ready task replaces it", chain(), "start; clear a", "running a=queued#2 b=none c=none"},
		{"clear of a running task waits for it", chain(), "start; lease a; clear a", "running a=restarting b=none c=none"},
		{"starts it anew when it has ended, whatever the end", chain(), "start; lease a; clear a; ok a 1", "running a=queued#2 b=none c=none"},
		{"or after the grace", chain(), "start; lease a; clear a; wait 30s", "running a=queued#2 b=none c=none"},
		{"but not before", chain(), "start; lease a; clear a; wait 29s", "running a=restarting b=none c=none"},
		{"clear of one element", fan(), "start; ok list [1,2]; ok m[0] 1; ok m[1] 1; ok n[0] 1; clear m[1] n[1]", "running list=success m[0]=success m[1]=queued#2 n[0]=success n[1]=none all=none"},
		{"clear of a whole mapped task maps it over the new list", fan(), "start; ok list [1,2]; ok m[0] 1; ok m[1] 1; ok n[0] 1; ok n[1] 1; clear list m[0] m[1] n[0] n[1] all; ok list [1,2,3]",
			"running list=success m[0]=queued#2 m[1]=queued#2 m[2]=queued#2 n[0]=none n[1]=none n[2]=none all=none"},
		{"also when an element ran", fan(), "start; ok list [1,2]; lease m[1]; clear list m[0] m[1] n[0] n[1]; ok list [1,2,3]; ok m[1] 1",
			"running list=success m[0]=queued#2 m[1]=queued#2 m[2]=queued#2 n[0]=none n[1]=none n[2]=none all=none"},

		{"mark success goes on", chain(), "start; mark success a 1", "running a=success b=queued c=none"},
		{"mark success clears what failed below", chain(), "start; fail a; mark success a 1; start", "running a=success b=queued c=none"},
		{"mark failed ends what runs", chain(), "start; lease a; mark failed a", "failed a=failed b=upstream_failed c=upstream_failed"},
		{"mark failed of a success judges the run anew", chain(), "start; ok a 1; ok b 1; ok c; mark failed c", "failed a=success b=success c=failed"},
		{"mark success of a leaf judges the run anew", chain(), "start; ok a 1; ok b 1; fail c; mark success c", "success a=success b=success c=success"},
		{"mark success of a list maps", fan(), "start; fail list; mark success list [7]; start", "running list=success m[0]=queued n[0]=none all=none"},
		{"mark a retry", chain(twice), "start; fail a; mark failed a; wait 1h", "failed a=failed b=upstream_failed c=upstream_failed"},
		{"mark a run failed", chain(), "start; ok a 1; run failed", "failed a=success b=failed c=skipped"},
		{"mark a run success", chain(), "start; ok a 1; run success", "success a=success b=success c=success"},
		{"mark a queued run failed", chain(), "run failed", "failed a=skipped b=skipped c=skipped"},
		{"a mapped task over a success without a list fails", fan(), "start; fail list; run success; clear m n all; start", "failed list=success m=failed n=upstream_failed all=upstream_failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSim(t, c.dag)
			s.do(c.script)
			if got := s.String(); got != c.want {
				t.Errorf("after %q\n got %s\nwant %s", c.script, got, c.want)
			}
		})
	}
}

// What is told, exactly once per transition.
func TestMachineTells(t *testing.T) {
	var f Callback
	dag := func(opts ...DAGOption) noDAG {
		d := New[NoParams]("d", append(opts, OnSuccess(f), OnFailure(f), OnDeadline(f), Deadline(time.Minute),
			DefaultTask(OnSuccess(f), OnFailure(f), OnRetry(f), OnSkipped(f), Retry{Max: 1, Initial: time.Second}))...)
		Sink(After(d.Run(), "a", number), "b", drop)
		return d
	}
	for _, c := range []struct{ name, script, want string }{
		{"success", "start; ok a 1; ok b", "event run.succeeded, on_success/0, on_success/0 a, on_success/0 b"},
		{"failure", "start; permanent a", "event run.failed, event task.failed a, on_failure/0, on_failure/0 a"},
		{"retry", "start; fail a", "event task.retry a, on_retry/0 a"},
		{"retry, then failure", "start; fail a; wait 1s; fail a", "event run.failed, event task.failed a, event task.retry a, on_failure/0, on_failure/0 a, on_retry/0 a"},
		{"lost", "start; lost a; lost a", "event run.failed, event task.failed a, event task.retry a, on_failure/0, on_failure/0 a, on_retry/0 a"},
		{"skip", "start; skip a", "event run.succeeded, on_skipped/0 a, on_skipped/0 b, on_success/0"},
		{"given back", "start; drain a", ""},
		{"mark failed", "start; mark failed a", "event run.failed, event task.failed a, on_failure/0, on_failure/0 a"},
		{"the same mark again", "start; mark failed a; mark failed a", "event run.failed, event task.failed a, on_failure/0, on_failure/0 a"},
		{"mark that leaves the run as it was", "start; ok a 1; permanent b; mark failed a",
			"event run.failed, event task.failed a, event task.failed b, on_failure/0, on_failure/0 a, on_failure/0 b, on_success/0 a"},
		{"mark a run success", "start; run success", "event run.succeeded, on_success/0, on_success/0 a, on_success/0 b"},
		{"mark a run failed", "start; run failed", "event run.failed, event task.failed a, on_failure/0, on_failure/0 a, on_skipped/0 b"},
		{"the same run mark again", "start; run failed; run failed", "event run.failed, event task.failed a, on_failure/0, on_failure/0 a, on_skipped/0 b"},
		{"clear tells nothing", "start; clear a", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSim(t, dag())
			s.do(c.script)
			if got := strings.Join(s.told, ", "); got != c.want {
				t.Errorf("after %q\n got %s\nwant %s", c.script, got, c.want)
			}
		})
	}
	t.Run("deadline once", func(t *testing.T) {
		s := newSim(t, dag())
		passed := Timer{TaskKey: TaskKey{Run: 1, MapIndex: -1}, Kind: TimerDeadline}
		s.do("start")
		for range 2 {
			s.change(func(m *machine) { m.timerFired(passed) })
		}
		s.do("ok a 1; ok b")
		s.change(func(m *machine) { m.timerFired(passed) })
		if n := len(slices.DeleteFunc(s.told, func(e string) bool { return !strings.Contains(e, "deadline") })); n != 2 {
			t.Errorf("the deadline was told %d times, want one event and one callback", n)
		}
	})
}
