package enginetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tidemill/tidemill/engine"
)

var auditCases = []conformanceCase{
	{"an entry is stored as given, with an id and the time of the change", auditStored},
	{"each change leaves its entry", auditChanges},
	{"what fails, or finds nothing to change, leaves no entry", auditFailures},
	{"what is so already is left as it is, and leaves no entry", auditNothingNew},
	{"of many who end one backfill at once one does, and leaves its entry", func(f *fixture) {
		f.dag("d", 0)
		id, _ := f.backfill("d", 0, 1)
		var ended atomic.Int32
		f.atOnce(8, func(int) error {
			err := f.EndBackfill(f.ctx, id, true, acts("end")...)
			if err == nil {
				ended.Add(1)
			} else if errors.Is(err, engine.ErrConflict) {
				err = nil
			}
			return err
		})
		equal(f, "ended it", ended.Load(), 1)
		equal(f, "entries", f.events(engine.AuditFilter{}), []string{"end"})
	}},
	{"an error of a decision leaves no entry", func(f *fixture) {
		run := f.running("d")
		no := errors.New("no")
		err := f.Transition(f.ctx, engine.Transition{Runs: []int64{run}, Decide: func(_ time.Time, rows []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
			return []engine.RunChange{{Key: run, State: rows[0].State, Version: rows[0].Version, Acts: acts("never")}}, no
		}})
		if !errors.Is(err, no) {
			f.Errorf("error is %v", err)
		}
		equal(f, "entries", f.events(engine.AuditFilter{}), []string{})
	}},
	{"entries are found by each of their fields", auditFilters},
	{"entries come in the order asked for", auditOrders},
	{"a page of entries is cut out of those that fit", func(f *fixture) {
		f.dag("d", 0)
		for i := range 5 {
			f.act(acts(fmt.Sprint("e", i))[0])
		}
		page, total, err := f.Audit(f.ctx, engine.AuditFilter{NotEvents: []string{"e1"}, Limit: 2, Offset: 1})
		f.ok(err)
		equal(f, "fit", total, 4)
		equal(f, "page", []string{page[0].Event, page[1].Event}, []string{"e2", "e3"})
	}},
	{"old entries are pruned, the oldest first, and that is noted", auditPruned},
}

// acts are entries of these events.
func acts(events ...string) (out []engine.AuditEntry) {
	for _, e := range events {
		out = append(out, engine.AuditEntry{Event: e, By: "ann", MapIndex: -1})
	}
	return out
}

// entries are the entries that fit.
func (f *fixture) entries(filter engine.AuditFilter) []engine.AuditEntry {
	f.Helper()
	out, total, err := f.Audit(f.ctx, filter)
	f.ok(err)
	if filter.Limit == 0 && filter.Offset == 0 && total != len(out) {
		f.Errorf("%d entries of %d", len(out), total)
	}
	return out
}

// events are those of the entries that fit.
func (f *fixture) events(filter engine.AuditFilter) []string {
	f.Helper()
	out := []string{}
	for _, a := range f.entries(filter) {
		out = append(out, a.Event)
	}
	return out
}

func auditStored(f *fixture) {
	f.dag("d", 0)
	before := f.now()
	at := Epoch.Add(time.Hour)
	want := engine.AuditEntry{By: "ann", Event: "patch_task_instance", DAG: "d", RunID: "r", Task: "t", MapIndex: 3, Try: 2, Logical: &at, Extra: []byte(`{"b": 1,"a":"<ü>"}`)}
	plain := engine.AuditEntry{Event: "patch_dag", MapIndex: -1}
	f.ok(f.SetPaused(f.ctx, "d", true, want, plain))
	have := f.entries(engine.AuditFilter{})
	equal(f, "entries", len(have), 2)
	for i, w := range []engine.AuditEntry{want, plain} {
		h := have[i]
		equal(f, "by its id", got[engine.AuditEntry](f)(f.AuditEntry(f.ctx, h.ID)).Event, w.Event)
		if h.At.Before(before) || h.At.After(f.now().Add(time.Minute)) {
			f.Errorf("made at %s, want about %s", h.At, before)
		}
		f.sameTime("logical date", h.Logical, w.Logical)
		w.ID, w.At, w.Logical, h.Logical = h.ID, h.At, nil, nil
		equal(f, "entry", h, w)
	}
	if have[0].ID >= have[1].ID {
		f.Errorf("ids %d, %d do not rise", have[0].ID, have[1].ID)
	}
	if _, err := f.AuditEntry(f.ctx, have[1].ID+1000); !errors.Is(err, engine.ErrNotFound) {
		f.Errorf("an entry that there is not: %v", err)
	}
}

