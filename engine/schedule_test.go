package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func parse(t interface{ Fatal(...any) }, spec, zone string) Timetable {
	timetable, err := ParseSchedule(spec, zone)
	if err != nil {
		t.Fatal(err)
	}
	return timetable
}

// starts returns the first n interval starts after a time, in UTC as 01-02T15:04, without :00 minutes.
func starts(t Timetable, after string, n int) string {
	var all []string
	iv, ok := next(t, at(after))
	for ; ok && len(all) < n; iv, ok = next(t, iv.Start) {
		text := iv.Start.UTC().Format("02T15:04")
		all = append(all, strings.TrimSuffix(text, ":00")+"Z")
	}
	return strings.Join(all, " ")
}

func TestCronAcrossClockChanges(t *testing.T) {
	const (
		zurich, newYork, kolkata, lordHowe = "Europe/Zurich", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"
		// Zurich 2023: 26 March 02:00 → 03:00 (01Z); 29 October 03:00 → 02:00 (01Z).
		spring, autumn = "2023-03-25T22:30:00Z", "2023-10-28T21:30:00Z"
		// New York 2023: 12 March 02:00 → 03:00 (07Z); 5 November 02:00 → 01:00 (06Z).
		// Lord Howe 2023: 2 April 02:00 → 01:30 (1 April 15:00Z); 1 October 02:00 → 02:30 (30 September 15:30Z).
	)
	for _, c := range []struct {
		name, spec, zone, after, want string
	}{
		{"plain", "0 2 * * *", "UTC", "2024-02-28T02:00:00Z", "29T02Z 01T02Z 02T02Z"},
		{"after a moment within a minute", "*/10 * * * *", "UTC", "2024-02-28T02:10:00.5Z", "28T02:20Z 28T02:30Z"},
		{"half-hour zone", "0 2 * * *", kolkata, "2024-03-09T00:00:00Z", "09T20:30Z 10T20:30Z"},
		{"half-hour zone, hourly", "@hourly", kolkata, "2024-03-09T00:00:00Z", "09T00:30Z 09T01:30Z"},

		{"as Airflow: 3 o'clock, gap", "0 3 * * *", zurich, "2023-03-24T01:00:00Z", "24T02Z 25T02Z 26T01Z 27T01Z"},
		{"in the gap: moves forward by it", "30 2 * * *", zurich, "2023-03-24T23:00:00Z", "25T01:30Z 26T01:30Z 27T00:30Z"},
		{"the gap's first minute", "0 2 * * *", zurich, "2023-03-24T23:00:00Z", "25T01Z 26T01Z 27T00Z"},
		{"moved onto another hour of the list", "0 2,3 * * *", zurich, spring, "26T01Z 27T00Z 27T01Z"},
		{"moved past another hour of the list", "30 2-4 * * *", zurich, spring, "26T01:30Z 26T02:30Z 27T00:30Z"},
		{"minutes that repeat in a fixed hour, gap", "*/20 2 * * *", zurich, spring, "26T01Z 26T01:20Z 26T01:40Z 27T00Z"},
		{"in the fold: second occurrence", "30 2 * * *", zurich, "2023-10-27T22:00:00Z", "28T00:30Z 29T01:30Z 30T01:30Z"},
		{"the fold's first minute", "0 2 * * *", zurich, "2023-10-27T22:00:00Z", "28T00Z 29T01Z 30T01Z"},
		{"the fold's end is not in it", "0 3 * * *", zurich, "2023-10-27T22:00:00Z", "28T01Z 29T02Z 30T02Z"},
		{"after the first occurrence", "30 2 * * *", zurich, "2023-10-29T00:30:00Z", "29T01:30Z 30T01:30Z"},
		{"hours around the fold", "0 1-3 * * *", zurich, autumn, "28T23Z 29T01Z 29T02Z 30T00Z"},

		{"hourly, gap", "@hourly", zurich, spring, "25T23Z 26T00Z 26T01Z 26T02Z"},
		{"hourly, fold", "@hourly", zurich, autumn, "28T22Z 28T23Z 29T00Z 29T01Z 29T02Z"},
		{"hourly as a range", "0 0-23 * * *", zurich, autumn, "28T22Z 28T23Z 29T00Z 29T01Z 29T02Z"},
		{"half-hourly, fold", "*/30 * * * *", zurich, "2023-10-28T23:30:00Z", "29T00Z 29T00:30Z 29T01Z 29T01:30Z 29T02Z"},
		{"two-hourly, gap: by elapsed time", "0 */2 * * *", zurich, spring, "25T23Z 26T01Z 26T02Z 26T04Z"},
		{"two-hourly, fold: both occurrences", "0 */2 * * *", zurich, autumn, "28T22Z 29T00Z 29T01Z 29T03Z"},
		{"six-hourly, away from the change", "0 */6 * * *", zurich, spring, "25T23Z 26T04Z 26T10Z"},

		{"New York, gap", "30 2 * * *", newYork, "2023-03-11T06:00:00Z", "11T07:30Z 12T07:30Z 13T06:30Z"},
		{"New York, fold", "30 1 * * *", newYork, "2023-11-04T05:00:00Z", "04T05:30Z 05T06:30Z 06T06:30Z"},
		{"New York, midnight", "@daily", newYork, "2023-11-04T03:00:00Z", "04T04Z 05T04Z 06T05Z"},
		{"no midnight at all", "@daily", "America/Sao_Paulo", "2018-11-03T00:00:00Z", "03T03Z 04T03Z 05T02Z"},

		{"Lord Howe, gap of half an hour", "15 2 * * *", lordHowe, "2023-09-29T00:00:00Z", "29T15:45Z 30T15:45Z 01T15:15Z"},
		{"Lord Howe, moved between others", "*/20 2 * * *", lordHowe, "2023-09-30T00:00:00Z", "30T15:30Z 30T15:40Z 30T15:50Z 01T15Z"},
		{"Lord Howe, fold of half an hour", "45 1 * * *", lordHowe, "2023-03-31T00:00:00Z", "31T14:45Z 01T15:15Z 02T15:15Z"},
		{"Lord Howe, hourly, gap", "@hourly", lordHowe, "2023-09-30T14:00:00Z", "30T14:30Z 30T15:30Z 30T16Z 30T17Z"},
		{"Lord Howe, hourly, fold", "@hourly", lordHowe, "2023-04-01T13:30:00Z", "01T14Z 01T15Z 01T15:30Z 01T16:30Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := len(strings.Fields(c.want))
			if got := starts(parse(t, c.spec, c.zone), c.after, n); got != c.want {
				t.Errorf("%s in %s after %s:\n got %s\nwant %s", c.spec, c.zone, c.after, got, c.want)
			}
		})
	}
}

