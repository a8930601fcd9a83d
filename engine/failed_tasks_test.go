package engine_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// A run's callback names what has failed; what was only not run because of it is not named.
func TestARunsCallbackNamesItsFailedTasks(t *testing.T) {
	told := make(chan engine.CallbackEvent, 1)
	d := engine.New[engine.NoParams]("d", engine.OnFailure(func(_ context.Context, e engine.CallbackEvent) error {
		if e.Task == "" {
			told <- e
		}
		return nil
	}))
	numbers := engine.After(d.Run(), "numbers", func(context.Context, run) ([]int, error) { return []int{1, 2, 3}, nil })
	each := engine.Map(numbers, "each", func(_ context.Context, n int) (int, error) {
		if n == 2 {
			return 0, errors.New("two")
		}
		return n, nil
	})
	engine.Sink(each, "after", func(context.Context, []int) error { return nil })
	engine.Sink(d.Run(), "plain", func(context.Context, run) error { return errors.New("no") })
	enginetest.Run(t, d, nil)
	if e := <-told; e.Type != engine.EventRunFailed || !slices.Equal(e.FailedIDs, []string{"each[1]", "plain"}) {
		t.Errorf("%s names %q", e.Type, e.FailedIDs)
	}
}
