package dbt_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/tasks/dbt"
)

// day is the input of a DAG that builds a day of Gold.
type day map[string]string

func (d day) DBTVariables() map[string]string { return d }

// testClearedAlone clears nodes of a finished run, each alone: it is run and no other, and what readers see stays Gold of one run.
func testClearedAlone(t *testing.T, w *warehouse, r *dbt.Runner) {
	d := engine.New[engine.NoParams]("gold")
	dbt.Run(engine.After(d.Run(), "day", func(context.Context, engine.Run[engine.NoParams]) (day, error) { return day(w.today().Env), nil }), r)
	m := newMill(t, d)
	w.arrive(t)
	view := m.trigger(t, "gold")
	if view.Run.State != engine.RunSuccess {
		t.Fatalf("the run is %s: %s", view.Run.State, task(t, view, "dbt_run").Error)
	}
	w.checkGoldIsNew(t)
	models := []string{"dbt_run_stg_transactions", "dbt_run_fct_transactions", "dbt_run_fct_daily_revenue", "dbt_run_publish_gold"}
	for i, c := range []struct {
		node       string
		downstream bool
		arrives    bool // a day is new in bronze
		runs       []string
	}{
		{node: models[0], runs: models[:1]},
		{node: models[2], runs: models[2:3]},
		{node: models[0], arrives: true, runs: models[:1]},
		{node: models[1], runs: models[1:2]}, // Gold is not published
		{node: models[0], downstream: true, runs: models},
	} {
		before := w.value(t, goldIs)
		if c.arrives {
			w.arrive(t)
		}
		keys, err := m.control.Clear(t.Context(), "gold", view.Run.RunID, engine.Selection{Tasks: []string{c.node}, Downstream: c.downstream}, false, "test")
		var cleared []string
		for _, k := range keys {
			cleared = append(cleared, k.Task)
		}
		if err != nil || !slices.Equal(cleared, c.runs) {
			t.Fatalf("clear %s: %v, %v; want %v", c.node, cleared, err, c.runs)
		}
		if view = m.await(t, view.Run.Key); view.Run.State != engine.RunSuccess {
			t.Fatalf("with %s cleared the run is %s: %s", c.node, view.Run.State, task(t, view, "dbt_run").Error)
		}
		for _, id := range models {
			ran := task(t, view, id).Try == i+2
			if want := slices.Contains(c.runs, id); ran != want || task(t, view, id).State != engine.Success {
				t.Errorf("with %s cleared %s ran again: %t, want %t; it is %s", c.node, id, ran, want, task(t, view, id).State)
			}
		}
		w.checkGold(t, before)
	}
	w.checkGoldIsNew(t)
	if _, err := m.control.Clear(t.Context(), "gold", view.Run.RunID, engine.Selection{Tasks: []string{"dbt_run_nothing"}}, false, "test"); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("clear a node that there is not: %v", err)
	}
	if keys, err := m.control.Clear(t.Context(), "gold", view.Run.RunID, engine.Selection{Tasks: models[:1], OnlyFailed: true}, false, "test"); len(keys) > 0 || err != nil {
		t.Errorf("clear a node that passed, only if it failed: %v, %v", keys, err)
	}
	testClearWhileItRuns(t, w, m, view)
}

// testClearWhileItRuns: a node of a runner that runs cannot be cleared alone.
func testClearWhileItRuns(t *testing.T, w *warehouse, m mill, view engine.RunView) {
	holder := w.hold(t, "end")
	if _, err := m.control.Clear(t.Context(), "gold", view.Run.RunID, engine.Selection{Tasks: []string{"dbt_run_stg_transactions"}}, false, "test"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the run stops", func() bool { return w.value(t, stopped) == "1" })
	_, err := m.control.Clear(t.Context(), "gold", view.Run.RunID, engine.Selection{Tasks: []string{"dbt_run_publish_gold"}}, false, "test")
	if !errors.Is(err, engine.ErrConflict) {
		t.Errorf("clear a node while its runner runs: %v, want a conflict", err)
	}
	w.exec(t, "UPDATE test.stop SET point = ''")
	if err := holder.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.await(t, view.Run.Key)
}
