package enginetest

import (
	"testing"
	"time"

	"github.com/coder/quartz"
)

// Epoch is where a clock of [NewClock] starts: Monday, 1 January 2024, 00:00 UTC.
var Epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// NewClock returns a clock that stands at [Epoch] until the test moves it with Set or Advance. What a timer of it starts
// while it moves is waited for with the AdvanceWaiter that those return.
func NewClock(tb testing.TB) *quartz.Mock {
	tb.Helper()
	c := quartz.NewMock(tb).WithLogger(quartz.NoOpLogger) // else each reading is a line of the test's log
	c.Set(Epoch)
	return c
}
