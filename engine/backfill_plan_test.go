package engine

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPlanBackfill(t *testing.T) {
	daily := daily(t)
	first, last, err := ParseRange("2024-01-03", "2024-01-09", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	intervals, err := daily.Between(first, last)
	if err != nil {
		t.Fatal(err)
	}
	runs := map[int]RunState{5: RunSuccess, 6: RunFailed, 7: RunRunning}
	existing := func(logical time.Time) (RunState, bool) {
		state, ok := runs[logical.Day()]
		return state, ok
	}
	const now = "2024-02-01T00:00:00Z"
	for _, c := range []struct {
		name string
		o    BackfillOrder
		now  string
		want []string // day, action, reason
	}{
		{"none: 4 runs", BackfillOrder{Reprocess: ReprocessNone}, now, []string{
			"3 create", "4 create", "5 leave already exists", "6 leave already exists", "7 leave in flight", "8 create", "9 create"}},
		{"failed: 5 runs", BackfillOrder{Reprocess: ReprocessFailed}, now, []string{
			"3 create", "4 create", "5 leave already exists", "6 clear", "7 leave in flight", "8 create", "9 create"}},
		{"completed: 6 runs", BackfillOrder{Reprocess: ReprocessCompleted}, now, []string{
			"3 create", "4 create", "5 clear", "6 clear", "7 leave in flight", "8 create", "9 create"}},
		{"backwards", BackfillOrder{Reprocess: ReprocessFailed, Backwards: true}, now, []string{
			"9 create", "8 create", "7 leave in flight", "6 clear", "5 leave already exists", "4 create", "3 create"}},
		{"an interval that has not ended", BackfillOrder{Reprocess: ReprocessNone}, "2024-01-09T00:00:00Z", []string{
			"3 create", "4 create", "5 leave already exists", "6 leave already exists", "7 leave in flight", "8 create", "9 leave not complete"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, step := range PlanBackfill(intervals, existing, c.o, at(c.now)) {
				got = append(got, strings.TrimSpace(fmt.Sprintf("%d %s %s", step.Interval.Start.Day(), step.Action, step.Reason)))
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	// Each direction does the same with every date.
	forwards := PlanBackfill(intervals, existing, BackfillOrder{Reprocess: ReprocessNone}, at(now))
	backwards := PlanBackfill(intervals, existing, BackfillOrder{Reprocess: ReprocessNone, Backwards: true}, at(now))
	slices.Reverse(backwards)
	if !reflect.DeepEqual(forwards, backwards) {
		t.Errorf("backwards differs: %v, forwards %v", backwards, forwards)
	}
}

func TestBackfillOrderCheck(t *testing.T) {
	daily, now := daily(t), at("2024-01-10T00:00:00Z")
	good := BackfillOrder{
		BackfillRange: BackfillRange{at("2024-01-03T00:00:00Z"), at("2024-01-09T00:00:00Z")},
		MaxActiveRuns: 10, Reprocess: ReprocessNone,
	}
	for _, c := range []struct {
		name          string
		change        func(*BackfillOrder)
		timeline      Timeline
		dependsOnPast bool
		field         string // "": fine
	}{
		{"fine", func(*BackfillOrder) {}, daily, false, ""},
		{"depends on past", func(*BackfillOrder) {}, daily, true, ""},
		{"backwards", func(o *BackfillOrder) { o.Backwards = true }, daily, false, ""},
		{"partly in the future", func(o *BackfillOrder) { o.To = now.AddDate(1, 0, 0) }, daily, false, ""},
		{"no schedule", func(*BackfillOrder) {}, Timeline{}, false, "dag_id"},
		{"from after to", func(o *BackfillOrder) { o.From = o.To.Add(1) }, daily, false, "from_date"},
		{"in the future", func(o *BackfillOrder) { o.From, o.To = now.Add(1), now.Add(2) }, daily, false, "from_date"},
		{"no active runs", func(o *BackfillOrder) { o.MaxActiveRuns = 0 }, daily, false, "max_active_runs"},
		{"unknown reprocess", func(o *BackfillOrder) { o.Reprocess = "all" }, daily, false, "reprocess_behavior"},
		{"backwards, depends on past", func(o *BackfillOrder) { o.Backwards = true }, daily, true, "run_backwards"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := good
			c.change(&o)
			err := o.Check(c.timeline, c.dependsOnPast, now)
			invalid, _ := errors.AsType[*InvalidError](err)
			if c.field == "" && err != nil || c.field != "" && (invalid == nil || invalid.Field != c.field) {
				t.Errorf("%v, want field %q", err, c.field)
			}
		})
	}
}

func TestBackfillOverlap(t *testing.T) {
	open := map[int64]BackfillRange{7: {at("2024-01-03T00:00:00Z"), at("2024-01-09T23:59:59.999999Z")}}
	for _, c := range []struct {
		from, to string
		conflict bool
	}{
		{"2024-01-01", "2024-01-02", false},
		{"2024-01-10", "2024-01-12", false},
		{"2024-01-01", "2024-01-03", true},
		{"2024-01-09", "2024-01-12", true},
		{"2024-01-05", "2024-01-05", true},
		{"2024-01-01", "2024-01-12", true},
	} {
		from, to, err := ParseRange(c.from, c.to, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		err = BackfillOrder{BackfillRange: BackfillRange{from, to}}.CheckOverlap(open)
		if errors.Is(err, ErrConflict) != c.conflict || c.conflict && !strings.Contains(err.Error(), "backfill 7") {
			t.Errorf("%s to %s: %v, want conflict: %v", c.from, c.to, err, c.conflict)
		}
	}
}

func daily(t *testing.T) Timeline {
	t.Helper()
	timetable, err := ParseSchedule("@daily", "UTC")
	if err != nil {
		t.Fatal(err)
	}
	return Timeline{Timetable: timetable, Registered: at("2024-01-05T10:00:00Z")}
}
