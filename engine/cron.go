package engine

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	robfig "github.com/robfig/cron/v3"
)

// cron is the timetable of a cron expression in a time zone: its intervals reach from one firing to the next.
//
// Where the zone's clock is put forward, readings that do not exist fire as many minutes later as it was put forward
// (02:30 → 03:30). Where it is put back, readings that occur twice fire at their second occurrence, if the hours are
// fixed (a list: 2, 1,3 or 9-17). Hours that repeat (*, */n) go by elapsed time instead: they fire at both occurrences,
// and, for as long as the clock was moved by, also where the old clock would have fired.
type cron struct {
	spec    *robfig.SpecSchedule // in UTC: it computes readings of the zone's clock, to which no change ever happens
	zone    *time.Location
	repeats bool // the hours
}

const allHours = 1<<24 - 1

var cronParser = robfig.NewParser(robfig.Minute | robfig.Hour | robfig.Dom | robfig.Month | robfig.Dow)

func parseCron(expr string, zone *time.Location) (Timetable, error) {
	fields := strings.Fields(expr)
	if len(fields) != 5 {
		return nil, invalidSchedule(expr, fmt.Sprintf("has %d fields", len(fields)))
	}
	for _, field := range fields {
		if strings.Contains(field, "=") {
			return nil, invalidSchedule(expr, "names a time zone, which is an argument of its own")
		}
		if strings.Contains(","+field+",", ",,") {
			return nil, invalidSchedule(expr, fmt.Sprintf("has an empty item in %q", field))
		}
	}
	hours := fields[1]
	fields[4] = sundayAsZero(fields[4])
	parsed, err := cronParser.Parse(strings.Join(fields, " "))
	if err != nil {
		return nil, invalidSchedule(expr, "cannot be read ("+cronProblems(fields)+")")
	}
	spec, ok := parsed.(*robfig.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("parsing the cron %q gave a %T", expr, parsed)
	}
	spec.Location = time.UTC
	c := &cron{spec: spec, zone: zone, repeats: strings.ContainsAny(hours, "*?") || spec.Hour&allHours == allHours}
	if c.reading(time.Unix(0, 0).UTC()).IsZero() {
		return nil, invalidSchedule(expr, "names a day that does not exist")
	}
	return c, nil
}

// cronProblems says what is wrong with each field of a cron that cannot be read.
func cronProblems(fields []string) string {
	var problems []string
	for i := range fields {
		alone := []string{"*", "*", "*", "*", "*"}
		alone[i] = fields[i]
		if _, err := cronParser.Parse(strings.Join(alone, " ")); err != nil {
			problems = append(problems, err.Error())
		}
	}
	return strings.Join(problems, "; ")
}

// sundayAsZero rewrites the weekdays of a cron, in which 7 is Sunday, to those that the parser knows: 0 to 6.
func sundayAsZero(field string) string {
	items := strings.Split(field, ",")
	for i, item := range items {
		span, stepText, hasStep := strings.Cut(item, "/")
		if span == "7" && !hasStep {
			items[i] = "0"
			continue
		}
		low, ok := strings.CutSuffix(strings.ToLower(span), "-7")
		if !ok {
			continue
		}
		step, err := strconv.Atoi(stepText)
		if !hasStep {
			step, err = 1, nil
		}
		first := strings.Index("sunmontuewedthufrisat", low) / 3
		if len(low) != 3 {
			first, _ = strconv.Atoi(low)
			ok = len(low) == 1 && low >= "0" && low <= "7"
		} else {
			ok = strings.Contains("sun mon tue wed thu fri sat", low)
		}
		if !ok || err != nil || step < 1 {
			continue // the parser says what is wrong
		}
		var days []string
		for day := first; day <= 7; day += min(step, 8) {
			days = append(days, strconv.Itoa(day%7))
		}
		items[i] = strings.Join(days, ",")
	}
	return strings.Join(items, ",")
}

// Next implements [Timetable].
func (c *cron) Next(after time.Time) (Interval, bool) {
	start, ok := c.fire(after)
	if !ok {
		return Interval{}, false
	}
	end, ok := c.fire(start)
	return Interval{start, end}, ok
}

// maxSpells bounds the search: a cron that fires at all fires within 8 years (29 February around 2100), and no zone
// changes its clock more than a few times a year.
const maxSpells = 100

// fire returns the first firing after a time. It goes from one spell to the next, a spell being the time between
// two changes of the zone's clock.
func (c *cron) fire(after time.Time) (time.Time, bool) {
	from := after.Add(1)
	for range maxSpells {
		s := spellAt(from, c.zone)
		found := c.firstIn(from, c.endOfFirsts(s), s.offset)
		if change := s.offset - s.before; change > 0 || c.repeats && change < 0 {
			moved := c.firstIn(from, s.start.Add(change.Abs()), s.before)
			if !moved.IsZero() && (found.IsZero() || moved.Before(found)) && (s.end.IsZero() || moved.Before(s.end)) {
				found = moved
			}
		}
		if !found.IsZero() {
			return found, true
		}
		if s.end.IsZero() {
			break
		}
		from = s.end
	}
	return time.Time{}, false
}

// endOfFirsts returns when in a spell its readings no longer fire: at its end, or for fixed hours at the first reading
// that occurs again after it. Zero: never.
func (c *cron) endOfFirsts(s spell) time.Time {
	if again := s.offset - s.after; again > 0 && !c.repeats && !s.end.IsZero() {
		return s.end.Add(-again)
	}
	return s.end
}

// firstIn returns the first time in [from, until) at which a clock with that offset shows a reading that matches, zero if
// there is none; until zero is for ever.
func (c *cron) firstIn(from, until time.Time, offset time.Duration) time.Time {
	if !until.IsZero() && !from.Before(until) {
		return time.Time{}
	}
	reading := c.reading(from.UTC().Add(offset - 1))
	if reading.IsZero() {
		return time.Time{}
	}
	t := reading.Add(-offset)
	if !until.IsZero() && !t.Before(until) {
		return time.Time{}
	}
	return t
}

// reading returns the first matching reading after the given one, zero if there is none. The library looks 5 years
// ahead; 29 February may be 8 away. It also goes second by second: since all readings are full minutes, it begins in the last second before
// one.
func (c *cron) reading(after time.Time) time.Time {
	after = after.Truncate(time.Minute).Add(59 * time.Second)
	for range 3 {
		if next := c.spec.Next(after); !next.IsZero() {
			return next
		}
		after = after.AddDate(5, 0, 0)
	}
	return time.Time{}
}

// A spell is the time in which a zone's clock keeps its offset from UTC: [start, end), with the offsets before and after
// it. start and end are zero where it is unbounded; before and after are then its own offset.
type spell struct {
	start, end            time.Time
	offset, before, after time.Duration
}

func spellAt(t time.Time, zone *time.Location) spell {
	t = t.In(zone)
	start, end := t.ZoneBounds()
	if !end.IsZero() && !end.After(t) {
		// Beyond the zone's table the library takes every year for 365 days long: on the last day of a leap year the
		// spell would have ended already. No zone has a rule for a change on that day.
		end = time.Date(t.UTC().Year()+1, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	offset := offsetOf(t)
	s := spell{start: start, end: end, offset: offset, before: offset, after: offset}
	if !start.IsZero() {
		s.before = offsetOf(start.Add(-1))
	}
	if !end.IsZero() {
		s.after = offsetOf(end)
	}
	return s
}

func offsetOf(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}
