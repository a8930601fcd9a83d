package engine

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTimelineNext(t *testing.T) {
	const registered = "2024-01-05T10:00:00Z"
	for _, c := range []struct {
		name, spec, zone string
		start, end, last string
		catchup          bool
		now              string
		want             string // logical date, due; "": none
	}{
		{"first registered on the 5th", "0 2 * * *", "UTC", "", "", "", true, registered, "2024-01-05T02:00:00Z 2024-01-06T02:00:00Z"},
		{"the same without catchup", "0 2 * * *", "UTC", "", "", "", false, registered, "2024-01-05T02:00:00Z 2024-01-06T02:00:00Z"},
		{"registered as an interval starts", "0 10 * * *", "UTC", "", "", "", true, registered, "2024-01-05T10:00:00Z 2024-01-06T10:00:00Z"},
		{"in turn", "0 2 * * *", "UTC", "", "", "2024-01-05T02:00:00Z", true, "2024-01-20T00:00:00Z", "2024-01-06T02:00:00Z 2024-01-07T02:00:00Z"},
		{"catchup from the registration on", "0 2 * * *", "UTC", "", "", "", true, "2024-01-20T00:00:00Z", "2024-01-05T02:00:00Z 2024-01-06T02:00:00Z"},
		{"the latest missed one", "0 2 * * *", "UTC", "", "", "2024-01-05T02:00:00Z", false, "2024-01-20T00:00:00Z", "2024-01-18T02:00:00Z 2024-01-19T02:00:00Z"},
		{"as it falls due", "0 2 * * *", "UTC", "", "", "2024-01-05T02:00:00Z", false, "2024-01-08T02:00:00Z", "2024-01-07T02:00:00Z 2024-01-08T02:00:00Z"},
		{"none missed", "0 2 * * *", "UTC", "", "", "2024-01-07T02:00:00Z", false, "2024-01-08T02:00:00Z", "2024-01-08T02:00:00Z 2024-01-09T02:00:00Z"},
		{"after a change of the cron", "0 3 * * *", "UTC", "", "", "2024-01-07T02:00:00Z", true, "2024-01-08T02:00:00Z", "2024-01-07T03:00:00Z 2024-01-08T03:00:00Z"},
		{"a last run before the registration", "0 2 * * *", "UTC", "", "", "2023-01-07T02:00:00Z", true, registered, "2024-01-05T02:00:00Z 2024-01-06T02:00:00Z"},

		{"start date on an interval's start", "@daily", "UTC", "2024-01-01T00:00:00Z", "", "", true, registered, "2024-01-01T00:00:00Z 2024-01-02T00:00:00Z"},
		{"start date within an interval", "0 2 * * *", "UTC", "2024-01-01T10:00:00Z", "", "", true, registered, "2024-01-02T02:00:00Z 2024-01-03T02:00:00Z"},
		{"start date without catchup", "0 2 * * *", "UTC", "2024-01-01T00:00:00Z", "", "", false, registered, "2024-01-04T02:00:00Z 2024-01-05T02:00:00Z"},
		{"start date ahead", "0 2 * * *", "UTC", "2024-02-01T00:00:00Z", "", "", false, registered, "2024-02-01T02:00:00Z 2024-02-02T02:00:00Z"},
		{"start date moved past the last run", "@daily", "UTC", "2024-02-01T00:00:00Z", "", "2024-01-07T00:00:00Z", true, "2024-03-01T00:00:00Z", "2024-02-01T00:00:00Z 2024-02-02T00:00:00Z"},
		{"start date at midnight of the zone", "@daily", "Europe/Zurich", "2024-01-01T00:00:00+01:00", "", "", true, registered, "2023-12-31T23:00:00Z 2024-01-01T23:00:00Z"},
		{"end date included", "@daily", "UTC", "", "2024-01-07T00:00:00Z", "2024-01-06T00:00:00Z", true, "2024-01-20T00:00:00Z", "2024-01-07T00:00:00Z 2024-01-08T00:00:00Z"},
		{"end date passed", "@daily", "UTC", "", "2024-01-07T00:00:00Z", "2024-01-07T00:00:00Z", true, "2024-01-20T00:00:00Z", ""},

		{"once, at the registration", "@once", "UTC", "", "", "", false, registered, "2024-01-05T10:00:00Z 2024-01-05T10:00:00Z"},
		{"once, later", "@once", "UTC", "", "", "", false, "2024-01-20T00:00:00Z", "2024-01-05T10:00:00Z 2024-01-05T10:00:00Z"},
		{"once is once", "@once", "UTC", "", "", registered, true, "2024-01-20T00:00:00Z", ""},
		{"a fixed interval from the registration", "@every 36h", "UTC", "", "", "", true, registered, "2024-01-05T10:00:00Z 2024-01-06T22:00:00Z"},
		{"a fixed interval, the next", "@every 36h", "UTC", "", "", "2024-01-05T10:00:00Z", true, registered, "2024-01-06T22:00:00Z 2024-01-08T10:00:00Z"},
		{"no schedule", "", "UTC", "", "", "", true, registered, ""},
		{"across a gap", "0 3 * * *", "Europe/Zurich", "", "", "2024-03-30T02:00:00Z", true, registered, "2024-03-31T01:00:00Z 2024-04-01T01:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := Timeline{Timetable: parse(t, c.spec, c.zone), Registered: at(registered), Catchup: c.catchup}
			if c.start != "" {
				l.Start = at(c.start)
			}
			if c.end != "" {
				l.End = at(c.end)
			}
			var last *time.Time
			if c.last != "" {
				logical := at(c.last)
				last = &logical
			}
			if got := show(l.Next(last, at(c.now))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTimelineInstants(t *testing.T) {
	l := Timeline{Timetable: Instants(parse(t, "0 2 * * *", "UTC")), Registered: at("2024-01-05T10:00:00Z"), Catchup: true}
	now := at("2024-01-20T12:00:00Z")
	if got, want := show(l.Next(nil, now)), "2024-01-06T02:00:00Z 2024-01-06T02:00:00Z"; got != want {
		t.Errorf("first: %s, want %s", got, want)
	}
	l.Catchup = false
	if got, want := show(l.Next(nil, now)), "2024-01-20T02:00:00Z 2024-01-20T02:00:00Z"; got != want {
		t.Errorf("latest: %s, want %s", got, want)
	}
	l.Timetable = Instants(parse(t, "@every 24h", "UTC"))
	if got, want := show(l.Next(nil, now)), "2024-01-20T10:00:00Z 2024-01-20T10:00:00Z"; got != want {
		t.Errorf("anchored: %s, want %s", got, want)
	}
}

func TestTimelineLastComplete(t *testing.T) {
	for _, c := range []struct{ spec, by, want string }{
		{"0 2 * * *", "2024-01-09T02:00:00Z", "2024-01-08T02:00:00Z 2024-01-09T02:00:00Z"},
		{"0 2 * * *", "2024-01-09T01:59:59Z", "2024-01-07T02:00:00Z 2024-01-08T02:00:00Z"},
		{"0 2 * * *", "2023-06-01T00:00:00Z", "2023-05-30T02:00:00Z 2023-05-31T02:00:00Z"}, // before the registration
		{"@yearly", "2024-06-01T00:00:00Z", "2023-01-01T00:00:00Z 2024-01-01T00:00:00Z"},
		{"* 0 1 1 *", "2024-06-01T00:00:00Z", "2024-01-01T00:58:00Z 2024-01-01T00:59:00Z"},
		{"0 0 29 2 *", "2103-06-01T00:00:00Z", "2092-02-29T00:00:00Z 2096-02-29T00:00:00Z"},
		{"@every 1h", "2024-01-05T09:59:00Z", "2024-01-05T08:00:00Z 2024-01-05T09:00:00Z"},
		{"@once", "2024-01-05T09:59:00Z", ""},
		{"@once", "2024-01-05T10:00:00Z", "2024-01-05T10:00:00Z 2024-01-05T10:00:00Z"},
		{"", "2024-01-05T10:00:00Z", ""},
	} {
		l := Timeline{Timetable: parse(t, c.spec, "UTC"), Registered: at("2024-01-05T10:00:00Z")}
		if got := show(l.LastComplete(at(c.by))); got != c.want {
			t.Errorf("%s by %s: %q, want %q", c.spec, c.by, got, c.want)
		}
	}
}

func TestTimelineBetween(t *testing.T) {
	for _, c := range []struct {
		spec, zone, from, to string
		want                 string // days and hours in UTC
	}{
		{"0 2 * * *", "UTC", "2024-01-07", "2024-01-09", "07T02Z 08T02Z 09T02Z"},
		{"0 2 * * *", "UTC", "2024-01-07T02:00:00Z", "2024-01-09T02:00:00Z", "07T02Z 08T02Z 09T02Z"},
		{"0 2 * * *", "UTC", "2024-01-07T02:00:01Z", "2024-01-09T01:59:59Z", "08T02Z"},
		{"0 2 * * *", "Europe/Zurich", "2023-03-25", "2023-03-27", "25T01Z 26T01Z 27T00Z"},
		{"@daily", "Asia/Kolkata", "2024-01-07", "2024-01-08", "06T18:30Z 07T18:30Z"},
		{"@monthly", "UTC", "2024-01-02", "2024-01-31", ""},
		{"@every 24h", "UTC", "2024-01-03", "2024-01-04", "03T10Z 04T10Z"},
		{"@once", "UTC", "2024-01-05", "2024-01-05", "05T10Z"},
		{"", "UTC", "2024-01-05", "2024-01-05", ""},
	} {
		zone, err := LoadZone(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		from, to, err := ParseRange(c.from, c.to, zone)
		if err != nil {
			t.Fatal(err)
		}
		l := Timeline{Timetable: parse(t, c.spec, c.zone), Registered: at("2024-01-05T10:00:00Z")}
		all, err := l.Between(from, to)
		var got []string
		for _, iv := range all {
			got = append(got, strings.TrimSuffix(iv.Start.UTC().Format("02T15:04"), ":00")+"Z")
		}
		if strings.Join(got, " ") != c.want || err != nil {
			t.Errorf("%s in %s from %s to %s: %v, %v; want %s", c.spec, c.zone, c.from, c.to, got, err, c.want)
		}
	}
	l := Timeline{Timetable: parse(t, "@every 1s", "UTC"), Registered: at("2024-01-05T10:00:00Z")}
	_, err := l.Between(at("2024-01-01T00:00:00Z"), at("2024-02-01T00:00:00Z"))
	if invalid, ok := errors.AsType[*InvalidError](err); !ok || invalid.Field != "to_date" {
		t.Errorf("2.7 million dates: %v, want an InvalidError of to_date", err)
	}
}

// With catchup, runs created in turn are exactly those whose intervals ended since the registration, whatever the pauses
// between looks at the clock; without, never one that is older than the latest missed.
func TestTimelineCatchesUpExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := drawZone(t)
		spec := rapid.SampledFrom([]string{"@hourly", "0 2 * * *", "30 */3 * * *", "@every 100m", "0 12 * * 1-5"}).Draw(t, "spec")
		now := time.Unix(rapid.Int64Range(1e9, 2e9).Draw(t, "registered"), 0).UTC()
		l := Timeline{Timetable: parse(t, spec, zone.String()), Registered: now, Catchup: rapid.Bool().Draw(t, "catchup")}
		var created []Interval
		var last *time.Time
		for range 5 {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(60*time.Hour)).Draw(t, "pause")))
			before := len(created)
			for {
				iv, ok, err := l.Next(last, now)
				if err != nil {
					t.Fatal(err)
				}
				if !ok || iv.End.After(now) {
					break
				}
				created, last = append(created, iv), &iv.Start
			}
			if !l.Catchup && len(created) > before+1 {
				t.Fatalf("%d missed intervals were run at once", len(created)-before)
			}
			if newest, ok, err := l.LastComplete(now); err != nil {
				t.Fatal(err)
			} else if ok && newest.End.After(l.Registered) {
				if len(created) == 0 || created[len(created)-1] != newest {
					t.Fatalf("by %s, %v were run, not the latest %v", now, created, newest)
				}
			}
		}
		if !l.Catchup {
			return
		}
		for i, iv := range created {
			if !iv.End.After(l.Registered) || i == 0 && iv.Start.After(l.Registered) || i > 0 && iv.Start != created[i-1].End {
				t.Fatalf("registered at %s: %v", l.Registered, created)
			}
		}
	})
}

