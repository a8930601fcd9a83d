package payment

import (
	"errors"
	"time"
)

var (
	errTimeForm  = errors.New("is not a time with offset such as 2024-01-05T10:15:30.123456Z")
	errTimeField = errors.New("has a month, day, hour, minute, second or offset that does not exist")
	errTimeRange = errors.New("does not lie between 1970-01-01 and 9999-12-31 in UTC")
)

// maxTime is the last microsecond of 9999-12-31 UTC.
var maxTime = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC).UnixMicro()

// ParseTime reads a time of the contract: `2024-01-05T10:15:30`, then optionally a point and 1 to 9 decimals, then `Z`
// or an offset such as `+05:30`. T and Z may be in lower case; second 60 and hour 24 do not exist. Decimals after the
// sixth are cut. It returns microseconds since 1970-01-01 UTC, between 0 and the end of the year 9999.
func ParseTime(text string) (int64, error) {
	const base = len("2024-01-05T10:15:30")
	if len(text) <= base || text[4] != '-' || text[7] != '-' || text[10]|0x20 != 't' || text[13] != ':' || text[16] != ':' {
		return 0, errTimeForm
	}
	century, ok1 := twoDigits(text, 0)
	years, ok2 := twoDigits(text, 2)
	month, ok3 := twoDigits(text, 5)
	day, ok4 := twoDigits(text, 8)
	hour, ok5 := twoDigits(text, 11)
	minute, ok6 := twoDigits(text, 14)
	second, ok7 := twoDigits(text, 17)
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6 && ok7) {
		return 0, errTimeForm
	}
	micros, rest, ok := parseFraction(text[base:])
	if !ok {
		return 0, errTimeForm
	}
	offset, err := parseOffset(rest)
	if err != nil {
		return 0, err
	}
	year := century*100 + years
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return 0, errTimeField
	}
	seconds := int64(daysSince1970(year, month, day))*86400 + int64(hour*3600+minute*60+second) - int64(offset)*60
	at := seconds*1_000_000 + int64(micros)
	if at < 0 || at > maxTime {
		return 0, errTimeRange
	}
	return at, nil
}

// parseFraction reads an optional point with 1 to 9 decimals and returns them as microseconds, cut, with the text that
// follows.
func parseFraction(text string) (micros int, rest string, ok bool) {
	if text[0] != '.' {
		return 0, text, true
	}
	end, scale := 1, 100_000
	for end < len(text) && text[end] >= '0' && text[end] <= '9' {
		micros += int(text[end]-'0') * scale
		scale /= 10
		end++
	}
	return micros, text[end:], end > 1 && end <= 10
}

// parseOffset reads Z or an offset such as -05:30 and returns it in minutes.
func parseOffset(text string) (minutes int, err error) {
	if text == "Z" || text == "z" {
		return 0, nil
	}
	if len(text) != len("+05:30") || text[3] != ':' || text[0] != '+' && text[0] != '-' {
		return 0, errTimeForm
	}
	h, ok1 := twoDigits(text, 1)
	m, ok2 := twoDigits(text, 4)
	if !ok1 || !ok2 {
		return 0, errTimeForm
	}
	if h > 23 || m > 59 {
		return 0, errTimeField
	}
	if text[0] == '-' {
		return -(h*60 + m), nil
	}
	return h*60 + m, nil
}

func twoDigits(text string, at int) (int, bool) {
	tens, ones := text[at]-'0', text[at+1]-'0'
	return int(tens)*10 + int(ones), tens <= 9 && ones <= 9
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysSince1970 counts the days of the Gregorian calendar. It takes the year as beginning in March, so that the leap
// day is its last; 719,468 is the number of days from March of year 0 to 1970.
func daysSince1970(year, month, day int) int {
	if month <= 2 {
		year--
		month += 12
	}
	era, yearOfEra := year/400, year%400
	if year < 0 {
		era, yearOfEra = -1, year+400
	}
	dayOfYear := (153*(month-3)+2)/5 + day - 1
	return era*146_097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719_468
}