func auditChanges(f *fixture) {
	run := f.running("d")
	f.byAssets("c", "a")
	f.ok(f.RegisterStreams(f.ctx, []engine.StreamRecord{{Name: "s", Replicas: 1}}))
	id, _ := f.backfill("d", 0, 1)
	noted := func(event string, err error) {
		f.Helper()
		f.ok(err)
		if have := f.events(engine.AuditFilter{Events: []string{event}}); len(have) != 1 {
			f.Errorf("%s left %d entries", event, len(have))
		}
	}
	noted("pause", f.SetPaused(f.ctx, "d", true, acts("pause")...))
	noted("run note", f.SetRunNote(f.ctx, run, "n", "ann", acts("run note")...))
	noted("task note", f.SetTaskNote(f.ctx, plain(run, "t"), "n", "ann", acts("task note")...))
	noted("no task note", f.SetTaskNote(f.ctx, plain(run, "t"), "", "ann", acts("no task note")...))
	noted("pool", f.SetPool(f.ctx, engine.Pool{Name: "p", Slots: 1}, acts("pool")...))
	noted("no pool", f.DeletePool(f.ctx, "p", acts("no pool")...))
	noted("stream", f.SetStreamPaused(f.ctx, "s", true, acts("stream")...))
	noted("asset", f.EmitAsset(f.ctx, engine.AssetEvent{Asset: "a", MapIndex: -1, Task: "ann"}, acts("asset")...))
	_, err := f.Store.DropPending(f.ctx, "c", "a", time.Time{}, acts("drop")...)
	noted("drop", err)
	noted("pause backfill", f.SetBackfillPaused(f.ctx, id, true, acts("pause backfill")...))
	noted("end backfill", f.EndBackfill(f.ctx, id, true, acts("end backfill")...))
	b := ranged("d", 20, 21)
	b.Acts = acts("backfill")
	_, _, err = f.CreateBackfill(f.ctx, b)
	noted("backfill", err)
	_, err = f.CreateRuns(f.ctx, []engine.NewRun{{DAG: "d", RunID: "one", Acts: acts("trigger")}, {DAG: "d", RunID: "two"}})
	noted("trigger", err)
	f.change(engine.RunChange{Key: run, Acts: acts("mark")})
	noted("mark", nil)
	equal(f, "and nothing else", len(f.entries(engine.AuditFilter{})), 14)
}