type nextFunc func(after time.Time) (Interval, bool)

func (f nextFunc) Next(after time.Time) (Interval, bool) { return f(after) }

// A timetable that somebody wrote may break its contract, or panic: that is an error of its DAG, whoever asks.
func TestTimelineOfABadTimetable(t *testing.T) {
	for name, c := range map[string]struct {
		table Timetable
		want  string
	}{
		"does not advance": {nextFunc(func(after time.Time) (Interval, bool) { return Interval{after, after}, true }), "must start after that"},
		"ends too early":   {nextFunc(func(after time.Time) (Interval, bool) { return Interval{after.Add(2), after.Add(1)}, true }), "not end before it starts"},
		"panics":           {nextFunc(func(time.Time) (Interval, bool) { panic("no holidays of 2025") }), "panics: no holidays of 2025"},
	} {
		now := at("2024-01-05T10:00:00Z")
		l := Timeline{Timetable: c.table, Registered: now}
		_, _, err1 := l.Next(nil, now)
		_, _, err2 := l.LastComplete(now)
		_, err3 := l.Between(now, now.Add(time.Hour))
		for _, err := range []error{err1, err2, err3} {
			if bad, ok := errors.AsType[*TimetableError](err); !ok || !strings.Contains(bad.Error(), c.want) || bad.Timetable != "engine.nextFunc" {
				t.Errorf("%s: %v, want a TimetableError with %q", name, err, c.want)
			}
		}
	}
}

func show(iv Interval, ok bool, err error) string {
	if err != nil {
		return err.Error()
	}
	if !ok {
		return ""
	}
	return iv.Start.UTC().Format(time.RFC3339) + " " + iv.End.UTC().Format(time.RFC3339)
}

func BenchmarkTimelineNext(b *testing.B) {
	l := Timeline{Timetable: parse(b, "0 2 * * *", "Europe/Zurich"), Registered: at("2024-01-05T10:00:00Z")}
	last, now := at("2024-06-01T00:00:00Z"), at("2024-06-02T12:00:00Z") // nothing missed: what the scheduler asks again and again
	for b.Loop() {
		_, _, _ = l.Next(&last, now)
	}
}
