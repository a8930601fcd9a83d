package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

func TestBranchesRun(t *testing.T) {
	type order struct{ Amount int }
	var cheap, dear atomic.Int32
	build := func(amount int) *engine.DAG[engine.NoParams] {
		d := engine.New[engine.NoParams]("orders")
		o := engine.After(d.Run(), "order", func(context.Context, run) (order, error) { return order{amount}, nil })
		big, small := engine.If(o, "is_big", func(o order) bool { return o.Amount > 100 })
		checked := engine.After(big, "check", func(_ context.Context, o order) (order, error) { dear.Add(1); return order{o.Amount - 1}, nil })
		passed := engine.After(small, "pass", func(_ context.Context, o order) (order, error) { cheap.Add(1); return o, nil })
		both := engine.First("either", checked, passed)
		engine.After2(both, engine.Optional(checked), "book", func(_ context.Context, o order, c engine.Opt[order]) (string, error) {
			_, was := c.Get()
			return fmt.Sprint(o.Amount, was), nil
		})
		return d
	}
	for amount, want := range map[int]string{500: "499 true", 5: "5 false"} {
		o := enginetest.Run(t, build(amount), nil)
		var got string
		if err := o.Output("book", &got); err != nil || got != want {
			t.Errorf("amount %d: booked %q, %v; want %q", amount, got, err, want)
		}
		if o.Run.State != engine.RunSuccess {
			t.Errorf("amount %d: the run is %s", amount, o.Run.State)
		}
	}
	if cheap.Load() != 1 || dear.Load() != 1 {
		t.Errorf("each branch ran %d and %d times, want once each", cheap.Load(), dear.Load())
	}
}

// The options of First do what they say: its group, its rule over what it waits for, its callbacks, its limits.
func TestFirstWithOptions(t *testing.T) {
	var seen atomic.Value
	d := engine.New[engine.NoParams]("d")
	way := func(id string, fails bool) engine.Node[string] {
		return engine.After(d.Run(), id, func(context.Context, run) (string, error) {
			if fails {
				return "", engine.Permanent(errors.New("no"))
			}
			return id, nil
		})
	}
	g := engine.NewGroup(d.Run(), "g")
	engine.FirstOf("f", []engine.In[string]{way("a", false), way("b", false)}, g, engine.Doc("joins"), engine.Waits(way("w", true)), engine.Rule(engine.AllDone),
		engine.Retry{Max: 3}, engine.Timeout(time.Minute), engine.Queue("default"), engine.Priority(7), engine.MaxActive(1), engine.Exclusive(), engine.DependsOnPast(),
		engine.Updates("asset"), engine.OnSuccess(func(_ context.Context, e engine.CallbackEvent) error { seen.Store(e.Task); return nil }))
	spec := compiled(t, d)
	def, _ := spec.DAG("d")
	var f engine.TaskSpec
	for _, s := range def.Spec.Tasks {
		if s.ID == "g.f" {
			f = s
		}
	}
	if f.Group != "g" || f.Doc != "joins" || f.Rule != engine.AllDone || f.Retry.Max != 3 || f.Timeout != engine.Duration(time.Minute) || f.Priority != 7 || f.MaxActive != 1 ||
		!f.Exclusive || !f.DependsOnPast || !slices.Equal(f.Updates, []string{"asset"}) {
		t.Errorf("First is %+v", f)
	}
	o := enginetest.Run(t, d, nil)
	var got struct{ Taken, Value string }
	if err := o.Output("g.f", &got); err != nil || got.Taken != "a" || got.Value != "a" {
		t.Errorf("First yields %+v, %v", got, err)
	}
	if seen.Load() != "g.f" {
		t.Errorf("OnSuccess was told of %v", seen.Load())
	}
}

func TestSwitchWithoutACase(t *testing.T) {
	d := engine.New[engine.NoParams]("d")
	sw := engine.Switch(engine.After(d.Run(), "n", func(context.Context, run) (int, error) { return 3, nil }), "route", func(n int) int { return n })
	engine.Sink(sw.Case(1), "one", func(context.Context, int) error { return nil })
	o := enginetest.Run(t, d, nil)
	if got := o.State("route"); got != engine.Failed {
		t.Errorf("a key without a case: route is %s, want failed", got)
	}
	for _, tv := range o.Tasks {
		if tv.Task == "route" && !strings.Contains(tv.Error, `"3"`) {
			t.Errorf("its error names no key: %s", tv.Error)
		}
	}
}

