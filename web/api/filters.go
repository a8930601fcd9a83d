package api

import (
	"strings"
	"time"
)

// TimeFilters are the bounds on times and durations that lists of runs and of task instances share.
type TimeFilters struct {
	LogicalGte  string   `query:"logical_date_gte"`
	LogicalGt   string   `query:"logical_date_gt"`
	LogicalLte  string   `query:"logical_date_lte"`
	LogicalLt   string   `query:"logical_date_lt"`
	AfterGte    string   `query:"run_after_gte"`
	AfterGt     string   `query:"run_after_gt"`
	AfterLte    string   `query:"run_after_lte"`
	AfterLt     string   `query:"run_after_lt"`
	StartGte    string   `query:"start_date_gte"`
	StartGt     string   `query:"start_date_gt"`
	StartLte    string   `query:"start_date_lte"`
	StartLt     string   `query:"start_date_lt"`
	EndGte      string   `query:"end_date_gte"`
	EndGt       string   `query:"end_date_gt"`
	EndLte      string   `query:"end_date_lte"`
	EndLt       string   `query:"end_date_lt"`
	DurationGte OptFloat `query:"duration_gte"`
	DurationGt  OptFloat `query:"duration_gt"`
	DurationLte OptFloat `query:"duration_lte"`
	DurationLt  OptFloat `query:"duration_lt"`
}

// timed is what the bounds look at.
type timed struct {
	Logical, After, Start, End *time.Time
	Duration                   *float64
}

// bound is one end of a range of times: nothing before (or after) at fits.
type bound struct {
	name  string
	text  string
	of    func(timed) *time.Time
	upper bool
	open  bool // at itself does not fit
}

func (f *TimeFilters) bounds() []bound {
	logical := func(t timed) *time.Time { return t.Logical }
	after := func(t timed) *time.Time { return t.After }
	start := func(t timed) *time.Time { return t.Start }
	end := func(t timed) *time.Time { return t.End }
	return []bound{
		{"logical_date_gte", f.LogicalGte, logical, false, false}, {"logical_date_gt", f.LogicalGt, logical, false, true},
		{"logical_date_lte", f.LogicalLte, logical, true, false}, {"logical_date_lt", f.LogicalLt, logical, true, true},
		{"run_after_gte", f.AfterGte, after, false, false}, {"run_after_gt", f.AfterGt, after, false, true},
		{"run_after_lte", f.AfterLte, after, true, false}, {"run_after_lt", f.AfterLt, after, true, true},
		{"start_date_gte", f.StartGte, start, false, false}, {"start_date_gt", f.StartGt, start, false, true},
		{"start_date_lte", f.StartLte, start, true, false}, {"start_date_lt", f.StartLt, start, true, true},
		{"end_date_gte", f.EndGte, end, false, false}, {"end_date_gt", f.EndGt, end, false, true},
		{"end_date_lte", f.EndLte, end, true, false}, {"end_date_lt", f.EndLt, end, true, true},
	}
}

// compile turns the bounds that are given into predicates. Those on the logical date come back apart as well, as a range
// with both ends included, which the store can look up.
func (f *TimeFilters) compile() (fits []func(timed) bool, from, to *time.Time, err error) {
	for _, b := range f.bounds() {
		if b.text == "" {
			continue
		}
		at, err := parseTime(b.text)
		if err != nil {
			return nil, nil, nil, invalid(err.Error(), b.text, "query", b.name)
		}
		if strings.HasPrefix(b.name, "logical_date") {
			from, to = narrow(from, to, at, b)
			continue
		}
		fits = append(fits, func(t timed) bool { return b.holds(b.of(t), at) })
	}
	for _, d := range []struct {
		o  OptFloat
		ok func(have, want float64) bool
	}{
		{f.DurationGte, func(h, w float64) bool { return h >= w }}, {f.DurationGt, func(h, w float64) bool { return h > w }},
		{f.DurationLte, func(h, w float64) bool { return h <= w }}, {f.DurationLt, func(h, w float64) bool { return h < w }},
	} {
		if d.o.Set {
			fits = append(fits, func(t timed) bool { return t.Duration != nil && d.ok(*t.Duration, d.o.Value) })
		}
	}
	return fits, from, to, nil
}

func (b bound) holds(t *time.Time, at time.Time) bool {
	if t == nil {
		return false
	}
	c := t.Compare(at)
	if b.upper {
		c = -c
	}
	return c > 0 || c == 0 && !b.open
}

// narrow applies a bound on the logical date to a range; the store keeps microseconds, so an open end is one beside it.
func narrow(from, to *time.Time, at time.Time, b bound) (*time.Time, *time.Time) {
	step := time.Duration(0)
	if b.open {
		step = time.Microsecond
	}
	if b.upper {
		at = at.Add(-step)
		if to == nil || at.Before(*to) {
			to = &at
		}
		return from, to
	}
	at = at.Add(step)
	if from == nil || at.After(*from) {
		from = &at
	}
	return from, to
}

func all(fits []func(timed) bool, t timed) bool {
	for _, f := range fits {
		if !f(t) {
			return false
		}
	}
	return true
}
