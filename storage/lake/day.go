package lake

import (
	"fmt"
	"time"
)

// Day is a UTC calendar day, "2024-01-05". Days compare as strings.
type Day string

const dayLayout = "2006-01-02"

// DayOf is the UTC day of t.
func DayOf(t time.Time) Day { return Day(t.UTC().Format(dayLayout)) }

// ParseDay reads "2024-01-05".
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(dayLayout, s)
	if err != nil {
		return "", fmt.Errorf("day %q: want YYYY-MM-DD", s)
	}
	return DayOf(t), nil
}

// Start is the first instant of the day; the zero time if d is no day.
func (d Day) Start() time.Time {
	t, err := time.Parse(dayLayout, string(d))
	if err != nil {
		return time.Time{}
	}
	return t
}

// End is the first instant after the day.
func (d Day) End() time.Time { return d.Start().AddDate(0, 0, 1) }

// folder is the day's place below bronze/<topic>: year=2024/month=01/day=05.
func (d Day) folder() string {
	t := d.Start()
	return fmt.Sprintf("year=%04d/month=%02d/day=%02d", t.Year(), t.Month(), t.Day())
}