func TestCronIntervalsTouch(t *testing.T) {
	timetable := parse(t, "0 3 * * *", "Europe/Zurich")
	want := []Interval{
		{at("2023-03-24T02:00:00Z"), at("2023-03-25T02:00:00Z")},
		{at("2023-03-25T02:00:00Z"), at("2023-03-26T01:00:00Z")},
		{at("2023-03-26T01:00:00Z"), at("2023-03-27T01:00:00Z")},
	}
	after := at("2023-03-23T23:00:00Z") // midnight of the 24th
	for _, w := range want {
		iv, ok := timetable.Next(after)
		if !ok || iv != w {
			t.Fatalf("after %s: %v, want %v", after, iv, w)
		}
		after = iv.Start
	}
}

func TestCronFields(t *testing.T) {
	for _, c := range []struct{ spec, same string }{
		{"0 0 * * 7", "0 0 * * 0"},
		{"0 0 * * 7", "0 0 * * sun"},
		{"0 0 * * 5-7", "0 0 * * 5,6,0"},
		{"0 0 * * fri-7", "0 0 * * 5,6,0"},
		{"0 0 * * 1-7/2", "0 0 * * 1,3,5,0"},
		{"0 0 * * 0-7", "0 0 * * *"},
		{"0 0 * * 7-7", "0 0 * * 0"},
		{"0 0 * * 1,7", "0 0 * * 0,1"},
		{"@hourly", "0 * * * *"},
		{"@daily", "0 0 * * *"},
		{"@midnight", "@daily"},
		{"@weekly", "0 0 * * sun"},
		{"@monthly", "0 0 1 * *"},
		{"@quarterly", "0 0 1 1,4,7,10 *"},
		{"@yearly", "0 0 1 jan *"},
		{"@annually", "@yearly"},
		{"  0\t2 * *   * ", "0 2 * * *"},
	} {
		const after = "2024-01-01T00:00:00Z"
		got, want := starts(parse(t, c.spec, ""), after, 12), starts(parse(t, c.same, "UTC"), after, 12)
		if got != want {
			t.Errorf("%s: %s\n as %s: %s", c.spec, got, c.same, want)
		}
	}
	if got, want := starts(parse(t, "0 0 13 * 5", "UTC"), "2024-09-01T00:00:00Z", 4), "06T00Z 13T00Z 20T00Z 27T00Z"; got != want {
		t.Errorf("the 13th or Friday: %s, want %s", got, want)
	}
	for zone, start := range map[string]string{"Europe/Zurich": "2104-02-28T23:00:00Z", "UTC": "2104-02-29T00:00:00Z"} {
		iv, ok := parse(t, "0 0 29 2 *", zone).Next(at("2096-03-01T00:00:00Z"))
		if !ok || iv != (Interval{at(start), at(start).AddDate(4, 0, 0)}) {
			t.Errorf("29 February after 2096 in %s: %v %v, want from %s", zone, iv, ok, start)
		}
	}
}

