package engine

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseRange(t *testing.T) {
	for _, c := range []struct {
		from, to, zone string
		first, last    string // RFC 3339
		field          string // of the error
	}{
		{"2024-01-03", "2024-01-09", "UTC", "2024-01-03T00:00:00Z", "2024-01-09T23:59:59.999999Z", ""},
		{"2024-01-03", "2024-01-03", "Europe/Zurich", "2024-01-02T23:00:00Z", "2024-01-03T22:59:59.999999Z", ""},
		{"2024-01-03T02:00:00Z", "2024-01-09T02:00:00+01:00", "UTC", "2024-01-03T02:00:00Z", "2024-01-09T01:00:00Z", ""},
		{"2024-01-03T02:00:00", "2024-01-03 03:30", "Asia/Kolkata", "2024-01-02T20:30:00Z", "2024-01-02T22:00:00Z", ""},
		{"2023-03-26", "2023-03-26", "Europe/Zurich", "2023-03-25T23:00:00Z", "2023-03-26T21:59:59.999999Z", ""},     // 23 hours
		{"2023-10-29", "2023-10-29", "Europe/Zurich", "2023-10-28T22:00:00Z", "2023-10-29T22:59:59.999999Z", ""},     // 25 hours
		{"2018-11-04", "2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-05T01:59:59.999999Z", ""}, // no midnight
		{"2024-01-09", "2024-01-03", "UTC", "", "", "from_date"},
		{"2024-02-30", "2024-03-03", "UTC", "", "", "from_date"},
		{"2024-01-09", "tomorrow", "UTC", "", "", "to_date"},
		{"", "2024-01-09", "UTC", "", "", "from_date"},
	} {
		zone, err := LoadZone(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		first, last, err := ParseRange(c.from, c.to, zone)
		if c.field != "" {
			if invalid, ok := errors.AsType[*InvalidError](err); !ok || invalid.Field != c.field {
				t.Errorf("%s to %s: %v, want an InvalidError of %s", c.from, c.to, err, c.field)
			}
			continue
		}
		if err != nil || !first.Equal(at(c.first)) || !last.Equal(at(c.last)) {
			t.Errorf("%s to %s in %s: %s to %s, %v; want %s to %s", c.from, c.to, c.zone, first, last, err, c.first, c.last)
		}
	}
}

func TestDayOf(t *testing.T) {
	for _, c := range []struct{ logical, zone, want string }{
		{"2024-01-08T23:30:00Z", "Europe/Zurich", "2024-01-09"},
		{"2024-01-08T02:00:00Z", "America/New_York", "2024-01-07"},
		{"2024-01-08T18:30:00Z", "Asia/Kolkata", "2024-01-09"},
		{"2024-01-08T02:00:00Z", "", "2024-01-08"},
	} {
		zone, err := LoadZone(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		if got := DayOf(at(c.logical), zone); got != c.want {
			t.Errorf("DayOf(%s, %s) = %s, want %s", c.logical, c.zone, got, c.want)
		}
	}
}

// Days follow one another without a hole, and each moment lies in its own.
func TestDaysTileTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := drawZone(t)
		moment := time.Unix(rapid.Int64Range(1e9, 2e9).Draw(t, "moment"), 0)
		start, end := DayBounds(moment, zone)
		if moment.Before(start) || !moment.Before(end) {
			t.Fatalf("%s is not in its day [%s, %s)", moment.In(zone), start.In(zone), end.In(zone))
		}
		if next, _ := DayBounds(end, zone); !next.Equal(end) {
			t.Fatalf("the day that ends at %s is followed by one that starts at %s", end.In(zone), next.In(zone))
		}
	})
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

func drawZone(t *rapid.T) *time.Location {
	zone, err := LoadZone(rapid.SampledFrom(testZones).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// testZones change their clocks in every way that zones do: not at all, by an hour, by half an hour, at midnight, in the
// other hemisphere, several times a year.
var testZones = []string{
	"UTC", "Europe/Zurich", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo",
	"Africa/Cairo", "Asia/Beirut", "America/Santiago", "Africa/Casablanca", "America/St_Johns", "Asia/Kathmandu", "Pacific/Auckland",
}
