package engine_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// A DAG of two tasks. What the first yields, the second reads.
func Example() {
	d := engine.New[engine.NoParams]("hello", engine.Schedule("@daily", "UTC"))
	name := engine.After(d.Run(), "name", func(context.Context, engine.Run[engine.NoParams]) (string, error) { return "tide", nil })
	engine.Sink(name, "greet", func(_ context.Context, n string) error { fmt.Println("hello,", n); return nil })

	o, err := enginetest.Once(context.Background(), d, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(o.Run.State)
	// Output:
	// hello, tide
	// success
}

// Params are a struct, decoded strictly from what the trigger gives.
func ExampleNew_params() {
	type params struct {
		Day string `json:"day"`
	}
	d := engine.New[params]("report")
	engine.Sink(d.Run(), "print", func(_ context.Context, r engine.Run[params]) error {
		fmt.Println("report of", r.Params.Day)
		return nil
	})

	if _, err := enginetest.Once(context.Background(), d, params{"2024-01-05"}); err != nil {
		fmt.Println(err)
	}
	_, err := enginetest.Once(context.Background(), d, map[string]string{"date": "2024-01-05"})
	fmt.Println(err)
	// Output:
	// report of 2024-01-05
	// run DAG report: params.date: this DAG has no such param; it has day
}

// One instance for each element of a list, element i of the second on element i of the first; everyone else reads a list.
func ExampleMap() {
	d := engine.New[engine.NoParams]("map")
	files := engine.After(d.Run(), "files", func(context.Context, engine.Run[engine.NoParams]) ([]string, error) {
		return []string{"a", "bb", "ccc"}, nil
	})
	sizes := engine.Map(files, "size", func(_ context.Context, f string) (int, error) { return len(f), nil })
	doubled := engine.Map(sizes, "double", func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	engine.Sink(doubled, "print", func(_ context.Context, all []int) error { fmt.Println(all); return nil })

	if _, err := enginetest.Once(context.Background(), d, nil); err != nil {
		fmt.Println(err)
	}
	// Output: [2 4 6]
}

// A task that fails is tried again, here after 5 and 10 minutes, unless its error says that this would not mend it.
func ExampleRetry() {
	d := engine.New[engine.NoParams]("retry", engine.DefaultRetry(engine.Retry{Max: 2, Initial: 5 * time.Minute, Multiplier: 2}))
	loaded := engine.After(d.Run(), "load", func(ctx context.Context, _ engine.Run[engine.NoParams]) (int, error) {
		info, _ := engine.Info(ctx)
		fmt.Println("load, try", info.Try)
		if info.Try < 3 {
			return 0, errors.New("connection reset")
		}
		return 1000, nil
	})
	engine.Sink(loaded, "check", func(_ context.Context, rows int) error {
		fmt.Println("check")
		return engine.Permanent(fmt.Errorf("%d rows are too few", rows))
	})

	o, err := enginetest.Once(context.Background(), d, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(o.Run.State)
	// Output:
	// load, try 1
	// load, try 2
	// load, try 3
	// check
	// failed
}

// Callbacks are called after the state is stored, at least once, each with the same event.
func ExampleOnFailure() {
	notify := func(_ context.Context, e engine.CallbackEvent) error {
		fmt.Printf("%s: %s\n", e.Type, e.Error)
		return nil
	}
	d := engine.New[engine.NoParams]("alerts")
	engine.Sink(d.Run(), "load", func(context.Context, engine.Run[engine.NoParams]) error { return errors.New("disk full") }, engine.OnFailure(notify))

	if _, err := enginetest.Once(context.Background(), d, nil); err != nil {
		fmt.Println(err)
	}
	// Output: task.failed: disk full
}

// Settled reads how a task ended, whatever the end was.
func ExampleSettled() {
	d := engine.New[engine.NoParams]("settled")
	risky := engine.After(d.Run(), "risky", func(context.Context, engine.Run[engine.NoParams]) (int, error) { return 0, errors.New("no luck") })
	engine.Sink(engine.Settled(risky), "report", func(_ context.Context, r engine.Result[int]) error {
		fmt.Println(r.State, r.Err)
		return nil
	})

	o, err := enginetest.Once(context.Background(), d, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(o.Run.State, "with", o.Run.FailedTasks, "failed task")
	// Output:
	// failed no luck
	// success with 1 failed task
}
