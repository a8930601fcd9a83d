package engine_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
)

func cleared(t *testing.T, r *engine.Runtime, row engine.RunRow, task string) {
	t.Helper()
	if _, err := r.Control().Clear(t.Context(), row.DAG, row.RunID, engine.Selection{Tasks: []string{task}}, false, "ann"); err != nil {
		t.Fatal(err)
	}
}

func TestClearReachesWhatRuns(t *testing.T) {
	g := newGated(true)
	store := memory()
	r := running(t, store, nil, g.dag)
	row := triggered(t, r, "gated")
	<-g.begun
	cleared(t, r, row, "task")
	if cause := <-g.returned; cause == nil {
		t.Error("its context was not cancelled")
	}
	if v := over(t, r, row); v.Run.State != engine.RunSuccess {
		t.Errorf("the run ended %s", v.Run.State)
	}
	if got := endings(t, store, row, "task"); got != "[cancelled success]" {
		t.Errorf("attempts ended %s", got)
	}
}

func TestMarkReachesWhatRuns(t *testing.T) {
	g := newGated(true)
	store := memory()
	r := running(t, store, nil, g.dag)
	row := triggered(t, r, "gated")
	<-g.begun
	if _, err := r.Control().Mark(t.Context(), "gated", row.RunID, engine.MarkRequest{State: engine.Failed, By: "ann"}); err != nil {
		t.Fatal(err)
	}
	if cause := <-g.returned; !errors.Is(cause, engine.ErrLostLease) {
		t.Errorf("its context ended with %v", cause)
	}
	v := over(t, r, row)
	sameStates(t, v, map[string]string{"task": "failed"})
	if v.Tasks[0].Error != "marked failed by ann" {
		t.Errorf("its error is %q", v.Tasks[0].Error)
	}
}

// A success that is marked a success keeps its output, unless it is given another; only what changes something is in the audit log.
func TestMarkOfASuccessChangesItsOutput(t *testing.T) {
	d := engine.New[engine.NoParams]("d")
	engine.After(d.Run(), "sum", one)
	store := memory()
	r := running(t, store, nil, d)
	row := triggered(t, r, "d")
	over(t, r, row)
	for _, given := range []string{"", "42"} {
		m := engine.MarkRequest{Selection: engine.Selection{Tasks: []string{"sum"}}, State: engine.Success, By: "ann"}
		if given != "" {
			m.Output = []byte(given)
		}
		if _, err := r.Control().Mark(t.Context(), "d", row.RunID, m); err != nil {
			t.Fatal(err)
		}
	}
	if got := output(t, store, row, "sum"); got != "42" {
		t.Errorf("the output is %s", got)
	}
	acts, _, err := store.Audit(t.Context(), engine.AuditFilter{Events: []string{engine.ActMarkTask}})
	if err != nil {
		t.Fatal(err)
	}
	if len(acts) != 1 || !strings.Contains(string(acts[0].Extra), `"output_given":true`) {
		t.Errorf("the audit log has %d entries: %+v", len(acts), acts)
	}
}

// A body that does not heed its context is left behind after 20 s, and what it returns later counts for nothing.
func TestDeafBodyIsFenced(t *testing.T) {
	g := newGated(false)
	store, clock, tune := mocked(t)
	r := running(t, store, tune, g.dag)
	row := triggered(t, r, "gated")
	begun := func() bool {
		select {
		case <-g.begun:
			return true
		default:
			return false
		}
	}
	elapse(t, clock, "it runs", begun)
	cleared(t, r, row, "task")
	elapse(t, clock, "the run is over", func() bool { return seen(t, store, row).Run.State.Terminal() })
	close(g.release)
	<-g.returned
	if got := output(t, store, row, "task"); got != "2" {
		t.Errorf("the output is %s, of the deaf attempt", got)
	}
	elapse(t, clock, "the callback is called", func() bool { return g.told.Load() == 1 })
}