func TestJoinAndCollect(t *testing.T) {
	type inputs struct {
		A engine.Port[int]
		B engine.Port[string]
		C engine.Port[[]int]
	}
	d := engine.New[engine.NoParams]("d")
	a := engine.After(d.Run(), "a", func(context.Context, run) (int, error) { return 1, nil })
	b := engine.After(d.Run(), "b", func(context.Context, run) (string, error) { return "two", nil })
	var all []engine.Node[int]
	for i := range 3 {
		all = append(all, engine.After(a, fmt.Sprint("n", i), func(_ context.Context, a int) (int, error) { return a + i, nil }))
	}
	engine.Join(inputs{engine.From(a), engine.From(b), engine.From(engine.Collect(all...))}, "j", func(_ context.Context, in inputs) (string, error) {
		return fmt.Sprint(in.A.Value(), in.B.Value(), in.C.Value()), nil
	})
	var got string
	if err := enginetest.Run(t, d, nil).Output("j", &got); err != nil || got != "1two[1 2 3]" && got != "1 two [1 2 3]" {
		t.Errorf("joined %q, %v", got, err)
	}
}

func TestPairsAndNames(t *testing.T) {
	d := engine.New[engine.NoParams]("d")
	a := engine.After(d.Run(), "a", func(context.Context, run) ([]string, error) { return []string{"x", "y"}, nil })
	b := engine.After(d.Run(), "b", func(context.Context, run) ([]int, error) { return []int{1, 2, 3}, nil })
	pairs := engine.Cross(a, b, "pair", func(_ context.Context, s string, n int) (string, error) { return fmt.Sprint(s, n), nil }, engine.ElementName(func(s string) string { return "of " + s }))
	n := engine.After(d.Run(), "n", func(context.Context, run) (int, error) { return 7, nil })
	engine.MapWith(a, n, "with", func(_ context.Context, s string, n int) (string, error) { return fmt.Sprint(s, n), nil })
	engine.After(pairs, "all", func(_ context.Context, p []string) ([]string, error) { return p, nil })
	o := enginetest.Run(t, d, nil)
	var all []string
	if err := o.Output("all", &all); err != nil || !slices.Equal(all, []string{"x1", "x2", "x3", "y1", "y2", "y3"}) {
		t.Errorf("pairs %q, %v", all, err)
	}
	var with string
	if err := o.Output("with[1]", &with); err != nil || with != "y7" {
		t.Errorf("with the shared input: %q, %v", with, err)
	}
	for _, tv := range o.Tasks {
		if tv.Task == "pair" && tv.MapIndex == 4 && tv.Name != "of y" {
			t.Errorf("element 4 is called %q", tv.Name)
		}
	}
}

func TestSensorLooksAgain(t *testing.T) {
	var pokes atomic.Int32
	d := engine.New[engine.NoParams]("d")
	s := engine.Sensor(d.Run(), "file", engine.Poke{Every: time.Hour, Timeout: 24 * time.Hour}, func(context.Context, run) (string, bool, error) {
		n := pokes.Add(1)
		return "f.csv", n == 4, nil
	})
	engine.Sink(s, "read", func(context.Context, string) error { return nil })
	o := enginetest.Run(t, d, nil)
	if o.Run.State != engine.RunSuccess || pokes.Load() != 4 {
		t.Errorf("run %s after %d pokes, want success after 4", o.Run.State, pokes.Load())
	}
	for _, tv := range o.Tasks {
		if tv.Task == "file" && tv.Try != 1 {
			t.Errorf("four pokes made %d tries, want 1", tv.Try)
		}
	}
}