func TestParseScheduleRefuses(t *testing.T) {
	for _, c := range []struct{ spec, zone, field string }{
		{"61 * * * *", "UTC", "schedule"},
		{"0 2 * *", "UTC", "schedule"},
		{"0 0 2 * * *", "UTC", "schedule"},
		{"0 2 * * 8", "UTC", "schedule"},
		{"0 2 * * 7/2", "UTC", "schedule"},
		{"0 2 * * 1-7/0", "UTC", "schedule"},
		{"0 2 * * 1-7/x", "UTC", "schedule"},
		{"0 2 * * nomon-7", "UTC", "schedule"},
		{"0 0 30 2 *", "UTC", "schedule"},
		{"0 0 31 4,6,9,11 *", "UTC", "schedule"},
		{", * * * *", "UTC", "schedule"},
		{"0 1,,2 * * *", "UTC", "schedule"},
		{"TZ=UTC", "UTC", "schedule"},
		{"CRON_TZ=UTC 2 * * *", "UTC", "schedule"},
		{"TZ=UTC 0 2 * * *", "UTC", "schedule"},
		{"@reboot", "UTC", "schedule"},
		{"@every", "UTC", "schedule"},
		{"@every 90", "UTC", "schedule"},
		{"@every 0s", "UTC", "schedule"},
		{"@every 1.5s", "UTC", "schedule"},
		{"@every -1h", "UTC", "schedule"},
		{"0 2 * * *", "Europe/Zürich", "timezone"},
		{"0 2 * * *", "Local", "timezone"},
		{"0 2 * * *", "../etc/passwd", "timezone"},
		{"", "Mars", "timezone"},
	} {
		timetable, err := ParseSchedule(c.spec, c.zone)
		invalid, ok := errors.AsType[*InvalidError](err)
		if !ok || invalid.Field != c.field || timetable != nil || !strings.Contains(invalid.Message, "give ") {
			t.Errorf("%q in %q: %v, %v; want an InvalidError of %s with its fix", c.spec, c.zone, timetable, err, c.field)
		}
	}
	for _, spec := range []string{"", " ", "@none"} {
		if timetable, err := ParseSchedule(spec, "UTC"); timetable != nil || err != nil {
			t.Errorf("%q: %v, %v; want no timetable", spec, timetable, err)
		}
	}
}

func TestEvery(t *testing.T) {
	timetable := anchor(parse(t, "@every 1h30m", "Europe/Zurich"), at("2024-01-05T10:00:00.25Z"))
	for _, c := range []struct{ after, start string }{
		{"2024-01-05T10:00:00Z", "2024-01-05T10:00:00.25Z"},
		{"2024-01-05T10:00:00.25Z", "2024-01-05T11:30:00.25Z"},
		{"2024-01-05T11:30:00.24Z", "2024-01-05T11:30:00.25Z"},
		{"2024-01-05T09:59:00Z", "2024-01-05T10:00:00.25Z"},
		{"2024-01-05T08:00:00Z", "2024-01-05T08:30:00.25Z"},
		{"1900-01-01T00:00:00Z", "1900-01-01T01:00:00.25Z"},
	} {
		iv, ok := timetable.Next(at(c.after))
		if !ok || !iv.Start.Equal(at(c.start)) || iv.End.Sub(iv.Start) != 90*time.Minute {
			t.Errorf("after %s: %v, want from %s", c.after, iv, c.start)
		}
	}
}

// A daily cron at any time of day fires exactly once on every date of the zone's calendar.
func TestDailyCronLosesNoDay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := drawZone(t)
		hour, minute := rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute")
		year := rapid.IntRange(2000, 2040).Draw(t, "year")
		timetable := parse(t, fmt.Sprintf("%d %d * * *", minute, hour), zone.String())
		day := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		fired := startOfDay(year, 1, 1, zone).Add(-1)
		for ; day.Year() == year; day = day.AddDate(0, 0, 1) {
			iv, ok := timetable.Next(fired)
			if !ok || DayOf(iv.Start, zone) != day.Format(time.DateOnly) {
				t.Fatalf("%02d:%02d in %s after %s: %s, want the %s", hour, minute, zone, fired, iv.Start.In(zone), day.Format(time.DateOnly))
			}
			fired = iv.Start
		}
	})
}

