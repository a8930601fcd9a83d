package engine_test

import (
	"fmt"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// tradingDays has an interval for each weekday on which the exchange is open, from one close to the next.
type tradingDays struct{ closed map[string]bool }

func (c tradingDays) Next(after time.Time) (engine.Interval, bool) {
	start := c.nextClose(after)
	return engine.Interval{Start: start, End: c.nextClose(start)}, true
}

func (c tradingDays) nextClose(after time.Time) time.Time {
	t := time.Date(after.Year(), after.Month(), after.Day(), 16, 30, 0, 0, time.UTC)
	for !t.After(after) || t.Weekday() == time.Saturday || t.Weekday() == time.Sunday || c.closed[t.Format(time.DateOnly)] {
		t = t.AddDate(0, 0, 1)
	}
	return t
}

// A calendar of one's own is one method.
func ExampleTimetable() {
	timeline := engine.Timeline{
		Timetable: tradingDays{closed: map[string]bool{"2024-03-29": true, "2024-04-01": true}}, // Easter
	}
	days, err := timeline.Between(
		time.Date(2024, 3, 27, 0, 0, 0, 0, time.UTC),
		time.Date(2024, 4, 2, 23, 0, 0, 0, time.UTC),
	)
	if err != nil {
		fmt.Println(err)
	}
	for _, day := range days {
		fmt.Println(day.Start.Format("Mon 2 Jan 15:04"), "to", day.End.Format("Mon 2 Jan 15:04"))
	}
	// Output:
	// Wed 27 Mar 16:30 to Thu 28 Mar 16:30
	// Thu 28 Mar 16:30 to Tue 2 Apr 16:30
	// Tue 2 Apr 16:30 to Wed 3 Apr 16:30
}
