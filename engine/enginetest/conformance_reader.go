package enginetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
)

var readerCases = []conformanceCase{
	{"runs that fit all of a filter", runsFilter},
	{"runs in the order asked for", runsOrder},
	{"runs page by page, and how many in all", runsPages},
	{"an order that there is not is refused", func(f *fixture) {
		f.running("d")
		for _, by := range []string{"color", "id; DROP TABLE runs", "-", "logical_date"} {
			if _, _, err := f.Runs(f.ctx, engine.RunFilter{OrderBy: by}); err == nil {
				f.Errorf("order by %q was taken", by)
			}
		}
	}},
	{"runs come with their states", func(f *fixture) {
		run := f.running("d")
		f.change(engine.RunChange{Key: run, States: []byte{9, 0}})
		rows, _, err := f.Runs(f.ctx, engine.RunFilter{})
		f.ok(err)
		equal(f, "of Runs", rows[0].States, []byte{9, 0})
		equal(f, "of RunsByKey", f.row(run).States, []byte{9, 0})
		equal(f, "of RunByID", got[engine.RunRow](f)(f.RunByID(f.ctx, "d", rows[0].RunID)).States, []byte{9, 0})
	}},
	{"runs by key are those that there are", func(f *fixture) {
		a := f.running("d")
		b := f.run("d")
		var keys []int64
		for _, r := range got[[]engine.RunRow](f)(f.RunsByKey(f.ctx, []int64{b, a, b + 1000})) {
			keys = append(keys, r.Key)
		}
		slices.Sort(keys)
		equal(f, "keys", keys, []int64{a, b})
		equal(f, "of none", len(got[[]engine.RunRow](f)(f.RunsByKey(f.ctx, nil))), 0)
	}},
	{"queue and timers are those of the runs given", func(f *fixture) {
		a := f.running("d")
		b, c := f.run("d"), f.run("d")
		for _, r := range []int64{a, b, c} {
			f.enqueue("d", r, "t")
			f.change(engine.RunChange{Key: r, Timers: []engine.Timer{retryOf(r, "t", f.future())}})
		}
		var queued, timed []int64
		for _, q := range got[[]engine.QueueRow](f)(f.Queue(f.ctx, []int64{a, c})) {
			queued = append(queued, q.Run)
		}
		for _, t := range got[[]engine.Timer](f)(f.Timers(f.ctx, []int64{a, c})) {
			timed = append(timed, t.Run)
		}
		slices.Sort(queued)
		slices.Sort(timed)
		equal(f, "queue", queued, []int64{a, c})
		equal(f, "timers", timed, []int64{a, c})
	}},
	{"the store's clock goes on", func(f *fixture) {
		before := f.now()
		f.running("d")
		if after := f.now(); !after.After(before) {
			f.Errorf("the clock stands at %s", after)
		}
	}},
}

// filterRuns makes six runs of two DAGs, named "1" to "6", in all states and of all types.
func filterRuns(f *fixture) {
	f.Helper()
	f.twoDAGs()
	day := func(n int) *time.Time { t := Epoch.AddDate(0, 0, n); return &t }
	id, created, err := f.CreateBackfill(f.ctx, engine.NewBackfill{DAG: "d", From: Epoch, To: Epoch, Runs: []engine.NewRun{
		{DAG: "d", RunID: "1", Type: engine.BackfillRun, Logical: day(5)},
	}})
	f.ok(err)
	if id == 0 {
		f.Fatal("a backfill has id 0")
	}
	keys := []int64{created[0].Key}
	for _, n := range []engine.NewRun{
		{DAG: "d", RunID: "2", Type: engine.ScheduledRun, Logical: day(4)},
		{DAG: "d", RunID: "3", Type: engine.ScheduledRun, Logical: day(3)},
		{DAG: "d", RunID: "4", Type: engine.ManualRun},
		{DAG: "e", RunID: "5", Type: engine.ManualRun, Logical: day(4)},
		{DAG: "e", RunID: "6", Type: engine.ScheduledRun, Logical: day(6)},
	} {
		keys = append(keys, got[[]engine.Created](f)(f.CreateRuns(f.ctx, []engine.NewRun{n}))[0].Key)
	}
	for i, s := range []engine.RunState{engine.RunRunning, engine.RunSuccess, engine.RunFailed, engine.RunQueued, engine.RunRunning, engine.RunSuccess} {
		at, end := Epoch.Add(time.Duration(10-i)*time.Minute), Epoch.Add(time.Duration(20+(i*5)%6)*time.Minute)
		f.change(engine.RunChange{Key: keys[i], State: s, StartedAt: &at, EndedAt: &end})
	}
}

