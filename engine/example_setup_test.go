package engine_test

import (
	"context"
	"fmt"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// What a setup made is taken away, whatever became of the tasks that used it.
func ExampleSetup() {
	d := engine.New[engine.NoParams]("setup")
	schema := engine.Setup(d.Run(), "create", func(context.Context, engine.Run[engine.NoParams]) (string, error) {
		fmt.Println("create scratch_7")
		return "scratch_7", nil
	})
	filled := engine.After(schema, "fill", func(_ context.Context, name string) (int, error) { return 0, fmt.Errorf("fill %s: disk full", name) })
	engine.Teardown(schema, "drop", func(_ context.Context, name string) error { fmt.Println("drop", name); return nil }, engine.Covers(filled))

	o, err := enginetest.Once(context.Background(), d, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("fill", o.State("fill"), "- drop", o.State("drop"), "- run", o.Run.State)
	// Output:
	// create scratch_7
	// drop scratch_7
	// fill failed - drop success - run failed
}
