package goldref

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"time"
)

// fields reads the known fields of one object and keeps the first thing that is wrong.
type fields struct {
	raw map[string]json.RawMessage
	err error
}

func (f *fields) fail(name, why string) {
	if f.err == nil {
		f.err = fmt.Errorf("%s: %s", name, why)
	}
}

// get returns a field that is there and not null.
func (f *fields) get(name string) (json.RawMessage, bool) {
	raw, ok := f.raw[name]
	return raw, ok && string(raw) != "null"
}

func (f *fields) decode(name string, raw json.RawMessage, into any) {
	if err := json.Unmarshal(raw, into); err != nil {
		f.fail(name, err.Error())
	}
}

func (f *fields) optional(name string) *string {
	raw, ok := f.get(name)
	if !ok {
		return nil
	}
	text := new(string)
	f.decode(name, raw, text)
	return text
}

// match returns a required string if it matches.
func (f *fields) match(name string, pattern *regexp.Regexp) string {
	text := f.optional(name)
	if text == nil {
		f.fail(name, "missing")
		return ""
	}
	if !pattern.MatchString(*text) {
		f.fail(name, "does not match "+pattern.String())
	}
	return *text
}

var timeParts = regexp.MustCompile(`^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$`)

func (f *fields) time(name string) Micros {
	text := f.match(name, timeParts)
	part := timeParts.FindStringSubmatch(text)
	if part == nil {
		return 0
	}
	n := make([]int, len(part))
	for i := range part {
		n[i], _ = strconv.Atoi(part[i]) // what is no number is not used as one
	}
	local := time.Date(n[1], time.Month(n[2]), n[3], n[4], n[5], n[6], 0, time.UTC)
	if local.Format("2006-01-02T15:04:05") != fmt.Sprintf("%s-%s-%sT%s:%s:%s", part[1], part[2], part[3], part[4], part[5], part[6]) ||
		n[9] > 23 || n[10] > 59 {
		f.fail(name, "no such time")
		return 0
	}
	offset := time.Duration(n[9])*time.Hour + time.Duration(n[10])*time.Minute
	if part[8] == "-" {
		offset = -offset
	}
	micros, _ := strconv.Atoi((part[7] + "000000")[:6])
	at := local.Add(-offset).Add(time.Duration(micros) * time.Microsecond)
	if at.Year() < 1970 || at.Year() > 9999 {
		f.fail(name, "not between 1970 and 9999")
	}
	return Micros(at.UnixMicro())
}

var (
	amountText = regexp.MustCompile(`^[0-9]{1,16}(\.[0-9]{1,2}0*)?$`)
	exponent   = regexp.MustCompile(`[eE](.*)$`)
	tooMuch    = new(big.Rat).SetInt64(10_000_000_000_000_000)
)

// amount returns hundredths.
func (f *fields) amount(name string) int64 {
	raw, ok := f.get(name)
	if !ok {
		f.fail(name, "missing")
		return 0
	}
	text := string(raw)
	if raw[0] == '"' {
		f.decode(name, raw, &text)
		if !amountText.MatchString(text) {
			f.fail(name, "does not match "+amountText.String())
			return 0
		}
	} else if e := exponent.FindStringSubmatch(text); e != nil {
		n, ok := new(big.Int).SetString(e[1], 10)
		if !ok || n.CmpAbs(big.NewInt(40)) > 0 {
			f.fail(name, "exponent beyond 40")
			return 0
		}
	}
	exact, ok := new(big.Rat).SetString(text)
	if !ok {
		f.fail(name, "not a number")
		return 0
	}
	hundredths := new(big.Rat).Mul(exact, big.NewRat(100, 1))
	if exact.Sign() < 0 || exact.Cmp(tooMuch) >= 0 || !hundredths.IsInt() {
		f.fail(name, "negative, too large or with a third decimal")
		return 0
	}
	return hundredths.Num().Int64()
}
