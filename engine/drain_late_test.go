package engine_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/quartz"

	"github.com/tidemill/tidemill/engine"
)

// slowEnds answers the first transition that ends an attempt only when it is let.
type slowEnds struct {
	engine.Store
	once       sync.Once
	told, goOn chan struct{}
}

func (s *slowEnds) Transition(ctx context.Context, t engine.Transition) error {
	err := s.Store.Transition(ctx, t)
	if len(t.Ends) > 0 {
		s.once.Do(func() { close(s.told); <-s.goOn })
	}
	return err
}

// startedOn runs a runtime on a store; done is told how it ended.
func startedOn(t *testing.T, store engine.Store, tune func(*engine.Config), grace time.Duration, d engine.AnyDAG) (r *engine.Runtime, cancel context.CancelFunc, done chan error) {
	t.Helper()
	cfg := engine.Config{Store: store, Catalog: compiled(t, d), Log: slog.New(slog.DiscardHandler), Name: "x"}
	tune(&cfg)
	cfg.DrainGrace = grace
	r, err := engine.NewRuntime(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done = make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	<-r.Ready()
	return r, cancel, done
}

// ends moves the clock until the runtime has ended; it must within five minutes of it.
func ends(t *testing.T, clock *quartz.Mock, done chan error) {
	t.Helper()
	from := clock.Now()
	elapse(t, clock, "the process has ended", func() bool {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return true
		default:
		}
		if took := clock.Now().Sub(from); took >= 5*time.Minute {
			t.Fatalf("the process does not end within %s", took)
		}
		return false
	})
}

// The commit of a hand-over may be answered after the grace of a drain that began meanwhile: what was handed over is given back then, too.
func TestDrainGivesBackWhatIsHandedOverLate(t *testing.T) {
	inner, clock, tune := mocked(t)
	store := &slowEnds{Store: inner, told: make(chan struct{}), goOn: make(chan struct{})}
	d := engine.New[engine.NoParams]("d")
	engine.Sink(engine.After(d.Run(), "a", one), "b", func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() })
	r, cancel, done := startedOn(t, store, tune, time.Second, d)
	triggered(t, r, "d")
	elapse(t, clock, "a has ended", func() bool {
		select {
		case <-store.told:
			return true
		default:
			return false
		}
	})
	cancel()
	from := clock.Now()
	elapse(t, clock, "the grace has passed", func() bool { return clock.Now().Sub(from) > 3*time.Second })
	close(store.goOn)
	ends(t, clock, done)
}

// noInputs is a store that gives no inputs while it is down.
type noInputs struct {
	engine.Store
	down atomic.Bool
}

func (s *noInputs) Inputs(ctx context.Context, k []engine.InputKey) ([]engine.Input, error) {
	if s.down.Load() {
		return nil, errors.New("down")
	}
	return s.Store.Inputs(ctx, k)
}

// A store that goes away between a claim and the read of its tasks' inputs does not keep a process from ending.
func TestDrainWhileInputsCannotBeRead(t *testing.T) {
	inner, clock, tune := mocked(t)
	store := &noInputs{Store: inner}
	d := engine.New[engine.NoParams]("d")
	release := make(chan struct{})
	a := engine.After(d.Run(), "a", func(context.Context, run) (int, error) { <-release; return 1, nil })
	engine.Sink(a, "b", none, engine.InPool("p")) // claimed, not handed over
	if err := inner.SetPool(t.Context(), engine.Pool{Name: "p", Slots: 1}); err != nil {
		t.Fatal(err)
	}
	r, cancel, done := startedOn(t, store, tune, time.Minute, d)
	row := triggered(t, r, "d")
	elapse(t, clock, "a runs", func() bool { return states(seen(t, inner, row))["a"] == "running" })
	store.down.Store(true)
	close(release)
	elapse(t, clock, "b is claimed", func() bool {
		q, _ := inner.Queue(t.Context(), []int64{row.Key})
		return len(q) == 1 && q[0].Task == "b" && q[0].Leased
	})
	cancel()
	ends(t, clock, done)
}
