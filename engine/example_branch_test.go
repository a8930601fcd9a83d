package engine_test

import (
	"context"
	"fmt"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// Readers of the way that is not taken are skipped.
func ExampleIf() {
	d := engine.New[engine.NoParams]("if")
	rows := engine.After(d.Run(), "count", func(context.Context, engine.Run[engine.NoParams]) (int, error) { return 12, nil })
	enough, few := engine.If(rows, "enough", func(n int) bool { return n >= 10 })
	engine.Sink(enough, "load", func(_ context.Context, n int) error { fmt.Println("load", n); return nil })
	engine.Sink(few, "ask", func(_ context.Context, n int) error { fmt.Println("only", n); return nil })

	o, err := enginetest.Once(context.Background(), d, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ask is", o.State("ask"))
	// Output:
	// load 12
	// ask is skipped
}

// A key without a case goes to Default.
func ExampleSwitch() {
	type file struct{ Name, Kind string }
	d := engine.New[file]("switch")
	arrived := engine.After(d.Run(), "arrived", func(_ context.Context, r engine.Run[file]) (file, error) { return r.Params, nil })
	kinds := engine.Switch(arrived, "kind", func(f file) string { return f.Kind })
	engine.Sink(kinds.Case("csv"), "load", func(_ context.Context, f file) error { fmt.Println("load", f.Name); return nil })
	engine.Sink(kinds.Default(), "refuse", func(_ context.Context, f file) error { fmt.Println("refuse", f.Name); return nil })

	for _, f := range []file{{"shops.csv", "csv"}, {"cat.gif", "gif"}} {
		if _, err := enginetest.Once(context.Background(), d, f); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// load shops.csv
	// refuse cat.gif
}

// First goes on with the branch that was taken. Optional reads what may have been skipped.
func ExampleFirst() {
	d := engine.New[engine.NoParams]("first")
	amount := engine.After(d.Run(), "amount", func(context.Context, engine.Run[engine.NoParams]) (int, error) { return 5000, nil })
	large, small := engine.If(amount, "is_large", func(n int) bool { return n > 1000 })
	checked := engine.After(large, "check", func(_ context.Context, n int) (string, error) { return fmt.Sprint(n, ", checked"), nil })
	passed := engine.After(small, "pass", func(_ context.Context, n int) (string, error) { return fmt.Sprint(n), nil })
	either := engine.First("either", checked, passed)
	engine.After2(either, engine.Optional(passed), "book", func(_ context.Context, text string, small engine.Opt[string]) (string, error) {
		_, ok := small.Get()
		fmt.Printf("booked %s; small: %t\n", text, ok)
		return text, nil
	})

	if _, err := enginetest.Once(context.Background(), d, nil); err != nil {
		fmt.Println(err)
	}
	// Output: booked 5000, checked; small: false
}
