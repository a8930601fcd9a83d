package enginetest_test

import (
	"context"
	"fmt"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// In a test, [enginetest.Run] does the same and fails the test where this errs.
func ExampleOnce() {
	d := engine.New[engine.NoParams]("sum")
	list := engine.After(d.Run(), "list", func(context.Context, engine.Run[engine.NoParams]) ([]int, error) { return []int{1, 2, 3}, nil })
	engine.After(list, "sum", func(_ context.Context, ns []int) (sum int, _ error) {
		for _, n := range ns {
			sum += n
		}
		return sum, nil
	})

	o, err := enginetest.Once(context.Background(), d, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	var sum int
	if err := o.Output("sum", &sum); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(o.Run.State, o.State("sum"), sum)
	// Output: success success 6
}
