package engine

import (
	"context"
	"testing"
	"time"
)

func positive(n int) bool { return n > 0 }

// branched is a → choose, whose ways are joined again: yes → y, no → n, first(y, n) → end.
func branched(opts ...TaskOption) noDAG {
	d := New[NoParams]("d")
	yes, no := If(After(d.Run(), "a", number), "choose", positive)
	y := After(yes, "y", same, opts...)
	n := After(no, "n", same)
	Sink(First("join", y, n), "end", drop)
	return d
}

// firstWaits is First of a and b with a rule over w, which it waits for.
func firstWaits(r TriggerRule) noDAG {
	d := New[NoParams]("d")
	a, b, w := After(d.Run(), "a", number), After(d.Run(), "b", number), After(d.Run(), "w", number)
	FirstOf("f", []In[int]{a, b}, Waits(w), Rule(r))
	return d
}

func switched() noDAG {
	d := New[NoParams]("d")
	sw := Switch(After(d.Run(), "a", number), "route", func(n int) int { return n })
	Sink(sw.Case(1), "one", drop)
	Sink(sw.Case(2), "two", drop)
	Sink(sw.Default(), "else", drop)
	return d
}

func takeOpt(context.Context, Opt[int], int) (int, error)     { return 0, nil }
func takeEach(context.Context, []Result[int]) error           { return nil }
func two(context.Context, int, int) (int, error)              { return 0, nil }
func opts2(context.Context, Opt[int], Opt[int]) (int, error)  { return 0, nil }
func yesNo(context.Context, Run[NoParams]) (int, bool, error) { return 0, false, nil }

func optional() noDAG {
	d := New[NoParams]("d")
	a, b := After(d.Run(), "a", number), After(d.Run(), "b", number)
	After2(Optional(a), b, "o", takeOpt)
	return d
}

func eitherOr(r TriggerRule) noDAG {
	d := New[NoParams]("d")
	a, b := After(d.Run(), "a", number), After(d.Run(), "b", number)
	After2(Optional(a), Optional(b), "o", opts2, Rule(r))
	return d
}

func crossed() noDAG {
	d := New[NoParams]("d")
	a, b := After(d.Run(), "a", numbers), After(d.Run(), "b", numbers)
	After(Cross(a, b, "x", two), "all", sum)
	return d
}

func withShared() noDAG {
	d := New[NoParams]("d")
	a, s := After(d.Run(), "a", numbers), After(d.Run(), "s", number)
	MapWith(a, s, "m", two)
	return d
}

func eachSettled() noDAG {
	d := New[NoParams]("d")
	m := Map(After(d.Run(), "list", numbers), "m", same)
	Sink(SettledEach(m), "report", takeEach)
	return d
}

func collected() noDAG {
	d := New[NoParams]("d")
	var all []Node[int]
	for _, id := range []string{"a", "b"} {
		all = append(all, After(d.Run(), id, number))
	}
	After(Collect(all...), "c", sum)
	return d
}

// cluster is make → work → more, with remove as the teardown, and after as what only waits for the work.
func cluster(opts ...TaskOption) noDAG {
	d := New[NoParams]("d")
	c := Setup(d.Run(), "make", number)
	w := After(c, "work", same)
	m := After(w, "more", same)
	Teardown(c, "remove", drop, append(opts, Covers(m))...)
	Sink(w, "after", drop)
	return d
}

func two2(first, second string) noDAG {
	d := New[NoParams]("d")
	a, b := Setup(d.Run(), first, number), Setup(d.Run(), second, number)
	w := After(d.Run(), "w", number)
	Teardown(a, "x", drop, Covers(w), Waits(b))
	return d
}

func sensing() noDAG {
	d := New[NoParams]("d")
	Sink(Sensor(d.Run(), "s", Poke{Every: time.Minute, Timeout: 5 * time.Minute}, yesNo, twice), "t", drop)
	return d
}

func asking(timeout time.Duration, fallback string) noDAG {
	d := New[NoParams]("d")
	q := Approve(After(d.Run(), "a", number), "q", Question[int, string]{Text: func(int) string { return "?" }, Answers: []string{"go", "stop"}, Timeout: timeout, Default: fallback})
	yes, _ := If(q, "ok", func(a Answer[string]) bool { return a.Choice == "go" })
	Sink(yes, "ship", func(context.Context, Answer[string]) error { return nil })
	return d
}