// Whatever the cron: Next advances, its intervals touch, and it is the same whichever moment it is asked from.
func TestCronIsOneSequence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := drawZone(t)
		timetable := parse(t, drawCron(t), zone.String())
		after := time.Unix(rapid.Int64Range(1e9, 2e9).Draw(t, "after"), rapid.Int64Range(0, 1e9).Draw(t, "ns"))
		first, ok := timetable.Next(after)
		if !ok || !first.Start.After(after) {
			t.Fatalf("after %s: %v", after, first)
		}
		within := after.Add(time.Duration(rapid.Int64Range(0, int64(first.Start.Sub(after)-1)).Draw(t, "within")))
		if again, _ := timetable.Next(within); again != first {
			t.Fatalf("after %s: %v, but after %s: %v", after, first, within, again)
		}
		second, ok := timetable.Next(first.Start)
		if !ok || second.Start != first.End || !first.End.After(first.Start) {
			t.Fatalf("%v is followed by %v", first, second)
		}
		if last, ok := latest(timetable, second.Start); !ok || last != first {
			t.Fatalf("the latest by %s is %v, want %v", second.Start, last, first)
		}
		if last, ok := latest(timetable, second.End.Add(-1)); !ok || last != first {
			t.Fatalf("the latest just before %s is %v, want %v", second.End, last, first)
		}
	})
}

// Hours that repeat leave no stretch of real time longer than their step.
func TestRepeatingHoursGoByElapsedTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := drawZone(t)
		minute, step := rapid.IntRange(0, 59).Draw(t, "minute"), rapid.SampledFrom([]int{1, 2, 3}).Draw(t, "step")
		timetable := parse(t, fmt.Sprintf("%d */%d * * *", minute, step), zone.String())
		from := time.Unix(rapid.Int64Range(1e9, 2e9).Draw(t, "from"), 0)
		longest := time.Duration(step) * time.Hour
		if step > 1 {
			longest += time.Hour // a fold stretches a beat whose hour is not in it
		}
		for range 24 * 7 {
			iv, _ := timetable.Next(from)
			if got := iv.End.Sub(iv.Start); got > longest {
				t.Fatalf("%s to %s are %s", iv.Start.In(zone), iv.End.In(zone), got)
			}
			from = iv.Start
		}
	})
}

func drawCron(t *rapid.T) string {
	field := func(name string, low, high int) string {
		n := rapid.IntRange(low, high)
		switch rapid.IntRange(0, 4).Draw(t, name+" form") {
		case 0:
			return fmt.Sprint(n.Draw(t, name))
		case 1:
			return fmt.Sprintf("*/%d", rapid.IntRange(1, high).Draw(t, name))
		case 2:
			span := []int{n.Draw(t, name), n.Draw(t, name)}
			slices.Sort(span)
			return fmt.Sprintf("%d-%d", span[0], span[1])
		case 3:
			return fmt.Sprintf("%d,%d", n.Draw(t, name), n.Draw(t, name))
		}
		return "*"
	}
	return strings.Join([]string{
		field("minute", 0, 59), field("hour", 0, 23), field("day", 1, 28), field("month", 1, 12), field("weekday", 0, 7),
	}, " ")
}

func FuzzParseSchedule(f *testing.F) {
	for _, spec := range []string{"0 2 * * *", "*/15 9-17 * * mon-5", "0 0 29 2 7", "@every 1h", "@once", "@daily", "TZ=", "0 0 * * 1-7/3", "? ? ? ? ?"} {
		f.Add(spec, "Europe/Zurich")
	}
	f.Fuzz(func(t *testing.T, spec, zone string) {
		timetable, err := ParseSchedule(spec, zone)
		if err != nil {
			if _, ok := errors.AsType[*InvalidError](err); !ok {
				t.Fatalf("%q in %q: %v is no InvalidError", spec, zone, err)
			}
			return
		}
		if timetable == nil {
			return
		}
		after := at("2023-03-25T12:34:56.789Z")
		timetable = anchor(timetable, after)
		for range 5 {
			iv, ok := next(timetable, after) // panics when it does not advance
			if !ok {
				break
			}
			after = iv.Start
		}
	})
}
