package cli

import (
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/lake"
)

// A demo that is started again has nothing to backfill: it neither makes an empty backfill nor tells of runs of before as if they had just run.
func TestWhatIsThereIsNotBackfilled(t *testing.T) {
	day := func(n int) engine.Interval {
		return engine.Interval{Start: time.Date(2026, 11, n, 2, 0, 0, 0, time.UTC), End: time.Date(2026, 11, n+1, 2, 0, 0, 0, time.UTC)}
	}
	over := engine.BackfillStep{Interval: day(1), Action: engine.BackfillLeave, Reason: engine.ReasonExists}
	running := engine.BackfillStep{Interval: day(2), Action: engine.BackfillLeave, Reason: engine.ReasonInFlight}
	for name, c := range map[string]struct {
		steps []engine.BackfillStep
		work  bool
		there int
	}{
		"all there":      {[]engine.BackfillStep{over}, false, 1},
		"one runs still": {[]engine.BackfillStep{over, running}, false, 1},
		"one is new":     {[]engine.BackfillStep{over, {Interval: day(3), Action: engine.BackfillCreate}}, true, 1},
		"one has failed": {[]engine.BackfillStep{{Interval: day(4), Action: engine.BackfillClear}, over}, true, 1},
		"all run anew":   {[]engine.BackfillStep{{Interval: day(1), Action: engine.BackfillClear}}, true, 0},
	} {
		work, there := toDo(c.steps)
		if work != c.work || len(there) != c.there || c.there == 1 && !there[over.Interval.Start.UnixMicro()] {
			t.Errorf("%s: work %v, there %v", name, work, there)
		}
	}
}

func TestWhatIsThereIsTold(t *testing.T) {
	for _, c := range []struct {
		n, all   int
		from, to lake.Day
		want     string
	}{
		{7, 7, "2026-11-16", "2026-11-22", "daily_transactions of 2026-11-16 to 2026-11-22: all there already"},
		{6, 7, "2026-11-16", "2026-11-22", "daily_transactions of 2026-11-16 to 2026-11-22: 6 of 7 are there already"},
		{1, 1, "2026-11-16", "2026-11-16", "daily_transactions of 2026-11-16: all there already"},
	} {
		if got := thereAlready(c.n, c.all, c.from, c.to); got != c.want {
			t.Errorf("told as %q; want %q", got, c.want)
		}
	}
}
