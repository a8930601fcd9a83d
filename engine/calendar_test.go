package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// daily is a DAG of one task that succeeds, due at 02:00.
func daily(opts ...engine.DAGOption) dag {
	d := engine.New[engine.NoParams]("daily", append(opts, engine.Schedule("0 2 * * *", "UTC"))...)
	engine.Sink(d.Run(), "work", func(context.Context, run) error { return nil })
	return d
}

// rest waits until the scheduler has gone round twice more: what it was to do it has done.
func rest(t *testing.T, store engine.Store, r *engine.Runtime) {
	t.Helper()
	for range 2 {
		over(t, r, triggered(t, r, "probe"))
	}
}

func probe() dag {
	d := engine.New[engine.NoParams]("probe")
	engine.Sink(d.Run(), "work", func(context.Context, run) error { return nil })
	return d
}

// scheduled lists the runs of daily by their type's first letter and the day of their logical date: "s05 s06 b07".
func scheduled(t *testing.T, store engine.Store) string {
	t.Helper()
	rows, _, err := store.Runs(t.Context(), engine.RunFilter{DAGs: []string{"daily"}, OrderBy: "logical", Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range rows {
		out = append(out, string(r.Type[0])+r.Logical.Format("02"))
	}
	return strings.Join(out, " ")
}

// First registered on the 5th at 10:00, due at 02:00: the first logical date is the 5th, due on the 6th at 02:00.
func TestScheduleBeginsAtRegistration(t *testing.T) {
	store, clock := dated(t, "2024-01-05T10:00")
	r := running(t, store, nil, daily(engine.Catchup()), probe())
	clock.Set(day("2024-01-06T01:59:59"))
	rest(t, store, r)
	if got := scheduled(t, store); got != "" {
		t.Errorf("before 02:00 there are runs: %s", got)
	}
	clock.Set(day("2024-01-06T02:00"))
	eventually(t, "the first run", func() bool { return scheduled(t, store) == "s05" })
	row, err := store.RunByID(t.Context(), "daily", "scheduled__2024-01-05T02:00:00+00:00")
	if err != nil || !row.End.Equal(day("2024-01-06T02:00")) {
		t.Errorf("the run is %+v (%v)", row, err)
	}
}

func TestMissedRuns(t *testing.T) {
	for _, c := range []struct {
		name string
		opts []engine.DAGOption
		want string
	}{
		{"with catchup all", []engine.DAGOption{engine.Catchup()}, "s05 s06 s07 s08"},
		{"without it the latest", nil, "s08"},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, clock := dated(t, "2024-01-05T10:00")
			_, stop := started(t, store, compiled(t, daily(c.opts...), probe()), nil)
			stop()
			clock.Set(day("2024-01-09T12:00"))
			catalog := compiled(t, daily(c.opts...), probe())
			started(t, store, catalog, nil)
			r, _ := started(t, store, catalog, nil) // two schedulers make no run twice
			eventually(t, "the runs", func() bool { return scheduled(t, store) == c.want })
			rest(t, store, r)
			if got := scheduled(t, store); got != c.want {
				t.Errorf("runs %s, want %s", got, c.want)
			}
		})
	}
}

func TestPausedDAGStartsNothing(t *testing.T) {
	store, clock := dated(t, "2024-01-05T10:00")
	r := running(t, store, nil, daily(), probe())
	if err := r.Control().SetPaused(t.Context(), "daily", true, "test"); err != nil {
		t.Fatal(err)
	}
	clock.Set(day("2024-01-07T12:00"))
	row, err := r.Control().Trigger(t.Context(), engine.TriggerRequest{DAG: "daily", RunID: "mine"})
	if err != nil {
		t.Fatal(err)
	}
	rest(t, store, r)
	if v := seen(t, store, row); v.Run.State != engine.RunQueued || v.Tasks[0].Reason != "the DAG is paused" {
		t.Errorf("a run of the paused DAG is %s: %s", v.Run.State, v.Tasks[0].Reason)
	}
	if err := r.Control().SetPaused(t.Context(), "daily", false, "test"); err != nil {
		t.Fatal(err)
	}
	over(t, r, row)
	eventually(t, "the latest missed run", func() bool {
		_, err := store.RunByID(t.Context(), "daily", "scheduled__2024-01-06T02:00:00+00:00")
		return err == nil
	})
}

// Dates that were backfilled are passed by, however many.
func TestScheduleGoesOnPastBackfilledDates(t *testing.T) {
	store, clock := dated(t, "2024-01-05T10:00")
	catalog := compiled(t, daily(engine.Catchup()), probe())
	_, stop := started(t, store, catalog, nil)
	stop()
	var runs []engine.NewRun
	for i := range 120 {
		at := day("2024-01-05T02:00").AddDate(0, 0, i)
		runs = append(runs, engine.NewRun{DAG: "daily", RunID: fmt.Sprint("b", i), Type: engine.BackfillRun, Logical: &at})
	}
	if _, err := store.CreateRuns(t.Context(), runs); err != nil {
		t.Fatal(err)
	}
	clock.Set(day("2024-01-05T03:00").AddDate(0, 0, 122))
	started(t, store, catalog, nil)
	eventually(t, "the two dates without a run", func() bool {
		_, n, err := store.Runs(t.Context(), engine.RunFilter{Types: []engine.RunType{engine.ScheduledRun}, Limit: 10})
		return err == nil && n == 2
	})
}