func TestSensorGivesUp(t *testing.T) {
	d := engine.New[engine.NoParams]("d", engine.DefaultRetry(engine.Retry{Max: 3, Initial: time.Second}))
	engine.Sensor(d.Run(), "file", engine.Poke{Every: time.Hour, Timeout: 5 * time.Hour}, func(context.Context, run) (string, bool, error) { return "", false, nil })
	o := enginetest.Run(t, d, nil)
	if got := o.State("file"); got != engine.Failed {
		t.Errorf("the sensor is %s, want failed", got)
	}
	for _, tv := range o.Tasks {
		if tv.Ended != engine.EndTimedOut || !strings.Contains(tv.Error, "5h") {
			t.Errorf("it ended %s: %s", tv.Ended, tv.Error)
		}
	}
}

func TestApproveIsAnswered(t *testing.T) {
	type verdict string
	store := memory()
	d := engine.New[engine.NoParams]("d")
	n := engine.After(d.Run(), "n", func(context.Context, run) (int, error) { return 3, nil })
	q := engine.Approve(n, "ok", engine.Question[int, verdict]{Text: func(n int) string { return fmt.Sprintf("ship %d?", n) }, Answers: []verdict{"ship", "hold"}})
	engine.After(q, "act", func(_ context.Context, a engine.Answer[verdict]) (string, error) {
		return string(a.Choice) + " by " + a.By, nil
	})
	r := running(t, store, nil, d)
	row := triggered(t, r, "d")
	key := engine.TaskKey{Run: row.Key, Task: "ok", MapIndex: -1}
	eventually(t, "the question is open", func() bool {
		open, err := store.Questions(t.Context(), nil, 10)
		return err == nil && len(open) == 1 && open[0].Text == "ship 3?"
	})
	for _, tv := range seen(t, store, row).Tasks {
		if tv.Task == "ok" && (tv.State != engine.AwaitingInput || !strings.Contains(tv.Reason, "ship 3?") || tv.Question == nil) {
			t.Errorf("it shows as %s: %s", tv.State, tv.Reason)
		}
	}
	var invalid *engine.InvalidError
	if err := r.Control().Answer(t.Context(), key, "d", row.RunID, "burn", "ann"); !errors.As(err, &invalid) {
		t.Errorf("an answer that there is not: %v", err)
	}
	if err := r.Control().Answer(t.Context(), key, "d", row.RunID, "hold", "ann"); err != nil {
		t.Fatal(err)
	}
	over(t, r, row)
	if err := r.Control().Answer(t.Context(), key, "d", row.RunID, "ship", "bob"); !errors.Is(err, engine.ErrConflict) {
		t.Errorf("a second answer: %v", err)
	}
	a, err := store.Attempt(t.Context(), engine.TaskKey{Run: row.Key, Task: "act", MapIndex: -1}, -1)
	if err != nil || string(a.Output) != `"hold by ann"` {
		t.Errorf("the answer reads %s, %v", a.Output, err)
	}
}

