package daily_test

import (
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/tasks/daily"
)

func TestDecide(t *testing.T) {
	due := time.Date(2024, 1, 6, 2, 0, 0, 0, time.UTC)
	dayEnd := time.Date(2024, 1, 6, 0, 0, 0, 0, time.UTC)
	never := time.Time{}
	for _, c := range []struct {
		name              string
		kind              engine.RunType
		now, commit, mark time.Time
		partial           bool
		rule              daily.Rule
		fresh             bool
	}{
		{"on time, a file of an hour ago", engine.ScheduledRun, due, due.Add(-time.Hour), never, false, daily.RecentFile, true},
		{"on time, a file of two hours ago", engine.ScheduledRun, due, due.Add(-2 * time.Hour), never, false, daily.RecentFile, true},
		{"on time, a file of a little more", engine.ScheduledRun, due, due.Add(-2*time.Hour - 1), never, false, daily.RecentFile, false},
		{"on time, the watermark does not stand in for a file", engine.ScheduledRun, due, due.Add(-3 * time.Hour), due, false, daily.RecentFile, false},
		{"on time, never a file", engine.ScheduledRun, due, never, due, false, daily.RecentFile, false},
		{"a retry counts from its own moment", engine.ScheduledRun, due.Add(15 * time.Minute), due.Add(-110 * time.Minute), never, false, daily.RecentFile, false},
		{"two hours late is on time", engine.ScheduledRun, due.Add(2 * time.Hour), due.Add(time.Hour), never, false, daily.RecentFile, true},
		{"caught up later, past the day's end", engine.ScheduledRun, due.Add(2*time.Hour + 1), never, dayEnd, false, daily.Watermark, true},
		{"caught up later, short of it", engine.ScheduledRun, due.Add(48 * time.Hour), due.Add(48 * time.Hour), dayEnd.Add(-1), false, daily.Watermark, false},
		{"a backfill past the day's end", engine.BackfillRun, due, never, dayEnd, false, daily.Watermark, true},
		{"a backfill short of it", engine.BackfillRun, due, due, dayEnd.Add(-1), false, daily.Watermark, false},
		{"a backfill without a watermark", engine.BackfillRun, due, due, never, false, daily.Watermark, false},
		{"a manual run", engine.ManualRun, due, due, dayEnd, false, daily.Watermark, true},
		{"as far as it has come", engine.ManualRun, due, never, never, true, daily.Partial, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule, stale := daily.Decide(daily.Situation{Now: c.now, Type: c.kind, Due: due, DayEnd: dayEnd, LastCommit: c.commit, Watermark: c.mark, Partial: c.partial})
			if rule != c.rule || (stale == nil) != c.fresh {
				t.Errorf("by %s: %v, want fresh %t by %s", rule, stale, c.fresh, c.rule)
			}
		})
	}
}