func pastDAG() noDAG {
	d := New[NoParams]("d", Schedule("@daily", ""))
	Sink(After(d.Run(), "a", number, DependsOnPast()), "b", drop)
	return d
}

func TestMachineBranchesAndMore(t *testing.T) {
	const yes, no = `{"taken":"yes","value":1}`, `{"taken":"no","value":0}`
	const asked = "start; ok a 1; ask q; "
	for _, c := range []struct {
		name   string
		dag    noDAG
		script string
		want   string
	}{
		{"a branch skips what is not taken", branched(), "start; ok a 1; ok choose " + yes, "running a=success choose=success y=queued n=skipped join=none end=none"},
		{"the other one", branched(), "start; ok a 0; ok choose " + no, "running a=success choose=success y=skipped n=queued join=none end=none"},
		{"First joins them", branched(), "start; ok a 1; ok choose " + yes + "; ok y 1; ok join {\"taken\":\"y\",\"value\":1}; ok end", "success a=success choose=success y=success n=skipped join=success end=success"},
		{"First of a failure", branched(), "start; ok a 1; ok choose " + yes + "; fail y", "failed a=success choose=success y=failed n=skipped join=upstream_failed end=upstream_failed"},
		{"First with a rule: what it waits for may fail", firstWaits(AllDone), "start; skip a; ok b 1; fail w; ok f {\"taken\":\"b\",\"value\":1}", "success a=skipped b=success w=failed f=success"},
		{"First with a rule: its handles may not", firstWaits(AllDone), "start; fail a; ok b 1; ok w 1", "failed a=failed b=success w=success f=upstream_failed"},
		{"First with a rule: its handles may not all be skipped", firstWaits(AllDone), "start; skip a; skip b; ok w 1", "success a=skipped b=skipped w=success f=skipped"},
		{"First with a rule that cannot hold", firstWaits(AllFailed), "start; ok a 1; ok b 1; ok w 1", "success a=success b=success w=success f=skipped"},
		{"First of skips", branched(), "start; ok a 1; ok choose " + yes + "; skip y", "success a=success choose=success y=skipped n=skipped join=skipped end=skipped"},
		{"a way that there is not fails the branch", branched(), `start; ok a 1; ok choose {"taken":"maybe","value":1}`, "failed a=success choose=failed y=upstream_failed n=upstream_failed join=upstream_failed end=upstream_failed"},
		{"a cleared branch may go the other way", branched(), "start; ok a 1; ok choose " + yes + "; ok y 1; ok join {\"taken\":\"y\",\"value\":1}; ok end; clear choose y n join end; start; ok choose " + no,
			"running a=success choose=success y=skipped n=queued join=none end=none"},
		{"a branch that is marked", branched(), "start; ok a 1; mark success choose " + no, "running a=success choose=success y=skipped n=queued join=none end=none"},
		{"a case", switched(), `start; ok a 2; ok route {"taken":"2","value":2}; ok two`, "success a=success route=success one=skipped two=success else=skipped"},
		{"the default", switched(), `start; ok a 7; ok route {"taken":"default","value":7}`, "running a=success route=success one=skipped two=skipped else=queued"},

		{"Optional runs after a skip", optional(), "start; skip a; ok b 1", "running a=skipped b=success o=queued"},
		{"after a success", optional(), "start; ok a 1; ok b 1", "running a=success b=success o=queued"},
		{"not after a failure", optional(), "start; fail a", "running a=failed b=queued o=upstream_failed"},
		{"its other edges hold", optional(), "start; ok a 1; skip b", "success a=success b=skipped o=skipped"},
		{"a rule on Optional edges decides alone", eitherOr(OneSuccess), "start; ok b 1", "running a=queued b=success o=queued"},
		{"also that nothing runs", eitherOr(AllFailed), "start; ok b 1", "running a=queued b=success o=skipped"},
		{"one_failed reads what is not there", eitherOr(OneFailed), "start; fail b", "running a=queued b=failed o=queued"},

		{"Cross pairs", crossed(), "start; ok a [1,2]; ok b [3]", "running a=success b=success x[0]=queued x[1]=queued all=none"},
		{"Cross with an empty list", crossed(), "start; ok a [1,2]; ok b []", "success a=success b=success x=skipped all=skipped"},
		{"Cross waits for both", crossed(), "start; ok a [1,2]", "running a=success b=queued x=none all=none"},
		{"Cross with a failure", crossed(), "start; ok a [1,2]; fail b", "failed a=success b=failed x=upstream_failed all=upstream_failed"},
		{"MapWith waits for the shared one", withShared(), "start; ok a [1,2]", "running a=success s=queued m=none"},
		{"and starts with it", withShared(), "start; ok a [1,2]; ok s 1", "running a=success s=success m[0]=queued m[1]=queued"},
		{"its failure decides the whole", withShared(), "start; fail s", "running a=queued s=failed m=upstream_failed"},
		{"an empty list before a failure", withShared(), "start; ok a []; fail s", "failed a=success s=failed m=upstream_failed"},
		{"and after it", withShared(), "start; fail s; ok a []", "failed a=success s=failed m=upstream_failed"},
		{"an empty list and a success", withShared(), "start; ok a []; ok s 1", "success a=success s=success m=skipped"},
		{"SettledEach reads failures", eachSettled(), "start; ok list [1,2]; fail m[0]; ok m[1] 1", "running list=success m[0]=failed m[1]=success report=queued"},
		{"and a list that failed", eachSettled(), "start; fail list", "running list=failed m=upstream_failed report=queued"},
		{"Collect waits for all", collected(), "start; ok a 1", "running a=success b=queued c=none"},
		{"and runs then", collected(), "start; ok a 1; ok b 1", "running a=success b=success c=queued"},

		{"a setup comes first", cluster(), "start", "running make=queued work=none more=none remove=none after=none"},
		{"a teardown runs after a failure between", cluster(), "start; ok make 1; fail work", "running make=success work=failed more=upstream_failed remove=queued after=upstream_failed"},
		{"and waits for all between", cluster(), "start; ok make 1; ok work 1; ok after", "running make=success work=success more=queued remove=none after=success"},
		{"its failure does not fail the run", cluster(), "start; ok make 1; ok work 1; ok after; ok more 1; fail remove", "success make=success work=success more=success remove=failed after=success"},
		{"unless it counts", cluster(FailRun()), "start; ok make 1; ok work 1; ok after; ok more 1; fail remove", "failed make=success work=success more=success remove=failed after=success"},
		{"its success hides no failure", cluster(), "start; ok make 1; fail work; ok remove", "failed make=success work=failed more=upstream_failed remove=success after=upstream_failed"},
		{"a setup that failed", cluster(), "start; fail make", "failed make=failed work=upstream_failed more=upstream_failed remove=upstream_failed after=upstream_failed"},
		{"a setup that was skipped", cluster(), "start; skip make", "success make=skipped work=skipped more=skipped remove=skipped after=skipped"},
		{"what is covered follows the setups, whatever it reads", two2("a", "b"), "start", "running a=queued b=queued w=none x=none"},
		{"every one of them", two2("a", "b"), "start; ok a 1; fail b", "running a=success b=failed w=upstream_failed x=queued"},
		{"marking a run failed lets teardowns run", cluster(), "start; ok make 1; run failed", "running make=success work=failed more=skipped remove=queued after=skipped"},
		{"it fails all the same", cluster(), "start; ok make 1; run failed; ok remove", "failed make=success work=failed more=skipped remove=success after=skipped"},

		{"a sensor looks again later", sensing(), "start; poke s", "running s=up_for_reschedule t=none"},
		{"with the same try", sensing(), "start; poke s; wait 1m", "running s=queued t=none"},
		{"until it is ready", sensing(), "start; poke s; wait 1m; ok s 1; ok t", "success s=success t=success"},
		{"or its time is over", sensing(), "start; poke s; wait 1m; poke s; wait 1m; poke s; wait 1m; poke s; wait 1m; poke s; wait 1m; poke s", "failed s=failed t=upstream_failed"},
		{"its last poke counts", sensing(), "start; poke s; wait 5m; ok s 1", "running s=success t=queued"},
		{"and is the last", sensing(), "start; poke s; wait 5m; poke s", "failed s=failed t=upstream_failed"},
		{"an error in a poke is retried", sensing(), "start; poke s; wait 1m; fail s", "running s=up_for_retry t=none"},
		{"which does not stop the time", sensing(), "start; poke s; wait 1m; fail s; wait 5m; poke s", "failed s=failed t=upstream_failed"},
		{"a cleared sensor starts anew", sensing(), "start; poke s; wait 4m; poke s; clear s; poke s; wait 2m", "running s=queued#2 t=none"},
		{"a sensor that is marked", sensing(), "start; poke s; mark success s 1; wait 9h", "running s=success t=queued"},

		{"a question waits", asking(0, ""), asked, "running a=success q=awaiting_input ok=none ship=none"},
		{"until it is answered", asking(0, ""), asked + "answer q go", "running a=success q=success ok=queued ship=none"},
		{"or takes its default", asking(time.Hour, "stop"), asked + "wait 1h", "running a=success q=success ok=queued ship=none"},
		{"or fails", asking(time.Hour, ""), asked + "wait 1h", "failed a=success q=failed ok=upstream_failed ship=upstream_failed"},
		{"a question that is cleared is asked anew", asking(0, ""), asked + "clear q; ask q", "running a=success q=awaiting_input ok=none ship=none"},

		{"a deferred task goes on", sensing(), "start; defer s; over s", "running s=queued t=none"},
		{"or ends", sensing(), "start; defer s; over s success", "running s=success t=queued"},
		{"as failed, too", sensing(), "start; defer s; over s failed", "failed s=failed t=upstream_failed"},
		{"or gives up", sensing(), "start; defer s; wait 1h", "failed s=failed t=upstream_failed"},
		{"marking the run ends what waits", sensing(), "start; defer s; run failed", "failed s=failed t=skipped"},
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

func TestMachineDependsOnPast(t *testing.T) {
	logical := time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		change func(*RunRow)
		script string
		want   string
	}{
		{"it is held", func(*RunRow) {}, "start", "running a=scheduled b=none"},
		{"until the past is good", func(*RunRow) {}, "start; over a", "running a=queued b=none"},
		{"the first of a backfill is not", func(r *RunRow) { r.IgnorePast = true }, "start", "running a=queued b=none"},
		{"nor is a run without a date", func(r *RunRow) { r.Logical = nil }, "start", "running a=queued b=none"},
		{"a clear asks again", func(*RunRow) {}, "start; over a; clear a", "running a=scheduled b=none"},
		{"a retry does not", func(*RunRow) {}, "start; over a; drain a", "running a=queued#2 b=none"},
		{"a mark ends it", func(*RunRow) {}, "start; mark success a 1", "running a=success b=queued"},
		{"the end of the run too", func(*RunRow) {}, "start; run failed", "failed a=failed b=skipped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSim(t, pastDAG())
			s.row.Logical = &logical
			c.change(&s.row)
			s.do(c.script)
			if got := s.String(); got != c.want {
				t.Errorf("after %q\n got %s\nwant %s", c.script, got, c.want)
			}
		})
	}
}

