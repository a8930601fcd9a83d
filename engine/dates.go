package engine

import (
	"fmt"
	"sort"
	"time"
)

// DayOf returns the day, as 2024-01-09, that a daily run of that logical date works on: its date in the DAG's zone.
func DayOf(logical time.Time, zone *time.Location) string {
	return logical.In(zone).Format(time.DateOnly)
}

// DayBounds returns the first moment of the day of that logical date in the zone, and that of the day after.
func DayBounds(logical time.Time, zone *time.Location) (start, end time.Time) {
	year, month, day := logical.In(zone).Date()
	return startOfDay(year, month, day, zone), startOfDay(year, month, day+1, zone)
}

// ParseDate reads a date or time for a range and returns the first and the last moment that it means: a bare date
// (2024-01-09) is its whole day in the zone; a time (RFC 3339, or without an offset in the zone) is itself. What it
// cannot read gives an [*InvalidError] of the named field.
func ParseDate(field, text string, zone *time.Location) (first, last time.Time, err error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		first, end := DayBounds(time.Date(day.Year(), day.Month(), day.Day(), 12, 0, 0, 0, zone), zone)
		return first, end.Add(-time.Microsecond), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t.UTC(), t.UTC(), nil
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t.UTC(), t.UTC(), nil
		}
	}
	return time.Time{}, time.Time{}, &InvalidError{field, fmt.Sprintf(
		"%q is no date; give a day as in 2024-01-09, or a time as in 2024-01-09T02:00:00Z", text)}
}

// ParseRange reads the range of a backfill, both ends included: from the first moment that from means to the last that
// to means (see [ParseDate]). Errors are [*InvalidError]s of from_date or to_date.
func ParseRange(from, to string, zone *time.Location) (first, last time.Time, err error) {
	first, _, err = ParseDate("from_date", from, zone)
	if err != nil {
		return time.Time{}, time.Time{}, err
	}
	_, last, err = ParseDate("to_date", to, zone)
	if err != nil {
		return time.Time{}, time.Time{}, err
	}
	return first, last, checkOrder(first, last)
}

func checkOrder(from, to time.Time) error {
	if from.After(to) {
		return &InvalidError{"from_date", fmt.Sprintf("%s is after to_date %s; swap them", from.Format(time.RFC3339), to.Format(time.RFC3339))}
	}
	return nil
}

// checkYear refuses a moment of a year that, in some zone or with an interval before it, has not the four digits that a date in JSON has: nobody
// could be shown it.
func checkYear(field string, at time.Time) error {
	if year := at.UTC().Year(); year < 1000 || year > 9998 {
		return &InvalidError{field, fmt.Sprintf("is of the year %d; give a time of the years 1000 to 9998", year)}
	}
	return nil
}

// startOfDay returns the first moment at which the zone's clock shows that date or a later one. It is no midnight where
// the clock is put forward over it.
func startOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	date := time.Date(year, month, day, 0, 0, 0, 0, time.UTC) // days out of range are normalised
	earliest := date.Add(-30 * time.Hour)                     // no zone is that far from UTC
	second := sort.Search(60*60*60, func(s int) bool {
		y, m, d := earliest.Add(time.Duration(s) * time.Second).In(zone).Date()
		return !time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Before(date)
	})
	return earliest.Add(time.Duration(second) * time.Second)
}
