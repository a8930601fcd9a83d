package lake

import (
	"context"
	"errors"
	"time"
)

// DefaultTarget is the size of file that a compaction makes unless it is told
// another: large enough for a scan, small enough to be held in memory.
const DefaultTarget = 128 << 20

// ClosedDays are the days that have more than one file and to which nothing but
// late rows comes any more: all partitions have passed their end by margin.
func (s *State) ClosedDays(margin time.Duration) []Day {
	var closed []Day
	passed := s.Watermark().Add(-margin)
	for _, d := range s.sortedDays() {
		if d.Files > 1 && !passed.Before(d.Day.End()) {
			closed = append(closed, d.Day)
		}
	}
	return closed
}

// CompactDays compacts days one by one, tells of each in which there was
// something to merge, and collects what was taken out long enough ago, and
// entries of the log that are older than KeepEntries. A day that another process
// is swapping is left for the next time.
func (w *Writer[R]) CompactDays(ctx context.Context, days []Day, target int64, tell func(Compacted)) (err error) {
	defer func() {
		_, cerr := w.lake.CollectReplaced(ctx, KeepReplaced)
		forgotten, ferr := w.lake.ForgetEntries(ctx, KeepEntries)
		if forgotten > 0 {
			w.lake.log.Info("removed old entries of the lake's log", "topic", w.lake.topic, "entries", forgotten)
		}
		err = errors.Join(err, cerr, ferr)
	}()
	for _, day := range days {
		done, err := w.Compact(ctx, day, target)
		switch {
		case errors.Is(err, ErrBusy) || errors.Is(err, ErrStale):
			w.lake.log.Info("a day is left as it is: another process rewrites it", "topic", w.lake.topic, "day", day)
		case err != nil:
			return err
		case done.Entry > 0:
			tell(done)
		}
	}
	return nil
}