func TestMachineRunTimeout(t *testing.T) {
	d := New[NoParams]("d", RunTimeout(time.Hour))
	c := Setup(d.Run(), "make", number)
	Teardown(c, "remove", drop, Covers(After(c, "work", same)))
	s := newSim(t, d)
	s.do("start; ok make 1; wait 59m")
	if got, want := s.String(), "running make=success work=queued remove=none"; got != want {
		t.Errorf("before: got %s, want %s", got, want)
	}
	s.do("wait 1m")
	if got, want := s.String(), "running make=success work=failed remove=queued"; got != want {
		t.Errorf("after: got %s, want %s", got, want)
	}
	s.do("ok remove")
	if got, want := s.String(), "failed make=success work=failed remove=success"; got != want {
		t.Errorf("at the end: got %s, want %s", got, want)
	}
}

// A run that is cleared while it only waits for its teardowns goes on, for as long as a run may.
func TestMachineRunTimeoutOfARunClearedWhileItTearsDown(t *testing.T) {
	d := New[NoParams]("d", RunTimeout(time.Hour))
	c := Setup(d.Run(), "make", number)
	Teardown(c, "remove", drop, Covers(After(c, "work", same)))
	s := newSim(t, d)
	s.do("start; ok make 1; wait 60m; clear work; wait 59m")
	if got, want := s.String(), "running make=success work=queued#3 remove=queued"; got != want {
		t.Errorf("within its time: got %s, want %s", got, want)
	}
	s.do("wait 1m")
	if got, want := s.String(), "running make=success work=failed remove=queued"; got != want {
		t.Errorf("after its time: got %s, want %s", got, want)
	}
}
