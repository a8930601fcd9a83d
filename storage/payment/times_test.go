package payment

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseTime(t *testing.T) {
	for text, want := range map[string]string{
		"1970-01-01T00:00:00Z":              "1970-01-01T00:00:00Z",
		"9999-12-31T23:59:59.999999999Z":    "9999-12-31T23:59:59.999999Z",
		"9999-12-31T23:59:59.999999Z":       "9999-12-31T23:59:59.999999Z",
		"2024-01-01T05:33:29.756+05:30":     "2024-01-01T00:03:29.756Z",
		"2024-01-01t05:33:29z":              "2024-01-01T05:33:29Z",
		"2024-02-29T23:59:59.1234569-00:00": "2024-02-29T23:59:59.123456Z",
		"2000-02-29T00:00:00Z":              "2000-02-29T00:00:00Z",
		"1970-01-01T00:30:00+00:30":         "1970-01-01T00:00:00Z",
		"1969-12-31T23:30:00-01:00":         "1970-01-01T00:30:00Z",
		"2024-12-31T23:59:59-23:59":         "2025-01-01T23:58:59Z",
		"2024-01-01T00:00:00+23:59":         "2023-12-31T00:01:00Z",
		"2024-01-01T00:00:00.000000999Z":    "2024-01-01T00:00:00Z",
		"2024-03-01T00:00:00.5+00:00":       "2024-03-01T00:00:00.5Z",
		"9999-12-31T00:00:00.000001-23:59":  "9999-12-31T23:59:00.000001Z",
		"1972-06-30T23:59:59Z":              "1972-06-30T23:59:59Z",
	} {
		got, err := ParseTime(text)
		if stamp := time.UnixMicro(got).UTC().Format(time.RFC3339Nano); err != nil || stamp != want {
			t.Errorf("%s: %s, %v; want %s", text, stamp, err, want)
		}
	}
	for text, want := range map[string]error{
		"":                                errTimeForm,
		"2024-01-01":                      errTimeForm,
		"2024-01-01T00:00:00":             errTimeForm,
		"2024-01-01 00:00:00Z":            errTimeForm,
		"2024-01-01T5:00:00Z":             errTimeForm,
		"2024-01-01T00:00Z":               errTimeForm,
		"2024-01-01T00:00:00.Z":           errTimeForm,
		"2024-01-01T00:00:00.1234567890Z": errTimeForm,
		"2024-01-01T00:00:00,5Z":          errTimeForm,
		"2024-01-01T00:00:00+0530":        errTimeForm,
		"2024-01-01T00:00:00+05":          errTimeForm,
		"2024-01-01T00:00:00+5:30":        errTimeForm,
		"2024-01-01T00:00:00 +05:30":      errTimeForm,
		"2024-01-01T00:00:00Z ":           errTimeForm,
		"2024-01-01T00:00:00Z\n":          errTimeForm,
		" 2024-01-01T00:00:00Z":           errTimeForm,
		"+2024-01-01T00:00:00Z":           errTimeForm,
		"10000-01-01T00:00:00Z":           errTimeForm,
		"2024/01/01T00:00:00Z":            errTimeForm,
		"2024-01-01\x14" + "00:00:00Z":    errTimeForm,
		"2024-01-01T00:00:0٣Z":            errTimeForm,
		"2024-01-01T00:00:00\x1a":         errTimeForm,
		"2024-01-01T00:00:00+:0:00":       errTimeForm,
		"2024-01-01T00:00:00+24:00":       errTimeField,
		"2024-01-01T00:00:00+05:60":       errTimeField,
		"2024-01-01T24:00:00Z":            errTimeField,
		"2024-01-01T00:60:00Z":            errTimeField,
		"2016-12-31T23:59:60Z":            errTimeField,
		"2024-00-01T00:00:00Z":            errTimeField,
		"2024-13-01T00:00:00Z":            errTimeField,
		"2024-01-00T00:00:00Z":            errTimeField,
		"2024-01-32T00:00:00Z":            errTimeField,
		"2023-02-29T00:00:00Z":            errTimeField,
		"1900-02-29T00:00:00Z":            errTimeField,
		"2024-04-31T00:00:00Z":            errTimeField,
		"1969-12-31T23:59:59.999999Z":     errTimeRange,
		"1970-01-01T00:00:00+00:01":       errTimeRange,
		"9999-12-31T23:59:59-00:01":       errTimeRange,
		"0000-01-01T00:00:00Z":            errTimeRange,
		"0001-01-01T00:00:00Z":            errTimeRange,
	} {
		if got, err := ParseTime(text); err != want {
			t.Errorf("%q: %d, error %v; want %v", text, got, err, want)
		}
	}
}

func TestTimesAgreeWithTheStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Int64Range(0, maxTime-24*time.Hour.Microseconds()).Draw(t, "microseconds")
		zone := time.FixedZone("", 60*rapid.IntRange(-23*60-59, 23*60+59).Draw(t, "offset in minutes"))
		local := time.UnixMicro(micros).In(zone)
		text := local.Format("2006-01-02T15:04:05.999999Z07:00")
		if got, err := ParseTime(text); got != micros || err != nil {
			t.Fatalf("%s: %d, %v; want %d", text, got, err, micros)
		}
	})
}
