package engine

import (
	"fmt"
	"time"
)

// every is the timetable of a fixed interval: the time line cut in pieces of so many seconds, both ways from an anchor.
type every struct {
	seconds int64
	anchor  time.Time
}

func parseEvery(text string) (Timetable, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second || d%time.Second != 0 {
		return nil, &InvalidError{"schedule", fmt.Sprintf("%q is no interval; give whole seconds, as in @every 1h30m", text)}
	}
	return every{seconds: int64(d / time.Second), anchor: time.Unix(0, 0).UTC()}, nil
}

// Anchor implements [Anchored].
func (e every) Anchor(registered time.Time) Timetable {
	e.anchor = registered
	return e
}

// Next implements [Timetable].
func (e every) Next(after time.Time) (Interval, bool) {
	passed := after.Unix() - e.anchor.Unix() // whole seconds since the anchor, rounded down
	if after.Nanosecond() < e.anchor.Nanosecond() {
		passed--
	}
	n := passed / e.seconds
	if passed%e.seconds < 0 {
		n--
	}
	return Interval{e.at(n + 1), e.at(n + 2)}, true
}

// at returns the anchor and n intervals.
func (e every) at(n int64) time.Time {
	return time.Unix(e.anchor.Unix()+n*e.seconds, int64(e.anchor.Nanosecond())).UTC()
}

// once is the timetable of one moment: that of the first registration.
type once struct{ at time.Time }

// Anchor implements [Anchored].
func (o once) Anchor(registered time.Time) Timetable { return once{registered.UTC()} }

// Next implements [Timetable].
func (o once) Next(after time.Time) (Interval, bool) {
	return Interval{o.at, o.at}, o.at.After(after)
}

// Instants returns the timetable of the moments at which t's intervals start: logical date and due time are the same,
// and no data interval belongs to a run. (Airflow 3's CronTriggerTimetable, its default for crons.)
func Instants(t Timetable) Timetable { return instants{t} }

type instants struct{ of Timetable }

// Anchor implements [Anchored].
func (i instants) Anchor(registered time.Time) Timetable { return instants{anchor(i.of, registered)} }

// Next implements [Timetable].
func (i instants) Next(after time.Time) (Interval, bool) {
	iv, ok := next(i.of, after)
	return Interval{iv.Start, iv.Start}, ok
}

// anchor returns t, counting from the given time if it counts at all.
func anchor(t Timetable, registered time.Time) Timetable {
	if a, ok := t.(Anchored); ok {
		return a.Anchor(registered)
	}
	return t
}

// next is t.Next for a timetable that somebody else may have written: one that does not advance would have us
// look for ever. It panics with a [*TimetableError], which [Timeline] catches.
func next(t Timetable, after time.Time) (Interval, bool) {
	iv, ok := t.Next(after)
	if ok && (!iv.Start.After(after) || iv.End.Before(iv.Start)) {
		panic(&TimetableError{fmt.Sprintf("%T", t), fmt.Sprintf("gives the interval from %s to %s as the next after %s; it must start after that, and not end before it starts",
			iv.Start.Format(time.RFC3339), iv.End.Format(time.RFC3339), after.Format(time.RFC3339))})
	}
	return iv, ok
}

// latest returns t's last interval that has ended by the given time, and false when there is none.
func latest(t Timetable, by time.Time) (Interval, bool) {
	ended := func(after time.Time) (Interval, bool) {
		iv, ok := next(t, after)
		return iv, ok && !iv.End.After(by)
	}
	const farthest = 200 * 365 * 24 * time.Hour
	var found Interval
	for back := time.Minute; ; back *= 2 { // look back until some interval has ended …
		from := time.Time{}
		if back < farthest {
			from = by.Add(-back)
		}
		iv, ok := ended(from)
		if ok {
			found = iv
			break
		}
		if from.IsZero() {
			return Interval{}, false
		}
	}
	for end := by; ; { // … and then halve what lies between it and the time
		iv, ok := ended(found.Start)
		if !ok {
			return found, true
		}
		found = iv
		middle := found.Start.Add(end.Sub(found.Start) / 2)
		if iv, ok := ended(middle); ok {
			found = iv
		} else {
			end = middle
		}
	}
}