func TestPanicIsAFailureWithItsStackInTheLog(t *testing.T) {
	d := engine.New[engine.NoParams]("d")
	engine.Sink(d.Run(), "bad", func(context.Context, run) error { panic("no such luck") })
	store := memory()
	r := running(t, store, nil, d)
	v := settled(t, r, "d")
	if tv := v.Tasks[0]; tv.State != engine.Failed || tv.Error != "panic: no such luck" {
		t.Errorf("it ended %s: %s", tv.State, tv.Error)
	}
	eventually(t, "the stack is in the log", func() bool {
		return strings.Contains(logOf(t, store, v.Tasks[0].TaskKey, 1), "interrupt_test.go")
	})
}

// A body that ends its goroutine, as FailNow of a test does, ends its attempt too: it does not run for ever.
func TestABodyThatDoesNotReturnFails(t *testing.T) {
	d := engine.New[engine.NoParams]("d")
	engine.Sink(d.Run(), "gone", func(context.Context, run) error { runtime.Goexit(); return nil }, engine.Retry{Max: 3})
	v := settled(t, running(t, memory(), nil, d), "d")
	if tv := v.Tasks[0]; tv.State != engine.Failed || tv.Try != 1 || !strings.Contains(tv.Error, "instead of returning") {
		t.Errorf("it ended %s after %d tries: %s", tv.State, tv.Try, tv.Error)
	}
}

func logOf(t *testing.T, store engine.Store, key engine.TaskKey, try int) string {
	t.Helper()
	chunks, err := store.ReadLog(t.Context(), key, try, 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, c := range chunks {
		text.Write(c.Lines)
	}
	return text.String()
}

func TestTimeoutEndsAnAttempt(t *testing.T) {
	g := newGated(true, engine.Timeout(time.Minute), engine.Retry{Max: 1})
	store, clock, tune := mocked(t)
	r := running(t, store, tune, g.dag)
	row := triggered(t, r, "gated")
	began := clock.Now()
	elapse(t, clock, "the run is over", func() bool { return seen(t, store, row).Run.State.Terminal() })
	if got := endings(t, store, row, "task"); got != "[timed_out success]" {
		t.Errorf("attempts ended %s", got)
	}
	if d := clock.Now().Sub(began); d < time.Minute {
		t.Errorf("it was over after %s", d)
	}
}

// A process that cannot reach the store stops its Exclusive tasks after 10 s, before another may take them over, and no others.
func TestExclusiveIsCutOff(t *testing.T) {
	store, clock, tune := mocked(t)
	exclusive, other := newGated(true, engine.Exclusive(), engine.Retry{Max: 1}), make(chan struct{})
	engine.Sink(exclusive.dag.Run(), "other", func(ctx context.Context, _ run) error {
		select {
		case <-other:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	l := &link{Store: store}
	r := running(t, l, tune, exclusive.dag)
	row := triggered(t, r, "gated")
	elapse(t, clock, "both run", func() bool {
		rows, err := store.Queue(t.Context(), []int64{row.Key})
		return err == nil && len(rows) == 2 && rows[0].Leased && rows[1].Leased
	})
	<-exclusive.begun
	l.cut.Store(true)
	cutAt := clock.Now()
	var cause error
	elapse(t, clock, "it is cut off", func() bool {
		select {
		case cause = <-exclusive.returned:
			return true
		default:
			return false
		}
	})
	if d := clock.Now().Sub(cutAt); !errors.Is(cause, engine.ErrLostLease) || d > engine.DefaultDeadAfter {
		t.Errorf("it was cut off after %s with %v", d, cause)
	}
	l.cut.Store(false)
	close(other)
	elapse(t, clock, "the run is over", func() bool { return seen(t, store, row).Run.State.Terminal() })
	if got := endings(t, store, row, "task") + endings(t, store, row, "other"); got != "[lost success][success]" {
		t.Errorf("attempts ended %s", got)
	}
}
