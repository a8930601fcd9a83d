package enginetest

import (
	"errors"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

var backfillCases = []conformanceCase{
	{"a backfill is stored as given, with its runs", backfillStores},
	{"a run that exists is answered and left alone", backfillExisting},
	{"an overlap with an open backfill of the DAG is ErrConflict and stores nothing", backfillOverlaps},
	{"an unknown backfill is ErrNotFound", func(f *fixture) {
		if _, err := f.Backfill(f.ctx, 77); !errors.Is(err, engine.ErrNotFound) {
			f.Errorf("error is %v, want ErrNotFound", err)
		}
	}},
	{"runs are counted by state", func(f *fixture) {
		f.dag("d", 0)
		id, keys := f.backfill("d", 0, 4)
		f.backfill("d", 0, 2)
		f.queued("d", 1)
		f.change(engine.RunChange{Key: keys[0], State: engine.RunRunning})
		f.change(engine.RunChange{Key: keys[1], State: engine.RunSuccess})
		f.change(engine.RunChange{Key: keys[2], State: engine.RunSuccess})
		equal(f, "counts", f.getBackfill(id).Counts, map[engine.RunState]int{engine.RunQueued: 1, engine.RunRunning: 1, engine.RunSuccess: 2})
	}},
	{"adopted runs are the backfill's", func(f *fixture) {
		f.dag("d", 1)
		own := f.queued("d", 1)[0]
		id, _ := f.backfill("d", 0, 1)
		f.run("d") // at the DAG's limit
		f.ok(f.AdoptRuns(f.ctx, id, []int64{own}))
		equal(f, "backfill", f.row(own).Backfill, id)
		equal(f, "counts", f.getBackfill(id).Counts, map[engine.RunState]int{engine.RunQueued: 2})
		equal(f, "started beside the DAG's limit", len(f.start(9, "d")), 2)
	}},
	{"a backfill is paused and resumed", func(f *fixture) {
		f.dag("d", 0)
		id, _ := f.backfill("d", 0, 1)
		for _, paused := range []bool{true, false} {
			f.ok(f.SetBackfillPaused(f.ctx, id, paused))
			equal(f, "paused", f.getBackfill(id).Paused, paused)
		}
	}},
	{"an end is set once", func(f *fixture) {
		f.dag("d", 0)
		id, _ := f.backfill("d", 0, 1)
		f.ok(f.SetBackfillPaused(f.ctx, id, true))
		f.ok(f.EndBackfill(f.ctx, id, true))
		first := f.getBackfill(id)
		equal(f, "paused: nobody could resume it, and a run of it that is cleared would never start", first.Paused, false)
		equal(f, "cancelled", first.Cancelled, true)
		equal(f, "ended", first.CompletedAt != nil, true)
		f.conflict("another end", f.EndBackfill(f.ctx, id, false))
		f.conflict("a pause after the end", f.SetBackfillPaused(f.ctx, id, true))
		equal(f, "paused after the end", f.getBackfill(id).Paused, false)
		equal(f, "cancelled still", f.getBackfill(id).Cancelled, true)
		f.sameTime("completed at", f.getBackfill(id).CompletedAt, first.CompletedAt)
		other, _ := f.backfill("d", 0, 1)
		f.ok(f.EndBackfill(f.ctx, other, false))
		f.conflict("its cancel", f.EndBackfill(f.ctx, other, true))
		equal(f, "one that had completed is cancelled", f.getBackfill(other).Cancelled, false)
	}},
	{"open backfills of which every run is over are finished", backfillFinishes},
	{"backfills are filtered and paged", backfillLists},
}

// conflict reports an error that is not engine.ErrConflict.
func (f *fixture) conflict(what string, err error) {
	f.Helper()
	if !errors.Is(err, engine.ErrConflict) {
		f.Errorf("%s: error is %v, want ErrConflict", what, err)
	}
}

func (f *fixture) getBackfill(id int64) engine.BackfillRow {
	f.Helper()
	return got[engine.BackfillRow](f)(f.Backfill(f.ctx, id))
}

// ranged is a backfill of a DAG over some days of January 2024, without runs.
func ranged(dag string, from, to int) engine.NewBackfill {
	return engine.NewBackfill{DAG: dag, From: Epoch.AddDate(0, 0, from-1), To: Epoch.AddDate(0, 0, to-1), MaxActiveRuns: 1, Reprocess: "none"}
}

func backfillStores(f *fixture) {
	f.dag("d", 0)
	at := Epoch.AddDate(0, 0, 4)
	b := ranged("d", 5, 9)
	b.MaxActiveRuns, b.Backwards, b.Reprocess, b.Params, b.Tasks, b.TriggeredBy = 3, true, "failed", []byte(`{"a":1}`), []string{"t", "s"}, "somebody"
	b.Runs = []engine.NewRun{{DAG: "d", RunID: "one", Type: engine.BackfillRun, Logical: &at, Order: 2}, {DAG: "d", RunID: "two", Type: engine.BackfillRun, Order: 1}}
	before := f.now()
	id, created, err := f.CreateBackfill(f.ctx, b)
	f.ok(err)
	if len(created) != 2 || created[0].Exists || created[1].Exists {
		f.Fatalf("runs: %v, want two new ones", created)
	}
	for i, c := range created {
		r := f.row(c.Key)
		equal(f, "run id", r.RunID, b.Runs[i].RunID)
		equal(f, "run's backfill", r.Backfill, id)
		equal(f, "run's order", r.Order, b.Runs[i].Order)
		equal(f, "run's state", r.State, engine.RunQueued)
	}
	row := f.getBackfill(id)
	equal(f, "id", row.ID, id)
	equal(f, "DAG", row.DAG, "d")
	f.sameTime("from", &row.From, &b.From)
	f.sameTime("to", &row.To, &b.To)
	equal(f, "max active runs", row.MaxActiveRuns, 3)
	equal(f, "backwards", row.Backwards, true)
	equal(f, "reprocess", row.Reprocess, "failed")
	equal(f, "params", string(row.Params), `{"a":1}`)
	equal(f, "tasks", row.Tasks, []string{"t", "s"})
	equal(f, "triggered by", row.TriggeredBy, "somebody")
	equal(f, "paused or cancelled", row.Paused || row.Cancelled, false)
	f.sameTime("completed at", row.CompletedAt, nil)
	if row.CreatedAt.Before(before) || row.CreatedAt.After(f.now().Add(time.Microsecond)) {
		f.Errorf("created at %s, want from %s on", row.CreatedAt, before)
	}
}

func backfillExisting(f *fixture) {
	f.dag("d", 0)
	at := Epoch
	there := f.queuedAs(engine.NewRun{DAG: "d", Type: engine.ScheduledRun, Logical: &at}, 1)[0]
	b := ranged("d", 1, 2)
	b.Runs = []engine.NewRun{{DAG: "d", RunID: "mine", Type: engine.BackfillRun, Logical: &at}, {DAG: "d", RunID: "new", Type: engine.BackfillRun}}
	id, created, err := f.CreateBackfill(f.ctx, b)
	f.ok(err)
	equal(f, "first", created[0], engine.Created{Key: there, Exists: true})
	equal(f, "second exists", created[1].Exists, false)
	equal(f, "backfill of the run that was there", f.row(there).Backfill, 0)
	equal(f, "counts", f.getBackfill(id).Counts, map[engine.RunState]int{engine.RunQueued: 1})
}

func backfillOverlaps(f *fixture) {
	f.dag("d", 0)
	f.dag("e", 0)
	open, _, err := f.CreateBackfill(f.ctx, ranged("d", 10, 20))
	f.ok(err)
	for _, r := range [][2]int{{10, 20}, {12, 13}, {5, 25}, {5, 10}, {20, 30}} { // both ends are part of a range
		b := ranged("d", r[0], r[1])
		b.Runs = []engine.NewRun{{DAG: "d", RunID: "of the refused"}}
		if _, _, err := f.CreateBackfill(f.ctx, b); !errors.Is(err, engine.ErrConflict) {
			f.Errorf("from the %d. to the %d.: %v, want ErrConflict", r[0], r[1], err)
		}
	}
	if _, err := f.RunByID(f.ctx, "d", "of the refused"); !errors.Is(err, engine.ErrNotFound) {
		f.Errorf("run of a refused backfill: %v, want ErrNotFound", err)
	}
	for _, b := range []engine.NewBackfill{ranged("d", 5, 9), ranged("d", 21, 25), ranged("e", 10, 20)} {
		if _, _, err := f.CreateBackfill(f.ctx, b); err != nil {
			f.Errorf("beside it: %v", err)
		}
	}
	f.ok(f.EndBackfill(f.ctx, open, true))
	if _, _, err := f.CreateBackfill(f.ctx, ranged("d", 10, 20)); err != nil {
		f.Errorf("after the other was cancelled: %v", err)
	}
}

func backfillFinishes(f *fixture) {
	f.dag("d", 0)
	over, keys := f.backfill("d", 0, 2)
	f.backfill("d", 0, 1) // open
	cancelled, gone := f.backfill("d", 0, 1)
	f.ok(f.EndBackfill(f.ctx, cancelled, true))
	at := f.getBackfill(cancelled).CompletedAt
	for _, k := range append(gone, keys[0]) {
		f.change(engine.RunChange{Key: k, State: engine.RunFailed})
	}
	equal(f, "while a run is queued", len(got[[]int64](f)(f.FinishBackfills(f.ctx))), 0)
	f.change(engine.RunChange{Key: keys[1], State: engine.RunRunning})
	equal(f, "while a run is running", len(got[[]int64](f)(f.FinishBackfills(f.ctx))), 0)
	f.change(engine.RunChange{Key: keys[1], State: engine.RunSuccess})
	equal(f, "when all are over", got[[]int64](f)(f.FinishBackfills(f.ctx)), []int64{over})
	row := f.getBackfill(over)
	equal(f, "completed", row.CompletedAt != nil, true)
	equal(f, "cancelled", row.Cancelled, false)
	equal(f, "again", len(got[[]int64](f)(f.FinishBackfills(f.ctx))), 0)
	f.sameTime("end of the cancelled one", f.getBackfill(cancelled).CompletedAt, at)
}

func backfillLists(f *fixture) {
	f.twoDAGs()
	var ofD []int64
	for range 3 {
		id, _ := f.backfill("d", 0, 1)
		ofD = append(ofD, id)
	}
	ofE, _ := f.backfill("e", 0, 2)
	f.ok(f.EndBackfill(f.ctx, ofD[1], false))
	list := func(filter engine.BackfillFilter) ([]int64, int) {
		f.Helper()
		rows, total, err := f.Backfills(f.ctx, filter)
		f.ok(err)
		var ids []int64
		for _, r := range rows {
			ids = append(ids, r.ID)
		}
		slices.Sort(ids)
		return ids, total
	}
	for _, c := range []struct {
		what   string
		filter engine.BackfillFilter
		want   []int64
	}{
		{"all", engine.BackfillFilter{}, append(slices.Clone(ofD), ofE)},
		{"of d", engine.BackfillFilter{DAG: "d"}, ofD},
		{"open", engine.BackfillFilter{Open: true}, []int64{ofD[0], ofD[2], ofE}},
		{"open ones of d", engine.BackfillFilter{DAG: "d", Open: true}, []int64{ofD[0], ofD[2]}},
	} {
		ids, total := list(c.filter)
		equal(f, c.what, ids, c.want)
		equal(f, c.what+" in all", total, len(c.want))
	}
	first, total := list(engine.BackfillFilter{Limit: 3})
	rest, _ := list(engine.BackfillFilter{Limit: 3, Offset: 3})
	equal(f, "in all, of a page", total, 4)
	equal(f, "first page", len(first), 3)
	equal(f, "both pages", slices.Sorted(slices.Values(append(first, rest...))), append(slices.Clone(ofD), ofE))
	rows, _, err := f.Backfills(f.ctx, engine.BackfillFilter{DAG: "e"})
	f.ok(err)
	equal(f, "counts", rows[0].Counts, map[engine.RunState]int{engine.RunQueued: 2})
}