// A process whose version of a DAG is not the latest start's does not schedule it.
func TestOldVersionDoesNotSchedule(t *testing.T) {
	store, clock := dated(t, "2024-01-05T10:00")
	old := running(t, store, nil, daily(), probe())
	hourly := engine.New[engine.NoParams]("daily", engine.Schedule("0 12 * * *", "UTC"))
	engine.Sink(hourly.Run(), "work", func(context.Context, run) error { return nil })
	_, stop := started(t, store, compiled(t, hourly), nil)
	stop()
	clock.Set(day("2024-01-06T02:30"))
	rest(t, store, old)
	if got := scheduled(t, store); got != "" {
		t.Errorf("the old version scheduled %s", got)
	}
}

func TestDeadlineIsToldOnce(t *testing.T) {
	c, release := &calls{}, make(chan struct{})
	d := engine.New[engine.NoParams]("d", engine.Deadline(time.Hour), engine.OnDeadline(c.call))
	engine.Sink(d.Run(), "slow", func(context.Context, run) error { <-release; return nil })
	store, clock := dated(t, "2024-01-05T10:00")
	r := running(t, store, nil, d)
	row := triggered(t, r, "d")
	clock.Set(day("2024-01-05T11:00"))
	eventually(t, "the deadline is told", func() bool { return len(c.seen()) == 1 })
	close(release)
	if v := over(t, r, row); v.Run.State != engine.RunSuccess {
		t.Errorf("the deadline made the run %s", v.Run.State)
	}
	if n := len(c.seen()); n != 1 {
		t.Errorf("it was told %d times", n)
	}
}

func TestTrigger(t *testing.T) {
	type params struct {
		Day   string `json:"day"`
		Limit int    `json:"limit"`
	}
	d := engine.New[params]("d")
	engine.After(d.Run(), "task", func(_ context.Context, r engine.Run[params]) (string, error) { return r.Params.Day, nil })
	store := memory()
	r := running(t, store, nil, d)
	c := r.Control()
	for _, bad := range []struct{ params, field, says string }{
		{`{"dya":"x"}`, "params.dya", "it has day, limit"},
		{`{"limit":"many"}`, "params.limit", "is a JSON string; it must fit int"},
		{`[1]`, "params", "is a JSON array"},
		{`{"Day":"x"}`, "params.Day", "it has day, limit"},
		{`{"day":"x","day":"y"}`, "params.day", "given twice"},
		{`{} {}`, "params", "one JSON object"},
		{`{`, "params", "EOF"},
	} {
		var invalid *engine.InvalidError
		if _, err := c.Trigger(t.Context(), engine.TriggerRequest{DAG: "d", Params: []byte(bad.params)}); !errors.As(err, &invalid) || invalid.Field != bad.field || !strings.Contains(invalid.Message, bad.says) {
			t.Errorf("%s: %v", bad.params, err)
		}
	}
	if _, err := c.Trigger(t.Context(), engine.TriggerRequest{DAG: "e"}); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("unknown DAG: %v", err)
	}
	at := day("2024-01-05")
	row, err := c.Trigger(t.Context(), engine.TriggerRequest{DAG: "d", RunID: "mine", Logical: &at, Params: []byte(`{"day":"monday"}`)})
	if err != nil {
		t.Fatal(err)
	}
	for name, again := range map[string]engine.TriggerRequest{"id": {DAG: "d", RunID: "mine"}, "logical date": {DAG: "d", RunID: "other", Logical: &at}} {
		if _, err := c.Trigger(t.Context(), again); !errors.Is(err, engine.ErrConflict) {
			t.Errorf("the same %s again: %v", name, err)
		}
	}
	over(t, r, row)
	if got := output(t, store, row, "task"); got != `"monday"` {
		t.Errorf("the task read %s", got)
	}
}

// upTo is a timetable of days until its calendar ends, where it panics.
type upTo struct{ last time.Time }

func (u upTo) Next(after time.Time) (engine.Interval, bool) {
	start := after.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	if start.After(u.last) {
		panic("the calendar has no day after " + u.last.Format(time.DateOnly))
	}
	return engine.Interval{Start: start, End: start.AddDate(0, 0, 1)}, true
}

// What is due before the timetable fails is made, and no other DAG waits for it.
func TestABadTimetableHoldsUpNobodyElse(t *testing.T) {
	store, clock := dated(t, "2024-01-05T10:00")
	bad := engine.New[engine.NoParams]("ends", engine.Catchup(), engine.StartDate(day("2024-01-05T00:00")), engine.OnTimetable(upTo{day("2024-01-07T00:00")}, "until the 7th", "UTC"))
	engine.Sink(bad.Run(), "work", func(context.Context, run) error { return nil })
	r := running(t, store, nil, bad, daily(engine.Catchup()), probe())
	clock.Set(day("2024-01-10T12:00"))
	eventually(t, "the runs of the other", func() bool { return scheduled(t, store) == "s05 s06 s07 s08 s09" })
	eventually(t, "the days that the calendar has", func() bool {
		rows, _, err := store.Runs(t.Context(), engine.RunFilter{DAGs: []string{"ends"}, Limit: 10})
		return err == nil && len(rows) == 3
	})
	rest(t, store, r)
}
