package enginetest_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

type day struct {
	Date string `json:"date"`
}

// Delays of hours pass at once, of tasks as of callbacks, and the run's outputs are there to look at.
func TestRunWaitsForNothing(t *testing.T) {
	var told atomic.Int32
	d := engine.New[day]("d", engine.DefaultRetry(engine.Retry{Max: 3, Initial: time.Hour}))
	flaky := engine.After(d.Run(), "flaky", func(ctx context.Context, r engine.Run[day]) ([]string, error) {
		if info, _ := engine.Info(ctx); info.Try < 3 {
			return nil, errors.New("not yet")
		}
		return []string{r.Params.Date}, nil
	}, engine.OnSuccess(func(context.Context, engine.CallbackEvent) error {
		if told.Add(1) < 3 {
			return errors.New("not yet")
		}
		return nil
	}))
	engine.Map(flaky, "each", func(_ context.Context, s string) (string, error) { return s + "!", nil })
	o := enginetest.Run(t, d, day{"2024-01-05"})
	var got string
	if err := o.Output("each[0]", &got); err != nil || got != "2024-01-05!" {
		t.Errorf("each[0] yields %q (%v)", got, err)
	}
	if o.Run.State != engine.RunSuccess || o.State("each[0]") != engine.Success || o.State("no") != engine.None || told.Load() != 3 {
		t.Errorf("the run is %s, each[0] %s, the callback was called %d times", o.Run.State, o.State("each[0]"), told.Load())
	}
	if err := o.Output("no", &got); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("output of a task that there is not: %v", err)
	}
}

func TestOnceErrs(t *testing.T) {
	ok := engine.New[day]("d")
	engine.Sink(ok.Run(), "a", func(context.Context, engine.Run[day]) error { return nil })
	over, cancel := context.WithCancel(t.Context())
	cancel()
	var invalid *engine.InvalidError
	if _, err := enginetest.Once(t.Context(), ok, map[string]int{"dat": 1}); !errors.As(err, &invalid) || invalid.Field != "params.dat" {
		t.Errorf("params that do not fit: %v", err)
	}
	if _, err := enginetest.Once(t.Context(), engine.New[day]("empty"), nil); err == nil {
		t.Error("an empty DAG runs")
	}
	if _, err := enginetest.Once(over, ok, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is over: %v", err)
	}
}

// A trial has room for all: pools that nobody has made and queues that nobody else serves.
func TestPoolsAndQueuesOfATrial(t *testing.T) {
	d := engine.New[engine.NoParams]("d")
	engine.Sink(d.Run(), "pooled", func(context.Context, engine.Run[engine.NoParams]) error { return nil }, engine.InPool("none", 7))
	engine.Sink(d.Run(), "queued", func(context.Context, engine.Run[engine.NoParams]) error { return nil }, engine.Queue("gpu"))
	if o := enginetest.Run(t, d, nil); o.Run.State != engine.RunSuccess {
		t.Errorf("the run is %s", o.Run.State)
	}
	catalog, err := engine.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := enginetest.Try(t.Context(), catalog, "d", enginetest.Trial{Answers: map[string]string{"pooled": "yes"}}); err == nil {
		t.Error("an answer that nobody asks for is taken")
	}
}

// The clock of a trial does not run ahead of a run that it waits for: the wait has a limit, and the other run takes real time.
func TestATrialWaitsForWhatItTriggered(t *testing.T) {
	child := engine.New[engine.NoParams]("child")
	engine.Sink(child.Run(), "slow", func(context.Context, engine.Run[engine.NoParams]) error {
		pause := time.NewTimer(100 * time.Millisecond) // the work
		<-pause.C
		return nil
	})
	d := engine.New[engine.NoParams]("d")
	engine.TriggerDAG(d.Run(), "go", child, func(engine.Run[engine.NoParams]) engine.NoParams { return engine.NoParams{} }, engine.AwaitRun(time.Hour))
	catalog, err := engine.Compile(d, child)
	if err != nil {
		t.Fatal(err)
	}
	o, err := enginetest.Try(t.Context(), catalog, "d", enginetest.Trial{})
	if err != nil {
		t.Fatal(err)
	}
	if o.Run.State != engine.RunSuccess {
		t.Errorf("the run is %s", o.Run.State)
	}
}
