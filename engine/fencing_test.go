package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// gated is a DAG of one task whose first try waits to be released, heeding its context only if told to; later tries yield their
// number. Its success is called back.
type gated struct {
	begun    chan struct{} // closed when the first try runs
	release  chan struct{}
	returned chan error // how the first try's context stood when it returned
	told     atomic.Int32
	dag      dag
}

func newGated(heeds bool, opts ...engine.TaskOption) *gated {
	g := &gated{begun: make(chan struct{}), release: make(chan struct{}), returned: make(chan error, 1)}
	g.dag = engine.New[engine.NoParams]("gated")
	engine.After(g.dag.Run(), "task", func(ctx context.Context, _ run) (int, error) {
		info, _ := engine.Info(ctx)
		if info.Try > 1 {
			return info.Try, nil
		}
		close(g.begun)
		over := ctx.Done()
		if !heeds {
			over = nil
		}
		select {
		case <-g.release:
		case <-over:
		}
		g.returned <- context.Cause(ctx)
		if heeds && ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return 1, nil
	}, append(opts, engine.OnSuccess(func(context.Context, engine.CallbackEvent) error { g.told.Add(1); return nil }))...)
	return g
}

func output(t *testing.T, store engine.Store, row engine.RunRow, task string) string {
	t.Helper()
	a, err := store.Attempt(t.Context(), engine.TaskKey{Run: row.Key, Task: task, MapIndex: -1}, -1)
	if err != nil {
		t.Fatal(err)
	}
	return string(a.Output)
}

// A worker freezes, another takes its task over, and it wakes: nothing that it brings counts.
func TestFrozenWorkerChangesNothing(t *testing.T) {
	g := newGated(false, engine.Retry{Max: 1})
	store, catalog := memory(), compiled(t, g.dag)
	frozen := &link{Store: store}
	a, stopA := started(t, frozen, catalog, nil)
	row := triggered(t, a, "gated")
	<-g.begun
	frozen.cut.Store(true)
	b, _ := started(t, store, catalog, nil)
	v := over(t, b, row)
	sameStates(t, v, map[string]string{"task": "success"})
	if got := endings(t, store, row, "task"); got != "[lost success]" {
		t.Errorf("attempts ended %s", got)
	}
	eventually(t, "the callback is called", func() bool { return g.told.Load() == 1 })
	close(g.release)
	<-g.returned
	frozen.cut.Store(false)
	stopA() // after it has stored, or tried to, whatever it had
	if got := output(t, store, row, "task"); got != "2" {
		t.Errorf("the output is %s, of the frozen attempt", got)
	}
	if got := endings(t, store, row, "task"); got != "[lost success]" {
		t.Errorf("afterwards attempts ended %s", got)
	}
	if n := g.told.Load(); n != 1 {
		t.Errorf("the callback was called %d times", n)
	}
}

// A worker that was declared dead learns it from its next beat: it stops what it runs and joins anew.
func TestBuriedWorkerJoinsAnew(t *testing.T) {
	g := newGated(true, engine.Retry{Max: 1})
	store := memory()
	r := running(t, store, nil, g.dag)
	row := triggered(t, r, "gated")
	<-g.begun
	before, err := store.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Bury(t.Context(), []int64{before[0].ID}); err != nil {
		t.Fatal(err)
	}
	if cause := <-g.returned; !errors.Is(cause, engine.ErrLostLease) {
		t.Errorf("its context ended with %v", cause)
	}
	over(t, r, row)
	if got := endings(t, store, row, "task"); got != "[lost success]" {
		t.Errorf("attempts ended %s", got)
	}
	after, err := store.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != 1 || after[0].ID == before[0].ID {
		t.Errorf("workers are %v, were %v", after, before)
	}
}

// The claim is committed, its answer lost: the lease is given back after 10 s and counts nothing.
func TestClaimWithoutAnAnswerIsGivenBack(t *testing.T) {
	store, clock, tune := mocked(t)
	d := engine.New[engine.NoParams]("d")
	engine.After(d.Run(), "task", one)
	var lost atomic.Bool
	store.Fail = func(op string) error {
		if op != "Claim.commit" || lost.Load() {
			return nil
		}
		rows, err := store.Queue(context.Background(), []int64{1})
		if err == nil && len(rows) == 1 && rows[0].Leased {
			lost.Store(true)
			return errors.New("connection reset")
		}
		return nil
	}
	r := running(t, store, tune, d)
	row := triggered(t, r, "d")
	began := clock.Now()
	elapse(t, clock, "the run is over", func() bool { return seen(t, store, row).Run.State.Terminal() })
	if got := endings(t, store, row, "task"); got != "[cancelled success]" {
		t.Errorf("attempts ended %s", got)
	}
	if d := clock.Now().Sub(began); d.Seconds() < 10 {
		t.Errorf("it was given back after %s already: the claim may still be on its way", d)
	}
}