// list names the runs that a filter finds.
func (f *fixture) list(filter engine.RunFilter) (ids string, total int) {
	f.Helper()
	rows, total, err := f.Runs(f.ctx, filter)
	f.ok(err)
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(r.RunID)
	}
	return b.String(), total
}

func runsFilter(f *fixture) {
	filterRuns(f)
	day := func(n int) *time.Time { t := Epoch.AddDate(0, 0, n); return &t }
	backfill := got[engine.RunRow](f)(f.RunByID(f.ctx, "d", "1")).Backfill
	for _, c := range []struct {
		what   string
		filter engine.RunFilter
		want   string
	}{
		{"all", engine.RunFilter{}, "123456"},
		{"one DAG", engine.RunFilter{DAGs: []string{"d"}}, "1234"},
		{"two DAGs", engine.RunFilter{DAGs: []string{"d", "e", "nobody"}}, "123456"},
		{"no such DAG", engine.RunFilter{DAGs: []string{"nobody"}}, ""},
		{"states", engine.RunFilter{States: []engine.RunState{engine.RunRunning, engine.RunQueued}}, "145"},
		{"types", engine.RunFilter{Types: []engine.RunType{engine.ManualRun, engine.BackfillRun}}, "145"},
		{"from a date on", engine.RunFilter{LogicalFrom: day(4)}, "1256"},
		{"up to a date", engine.RunFilter{LogicalTo: day(4)}, "235"},
		{"a span of dates", engine.RunFilter{LogicalFrom: day(4), LogicalTo: day(5)}, "125"},
		{"some dates", engine.RunFilter{Logicals: []time.Time{*day(3), *day(4), *day(9)}}, "235"},
		{"a backfill", engine.RunFilter{Backfill: backfill}, "1"},
		{"all at once", engine.RunFilter{DAGs: []string{"d"}, States: []engine.RunState{engine.RunSuccess}, Types: []engine.RunType{engine.ScheduledRun}, LogicalFrom: day(1)}, "2"},
	} {
		c.filter.OrderBy = "key"
		ids, total := f.list(c.filter)
		equal(f, c.what, ids, c.want)
		equal(f, c.what+", in all", total, len(c.want))
	}
}

func runsOrder(f *fixture) {
	filterRuns(f)
	dated := engine.RunFilter{Types: []engine.RunType{engine.ScheduledRun, engine.BackfillRun}} // where dates that are not set sort is not laid down
	for _, c := range []struct {
		by     string
		filter engine.RunFilter
		want   string
	}{
		{"", engine.RunFilter{}, "654321"},
		{"key", engine.RunFilter{}, "123456"},
		{"run_id", engine.RunFilter{}, "123456"},
		{"queued", engine.RunFilter{}, "123456"},
		{"started", engine.RunFilter{}, "654321"},
		{"ended", engine.RunFilter{}, "165432"},
		{"logical", dated, "3216"},
	} {
		c.filter.OrderBy = c.by
		ids, _ := f.list(c.filter)
		equal(f, fmt.Sprintf("by %q", c.by), ids, c.want)
		if c.by == "" {
			continue
		}
		turned := []byte(c.want)
		slices.Reverse(turned)
		c.filter.OrderBy = "-" + c.by
		ids, _ = f.list(c.filter)
		equal(f, fmt.Sprintf("by %q", c.filter.OrderBy), ids, string(turned))
	}
	rows, _, err := f.Runs(f.ctx, engine.RunFilter{OrderBy: "state"})
	f.ok(err)
	for i := 1; i < len(rows); i++ {
		if rows[i-1].State > rows[i].State {
			f.Errorf("by state: %s before %s", rows[i-1].State, rows[i].State)
		}
	}
}

func runsPages(f *fixture) {
	filterRuns(f)
	for _, c := range []struct {
		limit, offset int
		want          string
	}{{4, 0, "1234"}, {4, 4, "56"}, {4, 6, ""}, {4, 60, ""}, {0, 2, "3456"}, {1, 1, "2"}} {
		ids, total := f.list(engine.RunFilter{OrderBy: "key", Limit: c.limit, Offset: c.offset})
		equal(f, fmt.Sprintf("%d from %d on", c.limit, c.offset), ids, c.want)
		equal(f, "in all", total, 6)
	}
}
