package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// logged are the entries of the audit log since one, as "event by DAG/run/task[element]#try", with what they carry.
func logged(t *testing.T, store engine.Store, since int64) (last int64, out []string) {
	t.Helper()
	all, _, err := store.Audit(t.Context(), engine.AuditFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if a.ID <= since {
			continue
		}
		where := strings.TrimRight(a.DAG+"/"+a.RunID+"/"+a.Task, "/")
		if a.Task != "" {
			where += fmt.Sprintf("[%d]#%d", a.MapIndex, a.Try)
		}
		if len(a.Extra) > 0 && !json.Valid(a.Extra) {
			t.Errorf("%s carries what is no JSON: %s", a.Event, a.Extra)
		}
		last, out = a.ID, append(out, fmt.Sprintf("%s by %s: %s %s", a.Event, a.By, where, a.Extra))
	}
	return max(last, since), out
}

// What people do leaves an entry with who, what and to what; a dry run, a refusal and what a task does leave none.
func TestWhatPeopleDoIsInTheAuditLog(t *testing.T) {
	store := memory()
	child := engine.New[engine.NoParams]("child")
	engine.Sink(child.Run(), "work", func(context.Context, run) error { return nil })
	d := engine.New[engine.NoParams]("d", engine.Schedule("@daily", "UTC"))
	list := engine.After(d.Run(), "list", func(context.Context, run) ([]int, error) { return []int{1, 2}, nil })
	engine.Map(list, "each", func(_ context.Context, n int) (int, error) { return n, nil })
	engine.TriggerDAG(list, "start", child, func([]int) engine.NoParams { return engine.NoParams{} })
	s := engine.NewStream("tide", func(ctx context.Context, _ func(int)) error { <-ctx.Done(); return nil })
	r := running(t, store, func(c *engine.Config) { c.Streams = []*engine.Stream{s} }, d, child)
	c, ctx := r.Control(), t.Context()
	at := day("2024-01-05")
	row, err := c.Trigger(ctx, engine.TriggerRequest{DAG: "d", RunID: "r", Logical: &at, Note: "why", By: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	over(t, r, row)
	since, got := logged(t, store, 0)
	if want := []string{`trigger_dag_run by ann: d/r {"note":"why"}`}; !slices.Equal(got, want) {
		t.Fatalf("after a trigger, with a run that a task triggered: %q, want %q", got, want)
	}
	first, err := store.AuditEntry(ctx, since)
	if err != nil || first.Logical == nil || !first.Logical.Equal(at) {
		t.Errorf("the logical date is %v, %v", first.Logical, err)
	}
	order := engine.BackfillRequest{DAG: "d", By: "ann", BackfillOrder: engine.BackfillOrder{
		BackfillRange: engine.BackfillRange{From: at, To: at}, MaxActiveRuns: 1, Reprocess: engine.ReprocessCompleted}}
	var plan engine.BackfillPlan
	for _, step := range []struct {
		what string
		do   func() error
		want []string // "!": it fails
	}{
		{"clear one element", func() error {
			_, err := c.Clear(ctx, "d", "r", engine.Selection{Tasks: []string{"each"}, MapIndexes: []int{1}}, false, "bob")
			if err == nil {
				over(t, r, row) // what follows finds it so
			}
			return err
		}, []string{`post_clear_task_instances by bob: d/r/each[1]#1 {"task_ids":["each"],"map_indexes":[1],"task_instances":["each[1]"],"count":1}`}},
		{"clear, only looked at", func() error { _, err := c.Clear(ctx, "d", "r", engine.Selection{}, true, "bob"); return err }, nil},
		{"clear nothing", func() error {
			_, err := c.Clear(ctx, "d", "r", engine.Selection{OnlyFailed: true}, false, "bob")
			return err
		}, nil},
		{"clear what is not there", func() error {
			_, err := c.Clear(ctx, "d", "r", engine.Selection{Tasks: []string{"x"}}, false, "bob")
			return err
		}, []string{"!"}},
		{"mark", func() error {
			_, err := c.Mark(ctx, "d", "r", engine.MarkRequest{Selection: engine.Selection{Tasks: []string{"list"}}, State: engine.Failed, By: "bob"})
			return err
		}, []string{`patch_task_instance by bob: d/r/list[-1]#1 {"new_state":"failed","task_ids":["list"],"task_instances":["list"],"count":1}`}},
		{"mark again", func() error {
			_, err := c.Mark(ctx, "d", "r", engine.MarkRequest{Selection: engine.Selection{Tasks: []string{"list"}}, State: engine.Failed, By: "bob"})
			return err
		}, nil},
		{"mark, only looked at", func() error {
			_, err := c.Mark(ctx, "d", "r", engine.MarkRequest{Selection: engine.Selection{Tasks: []string{"list"}}, State: engine.Failed, By: "bob", DryRun: true})
			return err
		}, nil},
		{"mark with an output that does not fit", func() error {
			_, err := c.Mark(ctx, "d", "r", engine.MarkRequest{Selection: engine.Selection{Tasks: []string{"list"}}, State: engine.Success, Output: []byte(`"x"`), By: "bob"})
			return err
		}, []string{"!"}},
		{"mark the run", func() error { return c.MarkRun(ctx, "d", "r", engine.RunFailed, "bob") }, []string{`patch_dag_run by bob: d/r {"state":"failed"}`}},
		{"mark the run again", func() error { return c.MarkRun(ctx, "d", "r", engine.RunFailed, "bob") }, nil},
		{"note a run", func() error { return c.NoteRun(ctx, "d", "r", "n", "bob") }, []string{`patch_dag_run by bob: d/r {"note":"n"}`}},
		{"note it again", func() error { return c.NoteRun(ctx, "d", "r", "n", "cid") }, nil},
		{"note a task", func() error { return c.NoteTask(ctx, "d", "r", "each", 1, "n", "bob") }, []string{`patch_task_instance by bob: d/r/each[1]#0 {"note":"n"}`}},
		{"note that again", func() error { return c.NoteTask(ctx, "d", "r", "each", 1, "n", "cid") }, nil},
		{"pause", func() error { return c.SetPaused(ctx, "d", true, "bob") }, []string{`patch_dag by bob: d {"is_paused":true}`}},
		{"pause again", func() error { return c.SetPaused(ctx, "d", true, "cid") }, nil},
		{"pause what is not there", func() error { return c.SetPaused(ctx, "x", true, "bob") }, []string{"!"}},
		{"pool", func() error { return c.SetPool(ctx, engine.Pool{Name: "p", Slots: 1}, "bob") }, []string{`post_pool by bob:  {"description":"","name":"p","slots":1}`}},
		{"pool again", func() error { return c.SetPool(ctx, engine.Pool{Name: "p", Slots: 2}, "bob") }, []string{`patch_pool by bob:  {"description":"","name":"p","slots":2}`}},
		{"no pool", func() error { return c.DeletePool(ctx, "p", "bob") }, []string{`delete_pool by bob:  {"name":"p"}`}},
		{"asset", func() error { return c.UpdateAsset(ctx, "a", []byte(`{"n":1}`), "bob") }, []string{`create_asset_event by bob:  {"asset":"a","extra":{"n":1}}`}},
		{"nothing pending", func() error { _, err := c.DropPending(ctx, "d", "a", time.Time{}, "bob"); return err }, nil},
		{"stream", func() error { return c.PauseStream(ctx, "tide", true, "bob") }, []string{`pause_stream by bob:  {"stream":"tide"}`}},
		{"stream again", func() error { return c.PauseStream(ctx, "tide", false, "bob") }, []string{`resume_stream by bob:  {"stream":"tide"}`}},
		{"backfill, only looked at", func() error { _, err := c.Backfill(ctx, order, true); return err }, nil},
		{"backfill", func() error { plan, err = c.Backfill(ctx, order, false); return err }, []string{
			`create_backfill by ann: d {"from_date":"2024-01-05T00:00:00Z","max_active_runs":1,"reprocess_behavior":"completed","run_backwards":false,"runs_cleared":1,"runs_created":0,"to_date":"2024-01-05T00:00:00Z"}`,
			`clear_dag_run by ann: d/r {"task_instances":["list","each[0]","each[1]","start"],"count":4,"backfill_id":1}`}},
		{"backfill that overlaps", func() error { _, err := c.Backfill(ctx, order, false); return err }, []string{"!"}},
		{"pause the backfill", func() error { return c.PauseBackfill(ctx, plan.ID, true, "bob") }, []string{`pause_backfill by bob: d {"backfill_id":1}`}},
		{"pause it again", func() error { return c.PauseBackfill(ctx, plan.ID, true, "cid") }, nil},
		{"go on with it", func() error { return c.PauseBackfill(ctx, plan.ID, false, "bob") }, []string{`unpause_backfill by bob: d {"backfill_id":1}`}},
		{"cancel it", func() error { return c.CancelBackfill(ctx, plan.ID, true, "bob") }, []string{
			`cancel_backfill by bob: d {"backfill_id":1,"running":true}`, `patch_dag_run by bob: d/r {"backfill_id":1,"state":"failed"}`}},
		{"cancel it again", func() error { return c.CancelBackfill(ctx, plan.ID, true, "bob") }, []string{"!"}},
	} {
		err := step.do()
		if fails := slices.Equal(step.want, []string{"!"}); fails != (err != nil) {
			t.Fatalf("%s: %v", step.what, err)
		} else if fails {
			step.want = nil
		}
		if since, got = logged(t, store, since); !slices.Equal(got, step.want) {
			t.Errorf("%s left\n  %q, want\n  %q", step.what, got, step.want)
		}
	}
}

// What was loaded as a secret is in no entry: what people may not write is refused, and names that nobody looks at are masked.
func TestNoSecretIsInTheAuditLog(t *testing.T) {
	store := memory()
	r := running(t, store, func(c *engine.Config) { c.Secrets = hush(t) }, probe())
	c := r.Control()
	if err := c.SetPool(t.Context(), engine.Pool{Name: "p", Slots: 1, Description: "with " + hushed}, "ann"); err == nil {
		t.Error("a description that tells a secret is kept")
	}
	if err := c.SetPool(t.Context(), engine.Pool{Name: hushed, Slots: 1}, "ann"); err != nil {
		t.Fatal(err)
	}
	_, got := logged(t, store, 0)
	if len(got) != 1 || strings.Contains(got[0], hushed) || !strings.Contains(got[0], "***") {
		t.Errorf("the log has %q", got)
	}
}

// Old entries go with the rest of history, and that is noted, once.
func TestPruningTheAuditLog(t *testing.T) {
	store, clock := dated(t, "2024-01-05")
	r := running(t, store, nil, probe())
	c := r.Control()
	for i := range 3 {
		if err := c.SetPaused(t.Context(), "probe", i%2 == 0, "ann"); err != nil {
			t.Fatal(err)
		}
	}
	clock.Set(day("2024-03-01"))
	if err := c.SetPaused(t.Context(), "probe", false, "bob"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Prune(t.Context(), day("2024-02-01"), "cli", nil); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{`patch_dag by bob: probe {"is_paused":false}`, `prune_history by cli:  {"before":"2024-02-01T00:00:00Z"}`}
	if _, got := logged(t, store, 0); !slices.Equal(got, want) {
		t.Errorf("the log has %q, want %q", got, want)
	}
}
