// Timetable schedules a DAG by a calendar of our own: business days, as an interface of one method. Each run covers what has happened since
// the business day before, so Monday's has the weekend in it. Catchup, backfills and the dry run know the calendar as any other.
//
//	go run ./examples/timetable dag test settlement --logical-date 2024-03-28T17:00:00Z
//	go run ./examples/timetable serve
//	go run ./examples/timetable backfill create settlement --from 2024-03-25 --to 2024-04-05 --dry-run
package main

import (
	"context"
	"time"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
)

// BusinessDays has an interval from each business day at five in the afternoon, UTC, to the next.
type BusinessDays struct {
	Holidays map[string]bool // such as 2024-04-01
}

// Next returns the first interval that starts after a time. It always gives the same answer.
func (b BusinessDays) Next(after time.Time) (engine.Interval, bool) {
	start := b.close(after)
	return engine.Interval{Start: start, End: b.close(start)}, true
}

// close is the first end of a business day after a time.
func (b BusinessDays) close(after time.Time) time.Time {
	t := time.Date(after.Year(), after.Month(), after.Day(), 17, 0, 0, 0, time.UTC)
	for !t.After(after) || t.Weekday() == time.Saturday || t.Weekday() == time.Sunday || b.Holidays[t.Format(time.DateOnly)] {
		t = t.AddDate(0, 0, 1)
	}
	return t
}

var easter2024 = map[string]bool{"2024-03-29": true, "2024-04-01": true}

func main() { cli.Main(cli.DAGs(settlement())) }

func settlement() engine.AnyDAG {
	d := engine.New[engine.NoParams]("settlement", engine.OnTimetable(BusinessDays{easter2024}, "business days, 17:00", "UTC"))
	engine.Sink(d.Run(), "settle", func(ctx context.Context, r engine.Run[engine.NoParams]) error {
		engine.Log(ctx).Info("settling", "from", r.Start, "to", r.End)
		return nil
	})
	return d
}
