package engine

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones are the same on every machine, with or without its own database
)

// An Interval is the stretch of time that a scheduled run works on: [Start, End). Start is the run's logical date; the
// run is due at End. The two are equal where a timetable only names moments.
type Interval struct{ Start, End time.Time }

// A Timetable says which data intervals a DAG has. [ParseSchedule] makes the usual ones; a calendar of your own (trading
// days, say) implements this one method.
type Timetable interface {
	// Next returns the first interval that starts after the given time, and false when there is none. It always gives
	// the same answer. Intervals do not overlap: the one that starts later ends later.
	Next(after time.Time) (Interval, bool)
}

// An Anchored timetable counts from the moment at which its DAG was first registered, as a fixed interval does.
type Anchored interface {
	Timetable
	// Anchor returns the timetable that counts from the given time.
	Anchor(registered time.Time) Timetable
}

// Schedules that have a name.
var namedCrons = map[string]string{
	"@hourly":    "0 * * * *",
	"@daily":     "0 0 * * *",
	"@midnight":  "0 0 * * *",
	"@weekly":    "0 0 * * 0",
	"@monthly":   "0 0 1 * *",
	"@quarterly": "0 0 1 */3 *",
	"@yearly":    "0 0 1 1 *",
	"@annually":  "0 0 1 1 *",
}

const scheduleForms = "give five cron fields (minute hour day month weekday), @hourly, @daily, @weekly, @monthly, " +
	"@quarterly, @yearly, @once, @every 1h30m, or nothing for a DAG that is only triggered"

// ParseSchedule reads a schedule: five cron fields or one of @hourly, @daily (@midnight), @weekly, @monthly, @quarterly
// and @yearly (@annually), all by the clock of the named zone; @once; "@every d" with d in whole seconds as
// [time.ParseDuration] reads it; or nothing (also "@none"), for which the timetable is nil. The zone is an IANA name, UTC
// when it is empty. What it cannot read gives an [*InvalidError] of schedule, of timezone, or both joined.
//
// In a cron, weekday 7 is Sunday as 0 is; a day matches when day of month or weekday does where both are restricted.
// For what happens when the clocks change see the comment of the type cron.
func ParseSchedule(spec, zone string) (Timetable, error) {
	loc, err := LoadZone(zone)
	if err != nil {
		_, also := parseIn(spec, time.UTC)
		return nil, errors.Join(also, err)
	}
	return parseIn(spec, loc)
}

// parseIn is ParseSchedule in a zone that there is. Whether it errs does not depend on the zone.
func parseIn(spec string, loc *time.Location) (Timetable, error) {
	spec = strings.TrimSpace(spec)
	if named, ok := namedCrons[spec]; ok {
		return parseCron(named, loc)
	}
	switch every, ok := strings.CutPrefix(spec, "@every "); {
	case spec == "" || spec == "@none":
		return nil, nil
	case spec == "@once":
		return once{}, nil
	case ok:
		return parseEvery(strings.TrimSpace(every))
	case strings.HasPrefix(spec, "@"):
		return nil, invalidSchedule(spec, "is no schedule's name")
	}
	return parseCron(spec, loc)
}

// LoadZone returns the IANA time zone of that name, UTC for the empty one, and an [*InvalidError] for one that does not
// exist. The machine's local zone is refused: it differs from one process to the next.
func LoadZone(name string) (*time.Location, error) {
	const fix = "give an IANA name such as UTC or Europe/Zurich"
	if name == "Local" {
		return nil, &InvalidError{"timezone", "Local differs from machine to machine; " + fix}
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		return nil, &InvalidError{"timezone", fmt.Sprintf("%q is unknown; %s", name, fix)}
	}
	return loc, nil
}

func invalidSchedule(spec, problem string) error {
	return &InvalidError{"schedule", fmt.Sprintf("%q %s; %s", spec, problem, scheduleForms)}
}
