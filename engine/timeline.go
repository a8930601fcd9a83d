package engine

import (
	"fmt"
	"time"
)

// A Timeline is a timetable at work: what a DAG's scheduled runs are.
type Timeline struct {
	Timetable  Timetable // nil: the DAG is only triggered
	Registered time.Time // when the DAG was first registered, by the database
	Start, End time.Time // first and last logical date, both included; zero: from the registration, without end
	Catchup    bool      // whether missed intervals are run, or at most the latest of them
}

// Next returns the interval of the next scheduled run, given the logical date of the last one (nil: there was none), and
// false when no more will follow. The run is due at the interval's End, which may lie ahead of now.
//
// The first interval is the one in which the DAG was registered; with Start, the first that does not start before
// it. With Catchup each is run in turn; without, those are left out that a later one has ended since.
//
// The error is a [*TimetableError].
func (l Timeline) Next(last *time.Time, now time.Time) (_ Interval, more bool, err error) {
	if l.Timetable == nil {
		return Interval{}, false, nil
	}
	defer l.caught(&err)
	t := anchor(l.Timetable, l.Registered)
	iv, ok := l.following(t, last)
	if !ok {
		return Interval{}, false, nil
	}
	if !l.Catchup && !iv.End.After(now) {
		if missed, ok := latest(t, now); ok && missed.Start.After(iv.Start) {
			iv = missed
		}
	}
	if !l.End.IsZero() && iv.Start.After(l.End) {
		return Interval{}, false, nil
	}
	return iv, true, nil
}

// A TimetableError tells that a timetable that somebody wrote breaks its contract, or panics. Its DAG has no scheduled runs until it is mended;
// nothing else is held up by it.
type TimetableError struct {
	Timetable string // its type
	Problem   string
}

// Error implements error.
func (e *TimetableError) Error() string { return "timetable " + e.Timetable + " " + e.Problem }

// caught makes an error of the panic of a user's timetable, or of what it gave; deferred.
func (l Timeline) caught(err *error) {
	switch p := recover().(type) {
	case nil:
	case *TimetableError:
		*err = p
	default:
		*err = &TimetableError{fmt.Sprintf("%T", l.Timetable), fmt.Sprintf("panics: %v", p)}
	}
}

// following returns the interval after the one of the last run, but none before the first.
func (l Timeline) following(t Timetable, last *time.Time) (Interval, bool) {
	if last != nil && !last.Before(l.Registered) && !last.Before(l.Start) {
		return next(t, *last)
	}
	iv, ok := l.first(t)
	if ok && last != nil && !last.Before(iv.Start) {
		return next(t, *last)
	}
	return iv, ok
}

func (l Timeline) first(t Timetable) (Interval, bool) {
	if !l.Start.IsZero() {
		return next(t, l.Start.Add(-1))
	}
	ended, ok := latest(t, l.Registered)
	switch {
	case !ok:
		return next(t, time.Time{})
	case ended.Start.Equal(l.Registered): // a moment, and this one
		return ended, true
	}
	return next(t, ended.Start)
}

// LastComplete returns the last interval that has ended by the given time: what a manual run with that logical date
// works on. False when there is none. The error is a [*TimetableError].
func (l Timeline) LastComplete(by time.Time) (_ Interval, found bool, err error) {
	if l.Timetable == nil {
		return Interval{}, false, nil
	}
	defer l.caught(&err)
	iv, ok := latest(anchor(l.Timetable, l.Registered), by)
	return iv, ok, nil
}

// MaxBackfillDates bounds the logical dates of one backfill.
const MaxBackfillDates = 100_000

// Between returns the intervals whose logical dates lie from from to to, both included, in order: those of a backfill.
// It heeds neither registration nor Start and End. More than [MaxBackfillDates] are an [*InvalidError] of to_date;
// else the error is a [*TimetableError].
func (l Timeline) Between(from, to time.Time) (all []Interval, err error) {
	if l.Timetable == nil {
		return nil, nil
	}
	defer l.caught(&err)
	t := anchor(l.Timetable, l.Registered)
	for after := from.Add(-1); ; {
		iv, ok := next(t, after)
		if !ok || iv.Start.After(to) {
			return all, nil
		}
		if len(all) == MaxBackfillDates {
			return nil, &InvalidError{"to_date", fmt.Sprintf("the range holds more than %d logical dates; split it", MaxBackfillDates)}
		}
		all = append(all, iv)
		after = iv.Start
	}
}