// The answer to a completing transition is lost: what it handed over is known to nobody, and runs all the same.
func TestEndWithoutAnAnswer(t *testing.T) {
	store, clock, tune := mocked(t)
	d := engine.New[engine.NoParams]("d")
	engine.Sink(engine.After(engine.After(d.Run(), "a", one), "b", inc), "c", none)
	var n atomic.Int32
	store.Fail = func(op string) error {
		if op == "Transition.commit" && n.Add(1) == 1 {
			return errors.New("connection reset")
		}
		return nil
	}
	r := running(t, store, tune, d)
	row := triggered(t, r, "d")
	elapse(t, clock, "the run is over", func() bool { return seen(t, store, row).Run.State.Terminal() })
	sameStates(t, seen(t, store, row), map[string]string{"a": "success", "b": "success", "c": "success"})
	if got := endings(t, store, row, "a"); got != "[success]" {
		t.Errorf("attempts of a ended %s", got)
	}
}

// An end that the store refuses fails with that reason, and none of its neighbours.
func TestPoisonOutputFailsAlone(t *testing.T) {
	d := engine.New[engine.NoParams]("d")
	ready := make(chan struct{})
	for _, id := range []string{"a", "poison", "b"} {
		engine.After(d.Run(), id, func(context.Context, run) (int, error) { <-ready; return 1, nil })
	}
	store := &refusing{link{Store: memory()}}
	r := running(t, store, nil, d)
	row := triggered(t, r, "d")
	eventually(t, "all run", func() bool {
		rows, err := store.Queue(t.Context(), []int64{row.Key})
		return err == nil && len(rows) == 3 && rows[0].Leased && rows[1].Leased && rows[2].Leased
	})
	close(ready)
	v := over(t, r, row)
	sameStates(t, v, map[string]string{"a": "success", "poison": "failed", "b": "success"})
	for _, tv := range v.Tasks {
		if tv.Task == "poison" && tv.Error != "its end could not be stored: refused: cannot be stored" {
			t.Errorf("poison failed with %q", tv.Error)
		}
	}
}

// refusing is a store that cannot keep the output of the task called poison.
type refusing struct{ link }

func (s *refusing) Transition(ctx context.Context, t engine.Transition) error {
	decide := t.Decide
	t.Decide = func(now time.Time, rows []engine.RunRow, found engine.Found) ([]engine.RunChange, error) {
		changes, err := decide(now, rows, found)
		for _, c := range changes {
			for _, a := range c.Attempts {
				if a.Task == "poison" && a.Output != nil {
					return nil, fmt.Errorf("%w: cannot be stored", engine.ErrRefused)
				}
			}
		}
		return changes, err
	}
	return s.link.Transition(ctx, t)
}

// holding is a store that holds up what comes of timers and waits, between their reading and their deciding, while it is told to.
type holding struct {
	engine.Store
	hold chan struct{} // closed: it lets go
	on   atomic.Bool
	held chan struct{} // something is held up
}

func (s *holding) Transition(ctx context.Context, t engine.Transition) error {
	if len(t.Timers)+len(t.Waits) > 0 && s.on.CompareAndSwap(true, false) {
		close(s.held)
		<-s.hold
	}
	return s.Store.Transition(ctx, t)
}

// A process reads that nobody has answered in time, and freezes. Until it wakes the question is answered, cleared and asked anew: that one has
// its own time.
func TestATimerOfBeforeTheFreezeIsNotTheNextOnes(t *testing.T) {
	store, clock, tune := mocked(t)
	d := engine.New[engine.NoParams]("d")
	type verdict string
	n := engine.After(d.Run(), "n", one)
	engine.Approve(n, "keep", engine.Question[int, verdict]{Text: func(int) string { return "is it over?" }, Answers: []verdict{"yes"}}) // the run goes on
	engine.Approve(n, "ask", engine.Question[int, verdict]{Text: func(int) string { return "ship?" }, Answers: []verdict{"ship"}, Timeout: 30 * time.Second})
	s := &holding{Store: store, hold: make(chan struct{}), held: make(chan struct{})}
	r := running(t, s, tune, d)
	row := triggered(t, r, "d")
	key := engine.TaskKey{Run: row.Key, Task: "ask", MapIndex: -1}
	asked := func() time.Time {
		open, err := store.Questions(t.Context(), []int64{row.Key}, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range open {
			if q.Task == "ask" && !q.Closed {
				return q.AskedAt
			}
		}
		return time.Time{}
	}
	elapse(t, clock, "the question is asked", func() bool { return !asked().IsZero() })
	first := asked()
	s.on.Store(true)
	elapse(t, clock, "its time is over", func() bool { return !s.on.Load() })
	<-s.held
	if err := r.Control().Answer(t.Context(), key, "d", row.RunID, "ship", "ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Control().Clear(t.Context(), "d", row.RunID, engine.Selection{Tasks: []string{"ask"}}, false, "ann"); err != nil {
		t.Fatal(err)
	}
	elapse(t, clock, "it is asked anew", func() bool { return asked().After(first) })
	second := asked()
	close(s.hold)
	elapse(t, clock, "the second has had its time", func() bool { return asked().IsZero() })
	if took := clock.Now().Sub(second); took < 30*time.Second {
		t.Errorf("the second question was given up after %s", took)
	}
}