func auditFailures(f *fixture) {
	run := f.running("d")
	f.queuedAs(engine.NewRun{DAG: "d"}, 1)
	b := ranged("d", 0, 1)
	_, _, err := f.CreateBackfill(f.ctx, b)
	f.ok(err)
	b.Acts = acts("never")
	never := acts("never")
	existing := f.row(run).RunID
	created := got[[]engine.Created](f)(f.CreateRuns(f.ctx, []engine.NewRun{{DAG: "d", RunID: existing, Acts: never}}))
	equal(f, "the run exists", created[0].Exists, true)
	for what, err := range map[string]error{
		"DAG": f.SetPaused(f.ctx, "none", true, never...), "run's note": f.SetRunNote(f.ctx, 99, "n", "ann", never...),
		"task's note": f.SetTaskNote(f.ctx, plain(99, "t"), "n", "ann", never...), "pool": f.DeletePool(f.ctx, "none", never...),
		"stream": f.SetStreamPaused(f.ctx, "none", true, never...), "backfill": f.SetBackfillPaused(f.ctx, 99, true, never...),
		"backfill's end": f.EndBackfill(f.ctx, 99, true, never...),
	} {
		if !errors.Is(err, engine.ErrNotFound) {
			f.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := f.CreateBackfill(f.ctx, b); !errors.Is(err, engine.ErrConflict) {
		f.Errorf("an overlapping backfill: %v", err)
	}
	equal(f, "pruned", got[int](f)(f.PruneRuns(f.ctx, f.past(), 9, never...)), 0)
	equal(f, "pruned", got[int](f)(f.PruneAssetEvents(f.ctx, f.past(), 9, never...)), 0)
	equal(f, "pruned", got[int](f)(f.PruneAudit(f.ctx, f.past(), 9, never...)), 0)
	equal(f, "dropped", got[int](f)(f.Store.DropPending(f.ctx, "d", "", time.Time{}, never...)), 0)
	equal(f, "entries", f.events(engine.AuditFilter{}), []string{})
}

// act makes some change that leaves an entry.
func (f *fixture) act(a engine.AuditEntry) {
	f.Helper()
	f.ok(f.EmitAsset(f.ctx, engine.AssetEvent{Asset: "a", MapIndex: -1}, a))
}

func auditNothingNew(f *fixture) {
	run := f.running("d")
	f.ok(f.RegisterStreams(f.ctx, []engine.StreamRecord{{Name: "s", Replicas: 1}}))
	id, _ := f.backfill("d", 0, 1)
	task := plain(run, "t")
	for _, c := range []struct {
		what string
		do   func(by string, a ...engine.AuditEntry) error
	}{
		{"pause", func(_ string, a ...engine.AuditEntry) error { return f.SetPaused(f.ctx, "d", true, a...) }},
		{"unpause", func(_ string, a ...engine.AuditEntry) error { return f.SetPaused(f.ctx, "d", false, a...) }},
		{"run note", func(by string, a ...engine.AuditEntry) error { return f.SetRunNote(f.ctx, run, "n", by, a...) }},
		{"no run note", func(by string, a ...engine.AuditEntry) error { return f.SetRunNote(f.ctx, run, "", by, a...) }},
		{"task note", func(by string, a ...engine.AuditEntry) error { return f.SetTaskNote(f.ctx, task, "n", by, a...) }},
		{"no task note", func(by string, a ...engine.AuditEntry) error { return f.SetTaskNote(f.ctx, task, "", by, a...) }},
		{"pool", func(_ string, a ...engine.AuditEntry) error {
			return f.SetPool(f.ctx, engine.Pool{Name: "p", Slots: 1}, a...)
		}},
		{"pool with words", func(_ string, a ...engine.AuditEntry) error {
			return f.SetPool(f.ctx, engine.Pool{Name: "p", Slots: 1, Description: "words"}, a...)
		}},
		{"stream", func(_ string, a ...engine.AuditEntry) error { return f.SetStreamPaused(f.ctx, "s", true, a...) }},
		{"stream again", func(_ string, a ...engine.AuditEntry) error { return f.SetStreamPaused(f.ctx, "s", false, a...) }},
		{"pause backfill", func(_ string, a ...engine.AuditEntry) error { return f.SetBackfillPaused(f.ctx, id, true, a...) }},
		{"resume backfill", func(_ string, a ...engine.AuditEntry) error { return f.SetBackfillPaused(f.ctx, id, false, a...) }},
	} {
		f.ok(c.do("ann", acts(c.what)...))
		unpaused := got[engine.DAGStatus](f)(f.DAGStatus(f.ctx, "d")).UnpausedAt
		f.ok(c.do("bob", acts(c.what)...))
		f.sameTime("unpaused at", got[engine.DAGStatus](f)(f.DAGStatus(f.ctx, "d")).UnpausedAt, unpaused)
		equal(f, "entries of "+c.what, len(f.events(engine.AuditFilter{Events: []string{c.what}})), 1)
	}
}

// auditSample stores entries that differ.
func auditSample(f *fixture) {
	f.dag("d", 0)
	early, late := Epoch, Epoch.Add(time.Hour)
	for _, a := range []engine.AuditEntry{
		{Event: "e1", By: "bob", DAG: "daily_report", RunID: "r1", Task: "load", MapIndex: -1, Try: 1, Logical: &late},
		{Event: "e2", By: "ann", DAG: "Daily", RunID: "r2", Task: "load", MapIndex: 4, Try: 2, Logical: &early},
		{Event: "e3", By: "ann", DAG: "daily%report", MapIndex: -1},
		{Event: "e4", MapIndex: -1, Extra: []byte(`{"x":1}`)},
	} {
		f.act(a)
	}
}

func auditFilters(f *fixture) {
	auditSample(f)
	minus, four, two := -1, 4, 2
	all := f.entries(engine.AuditFilter{})
	second := all[1].At
	match := func(field string, fold bool, patterns ...string) engine.AuditFilter {
		return engine.AuditFilter{Match: []engine.AuditMatch{{Field: field, Patterns: patterns, Fold: fold}}}
	}
	for _, c := range []struct {
		what   string
		filter engine.AuditFilter
		want   []string
	}{
		{"DAG", engine.AuditFilter{DAG: "Daily"}, []string{"e2"}},
		{"run", engine.AuditFilter{RunID: "r1"}, []string{"e1"}},
		{"task", engine.AuditFilter{Task: "load"}, []string{"e1", "e2"}},
		{"who", engine.AuditFilter{By: "ann"}, []string{"e2", "e3"}},
		{"element", engine.AuditFilter{MapIndex: &four}, []string{"e2"}},
		{"not an element of a task", engine.AuditFilter{MapIndex: &minus}, []string{"e1"}},
		{"try", engine.AuditFilter{Try: &two}, []string{"e2"}},
		{"events", engine.AuditFilter{Events: []string{"e1", "e4"}}, []string{"e1", "e4"}},
		{"other events", engine.AuditFilter{NotEvents: []string{"e1", "e4"}}, []string{"e2", "e3"}},
		{"both", engine.AuditFilter{By: "ann", NotEvents: []string{"e2"}}, []string{"e3"}},
		{"after", engine.AuditFilter{After: &second}, []string{"e3", "e4"}},
		{"before", engine.AuditFilter{Before: &second}, []string{"e1"}},
		{"pattern", match("dag_id", true, "%DAILY%"), []string{"e1", "e2", "e3"}},
		{"pattern by case", match("dag_id", false, "daily%"), []string{"e1", "e3"}},
		{"pattern with one character", match("dag_id", false, "daily_report"), []string{"e1", "e3"}},
		{"pattern with an escape", match("dag_id", false, `daily\%report`), []string{"e3"}},
		{"pattern that ends in what is taken as it is", match("dag_id", false, `x\\`), []string{}},
		{"one of several patterns", match("event", false, "e1", "%4"), []string{"e1", "e4"}},
		{"what is not there fits no pattern", match("owner", true, "%"), []string{"e1", "e2", "e3"}},
		{"two patterns", engine.AuditFilter{Match: []engine.AuditMatch{{Field: "run_id", Patterns: []string{"r%"}}, {Field: "task_id", Patterns: []string{"l%"}}, {Field: "owner", Patterns: []string{"b%"}}}}, []string{"e1"}},
	} {
		equal(f, c.what, f.events(c.filter), c.want)
	}
	for _, bad := range []string{`\`, `x\`, `%\\\`} {
		_, _, err := f.Audit(f.ctx, match("owner", true, "%", bad))
		if invalid, ok := errors.AsType[*engine.InvalidError](err); !ok || invalid.Field != "owner pattern" {
			f.Errorf("pattern %q: error is %v, want an InvalidError of the owner pattern", bad, err)
		}
	}
	if _, _, err := f.Audit(f.ctx, match("extra", false, "%")); err == nil {
		f.Error("a match by a field that there is not")
	}
}

func auditOrders(f *fixture) {
	auditSample(f)
	for _, c := range []struct {
		by   []string
		want []string
	}{
		{nil, []string{"e1", "e2", "e3", "e4"}},
		{[]string{"-id"}, []string{"e4", "e3", "e2", "e1"}},
		{[]string{"-when"}, []string{"e4", "e3", "e2", "e1"}},
		{[]string{"dag_id"}, []string{"e4", "e2", "e3", "e1"}},
		{[]string{"task_id", "-run_id"}, []string{"e3", "e4", "e2", "e1"}},
		{[]string{"-owner", "id"}, []string{"e1", "e2", "e3", "e4"}},
		{[]string{"logical_date"}, []string{"e2", "e1", "e3", "e4"}},
		{[]string{"-logical_date"}, []string{"e1", "e2", "e3", "e4"}},
		{[]string{"-event"}, []string{"e4", "e3", "e2", "e1"}},
	} {
		equal(f, fmt.Sprint("by ", c.by), f.events(engine.AuditFilter{OrderBy: c.by}), c.want)
	}
	equal(f, "by what it carries", len(f.events(engine.AuditFilter{OrderBy: []string{"extra", "id"}})), 4)
	if _, _, err := f.Audit(f.ctx, engine.AuditFilter{OrderBy: []string{"zork"}}); err == nil {
		f.Error("an order by a field that there is not")
	}
}

func auditPruned(f *fixture) {
	f.dag("d", 0)
	for i := range 4 {
		f.act(acts(fmt.Sprint("e", i))[0])
	}
	all := f.entries(engine.AuditFilter{})
	at := all[3].At
	equal(f, "the oldest", got[int](f)(f.PruneAudit(f.ctx, at, 2, acts("prune")...)), 2)
	equal(f, "left", f.events(engine.AuditFilter{}), []string{"e2", "e3", "prune"})
	equal(f, "the rest", got[int](f)(f.PruneAudit(f.ctx, at, 9)), 1)
	equal(f, "none", got[int](f)(f.PruneAudit(f.ctx, at, 9, acts("again")...)), 0)
	equal(f, "left", f.events(engine.AuditFilter{}), []string{"e3", "prune"})
	f.act(acts("next")[0])
	if have := f.entries(engine.AuditFilter{}); have[2].ID <= have[1].ID {
		f.Errorf("ids %d, %d do not rise", have[1].ID, have[2].ID)
	}
}
