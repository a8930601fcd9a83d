package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/coder/quartz"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

func TestValuesFlowAlongEdges(t *testing.T) {
	d := engine.New[engine.NoParams]("values")
	list := engine.After(d.Run(), "list", func(context.Context, run) ([]int, error) { return []int{1, 2, 3}, nil })
	doubled := engine.Map(list, "doubled", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	text := engine.Map(doubled, "text", func(_ context.Context, n int) (string, error) { return fmt.Sprint(n), nil })
	sum := engine.After2(doubled, text, "sum", func(_ context.Context, ns []int, ts []string) (string, error) {
		s := 0
		for _, n := range ns {
			s += n
		}
		return fmt.Sprint(s, ts), nil
	})
	var got string
	engine.Sink(sum, "keep", func(_ context.Context, s string) error { got = s; return nil })
	r := running(t, enginetest.NewStore(quartz.NewReal()), nil, d)
	v := settled(t, r, "values")
	if v.Run.State != engine.RunSuccess || got != "12 [2 4 6]" {
		t.Errorf("run ended %s with %q", v.Run.State, got)
	}
	sameStates(t, v, map[string]string{"list": "success", "doubled[0]": "success", "doubled[1]": "success", "doubled[2]": "success",
		"text[0]": "success", "text[1]": "success", "text[2]": "success", "sum": "success", "keep": "success"})
}

func TestFailureStopsWhatReadsIt(t *testing.T) {
	boom := errors.New("boom")
	d := engine.New[engine.NoParams]("failing")
	bad := engine.After(d.Run(), "bad", func(context.Context, run) (int, error) { return 0, boom })
	below := engine.After(bad, "below", func(_ context.Context, n int) (int, error) { return n, nil })
	engine.Sink(below, "leaf", func(context.Context, int) error { return nil })
	var seen engine.Result[int]
	engine.Sink(engine.Settled(bad), "settled", func(_ context.Context, r engine.Result[int]) error { seen = r; return nil })
	engine.Sink(d.Run(), "skips", func(context.Context, run) error { return engine.Skip("nothing to do") })
	r := running(t, enginetest.NewStore(quartz.NewReal()), nil, d)
	v := settled(t, r, "failing")
	sameStates(t, v, map[string]string{"bad": "failed", "below": "upstream_failed", "leaf": "upstream_failed", "settled": "success", "skips": "skipped"})
	if v.Run.State != engine.RunFailed {
		t.Errorf("run ended %s", v.Run.State)
	}
	if seen.State != engine.Failed || seen.Err == nil || seen.Err.Error() != "boom" {
		t.Errorf("settled saw %+v", seen)
	}
}

func TestRetriesClearAndMark(t *testing.T) {
	tries := 0
	d := engine.New[engine.NoParams]("retrying", engine.DefaultRetry(engine.Retry{Max: 2, Initial: time.Millisecond}))
	flaky := engine.After(d.Run(), "flaky", func(context.Context, run) (int, error) {
		if tries++; tries < 3 {
			return 0, errors.New("not yet")
		}
		return tries, nil
	})
	hopeless := engine.After(flaky, "hopeless", func(context.Context, int) (int, error) { return 0, engine.Permanent(errors.New("never")) })
	engine.Sink(hopeless, "last", func(context.Context, int) error { return nil })
	r := running(t, enginetest.NewStore(quartz.NewReal()), nil, d)
	v := settled(t, r, "retrying")
	sameStates(t, v, map[string]string{"flaky": "success", "hopeless": "failed", "last": "upstream_failed"})

	// A success without an output is refused while somebody reads it.
	c := r.Control()
	mark := engine.MarkRequest{Selection: engine.Selection{Tasks: []string{"hopeless"}}, State: engine.Success, By: "me"}
	var invalid *engine.InvalidError
	if _, err := c.Mark(t.Context(), "retrying", v.Run.RunID, mark); !errors.As(err, &invalid) || invalid.Field != "output" {
		t.Fatalf("mark without an output: %v", err)
	}
	mark.Output = []byte("7")
	if _, err := c.Mark(t.Context(), "retrying", v.Run.RunID, mark); err != nil {
		t.Fatal(err)
	}
	v = over(t, r, v.Run)
	sameStates(t, v, map[string]string{"flaky": "success", "hopeless": "success", "last": "success"})
	if v.Run.State != engine.RunSuccess {
		t.Errorf("run ended %s after the mark", v.Run.State)
	}
	if _, err := c.Clear(t.Context(), "retrying", v.Run.RunID, engine.Selection{Tasks: []string{"hopeless"}, Downstream: true}, false, "me"); err != nil {
		t.Fatal(err)
	}
	v = over(t, r, v.Run)
	sameStates(t, v, map[string]string{"flaky": "success", "hopeless": "failed", "last": "upstream_failed"})
}

// tellsEnds is a store that tells of each run that has ended.
type tellsEnds struct {
	engine.Store
	ended chan int64
}

func (s tellsEnds) Transition(ctx context.Context, t engine.Transition) error {
	var ended []int64
	decide := t.Decide
	t.Decide = func(now time.Time, rows []engine.RunRow, found engine.Found) ([]engine.RunChange, error) {
		changes, err := decide(now, rows, found)
		ended = ended[:0]
		for _, c := range changes {
			if c.State.Terminal() {
				ended = append(ended, c.Key)
			}
		}
		return changes, err
	}
	err := s.Store.Transition(ctx, t)
	for _, key := range ended {
		if err == nil {
			s.ended <- key
		}
	}
	return err
}

func BenchmarkMemory(b *testing.B) {
	d := engine.New[engine.NoParams]("fan", engine.MaxActiveTasks(engine.Unlimited))
	for i := range 100 {
		engine.Sink(d.Run(), fmt.Sprint("t", i), func(context.Context, run) error { return nil })
	}
	catalog, err := engine.Compile(d)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	store := tellsEnds{enginetest.NewStore(quartz.NewReal()), make(chan int64)}
	r, err := engine.NewRuntime(engine.Config{Store: store, Catalog: catalog, Log: slog.New(slog.DiscardHandler), Slots: 200})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	<-r.Ready()
	for b.Loop() {
		row, err := r.Control().Trigger(ctx, engine.TriggerRequest{DAG: "fan", RunID: fmt.Sprint(b.N, time.Now().UnixNano())})
		if err != nil {
			b.Fatal(err)
		}
		for ended := int64(0); ended != row.Key; {
			ended = <-store.ended
		}
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