func TestTriggerDAG(t *testing.T) {
	type params struct{ N int }
	store := memory()
	var fail atomic.Bool
	child := engine.New[params]("child")
	engine.Sink(child.Run(), "work", func(_ context.Context, r engine.Run[params]) error {
		if fail.Load() {
			return errors.New("no")
		}
		return nil
	})
	d := engine.New[engine.NoParams]("parent")
	n := engine.After(d.Run(), "n", func(context.Context, run) (int, error) { return 5, nil })
	c := engine.TriggerDAG(n, "go", child, func(n int) params { return params{n} }, engine.AwaitRun(time.Hour))
	engine.After(c, "after", func(_ context.Context, r engine.Run[params]) (int, error) { return r.Params.N, nil })
	r := running(t, store, nil, d, child)
	v := settled(t, r, "parent")
	if v.Run.State != engine.RunSuccess {
		t.Fatalf("the parent is %s: %v", v.Run.State, states(v))
	}
	children := func() []engine.RunRow {
		rows, _, err := store.Runs(t.Context(), engine.RunFilter{DAGs: []string{"child"}, OrderBy: "key", Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if rows := children(); len(rows) != 1 || string(rows[0].Params) != `{"N":5}` {
		t.Fatalf("children: %+v", rows)
	}
	// A clear makes another, and a failure of it fails the task.
	fail.Store(true)
	if _, err := r.Control().Clear(t.Context(), "parent", v.Run.RunID, engine.Selection{Tasks: []string{"go"}, Downstream: true}, false, "ann"); err != nil {
		t.Fatal(err)
	}
	v = over(t, r, v.Run)
	if rows := children(); len(rows) != 2 || v.Run.State != engine.RunFailed {
		t.Errorf("after the clear: %d children, the parent is %s: %v", len(rows), v.Run.State, states(v))
	}
}

func TestTriggerOfAnUnknownDAG(t *testing.T) {
	child := engine.New[engine.NoParams]("child")
	engine.Sink(child.Run(), "work", func(context.Context, run) error { return nil })
	d := engine.New[engine.NoParams]("parent")
	engine.TriggerDAG(d.Run(), "go", child, func(run) engine.NoParams { return engine.NoParams{} })
	if _, err := engine.Compile(d); err == nil || !strings.Contains(err.Error(), `"child"`) {
		t.Errorf("the child is not registered: %v", err)
	}
}

func TestAssetsTrigger(t *testing.T) {
	store := memory()
	orders, rates := engine.Asset("orders"), engine.Asset("rates")
	made := func(id string, a engine.Asset) *engine.DAG[engine.NoParams] {
		d := engine.New[engine.NoParams](id)
		engine.Sink(d.Run(), "make", func(ctx context.Context, _ run) error {
			return engine.Attach(ctx, a, map[string]any{"rows": 3})
		}, engine.Updates(a))
		return d
	}
	d := engine.New[engine.NoParams]("report", engine.OnAssets(engine.All(orders, rates)))
	engine.After(d.Run(), "read", func(ctx context.Context, _ run) ([]string, error) {
		events, err := engine.TriggeringEvents(ctx)
		var out []string
		for _, e := range events {
			out = append(out, e.Asset+string(e.Extra))
		}
		return out, err
	})
	r := running(t, store, nil, made("a", orders), made("b", rates), d)
	settled(t, r, "a")
	settled(t, r, "a")
	reports := func() []engine.RunRow {
		rows, _, err := store.Runs(t.Context(), engine.RunFilter{DAGs: []string{"report"}, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	if rows := reports(); len(rows) != 0 {
		t.Fatalf("it ran before all assets were updated: %+v", rows)
	}
	settled(t, r, "b")
	eventually(t, "the report ran", func() bool {
		rows := reports()
		return len(rows) == 1 && rows[0].State == engine.RunSuccess && rows[0].Type == engine.AssetRun
	})
	a, err := store.Attempt(t.Context(), engine.TaskKey{Run: reports()[0].Key, Task: "read", MapIndex: -1}, -1)
	var got []string
	if err == nil {
		err = json.Unmarshal(a.Output, &got)
	}
	if want := []string{`orders{"rows":3}`, `orders{"rows":3}`, `rates{"rows":3}`}; err != nil || !slices.Equal(got, want) {
		t.Errorf("it was triggered by %q, %v; want %q", got, err, want)
	}
	if err := r.Control().UpdateAsset(t.Context(), orders, nil, "ann"); err != nil {
		t.Fatal(err)
	}
	settled(t, r, "b")
	eventually(t, "a second report", func() bool { return len(reports()) == 2 })
}

func TestDependsOnPastInOrder(t *testing.T) {
	store, clock := dated(t, "2024-01-01")
	var bad atomic.Bool
	bad.Store(true)
	d := engine.New[engine.NoParams]("d", engine.Schedule("@daily", "UTC"), engine.Catchup(), engine.StartDate(day("2024-01-01")))
	engine.Sink(d.Run(), "a", func(_ context.Context, r run) error {
		if r.Day == "2024-01-02" && bad.Load() {
			return errors.New("bad day")
		}
		return nil
	}, engine.DependsOnPast())
	r := running(t, store, nil, d)
	clock.Set(day("2024-01-05"))
	runs := func() map[string]engine.RunRow {
		rows, _, err := store.Runs(t.Context(), engine.RunFilter{DAGs: []string{"d"}, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]engine.RunRow{}
		for _, row := range rows {
			out[row.Logical.Format(time.DateOnly)] = row
		}
		return out
	}
	eventually(t, "the second day has failed and the others wait", func() bool {
		all := runs()
		return all["2024-01-01"].State == engine.RunSuccess && all["2024-01-02"].State == engine.RunFailed && all["2024-01-04"].State == engine.RunRunning
	})
	v := seen(t, store, runs()["2024-01-03"])
	if tv := v.Tasks[0]; tv.State != engine.Scheduled || !strings.Contains(tv.Reason, "scheduled__2024-01-02") || !strings.Contains(tv.Reason, "failed") {
		t.Errorf("the third day shows as %s: %s", tv.State, tv.Reason)
	}
	bad.Store(false)
	if _, err := r.Control().Clear(t.Context(), "d", runs()["2024-01-02"].RunID, engine.Selection{}, false, "ann"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all days are done", func() bool {
		for _, row := range runs() {
			if row.State != engine.RunSuccess {
				return false
			}
		}
		return len(runs()) == 4
	})
}

func TestWatermarkHoldsARun(t *testing.T) {
	type progress struct {
		Watermark time.Time `json:"watermark"`
	}
	store, clock := dated(t, "2024-01-01")
	var mark atomic.Pointer[time.Time]
	s := engine.NewStream("tide", func(ctx context.Context, report func(progress)) error {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				if m := mark.Load(); m != nil {
					report(progress{*m})
				}
			}
		}
	})
	d := engine.New[engine.NoParams]("d", engine.Schedule("0 2 * * *", "UTC"), engine.Catchup(), engine.StartDate(day("2024-01-01T02:00")), engine.AfterWatermark("tide", 6*time.Hour))
	engine.Sink(d.Run(), "a", func(context.Context, run) error { return nil })
	running(t, store, func(c *engine.Config) { c.Streams = []*engine.Stream{s} }, d)
	clock.Set(day("2024-01-02T02:00"))
	one := func(i int) engine.RunRow {
		rows, _, err := store.Runs(t.Context(), engine.RunFilter{DAGs: []string{"d"}, OrderBy: "key", Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) <= i {
			return engine.RunRow{}
		}
		return rows[i]
	}
	early := day("2024-01-01T23:00")
	mark.Store(&early)
	eventually(t, "the run is held, with its reason", func() bool {
		row := one(0)
		return row.Hold != nil && strings.Contains(seen(t, store, row).Tasks[0].Reason, "2024-01-01T23:00:00Z")
	})
	passed := day("2024-01-02T00:00")
	mark.Store(&passed)
	eventually(t, "it runs once the stream has passed its day", func() bool { return one(0).State == engine.RunSuccess })
	clock.Set(day("2024-01-03T08:00"))
	eventually(t, "the next one fails when its time is over", func() bool { return one(1).State == engine.RunFailed })
}

func TestTooManyFailedRunsPauseTheDAG(t *testing.T) {
	store, clock := dated(t, "2024-01-01")
	d := engine.New[engine.NoParams]("d", engine.Schedule("@daily", "UTC"), engine.Catchup(), engine.StartDate(day("2024-01-01")), engine.MaxConsecutiveFailedRuns(2), engine.MaxActiveRuns(1))
	engine.Sink(d.Run(), "a", func(context.Context, run) error { return errors.New("no") })
	r := running(t, store, nil, d)
	for i := 2; i <= 3; i++ {
		clock.Set(day(fmt.Sprintf("2024-01-%02d", i)))
		eventually(t, "a run has failed", func() bool {
			_, n, err := store.Runs(t.Context(), engine.RunFilter{DAGs: []string{"d"}, States: []engine.RunState{engine.RunFailed}})
			return err == nil && n == i-1
		})
	}
	paused := func() bool {
		s, err := store.DAGStatuses(t.Context())
		return err == nil && s[0].Paused
	}
	eventually(t, "the DAG is paused", paused)
	// Whoever unpauses it gets as many tries again.
	if err := r.Control().SetPaused(t.Context(), "d", false, "test"); err != nil {
		t.Fatal(err)
	}
	for i := 4; i <= 5; i++ {
		clock.Set(day(fmt.Sprintf("2024-01-%02d", i)))
		eventually(t, "one more has failed", func() bool {
			_, n, err := store.Runs(t.Context(), engine.RunFilter{DAGs: []string{"d"}, States: []engine.RunState{engine.RunFailed}})
			return err == nil && n == i-1
		})
	}
	eventually(t, "it is paused again", paused)
}
