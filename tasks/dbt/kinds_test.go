package dbt_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/tasks/dbt"
)

// write puts files into the project, by path.
func (s site) write(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(s.project.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (s site) remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(s.project.Dir, name)); err != nil {
		t.Fatal(err)
	}
}

func (s site) exec(t testing.TB, sql string) {
	t.Helper()
	conn, err := s.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // the statement has ended
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// TestKinds has what the tiny project has not: unit tests, a snapshot, the freshness of sources, an incremental model.
func TestKinds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, name := range []string{"broken", "after_broken", "slow", "after_slow", "chatty"} {
		s.remove(t, "models/"+name+".sql")
	}
	s.write(t, map[string]string{
		"models/grown.sql": "{{ config(materialized='incremental') }}\nselect '{{ run_day() }}'::date as day",
		"models/more.yml": `
unit_tests:
  - name: twice_is_twice
    model: doubled
    given: [{input: ref('base'), rows: [{id: 1, amount: 7}]}]
    expect: {rows: [{id: 1, amount: 14}]}
  - name: twice_is_thrice
    model: doubled
    given: [{input: ref('base'), rows: [{id: 1, amount: 7}]}]
    expect: {rows: [{id: 1, amount: 21}]}
sources:
  - name: shop
    schema: public
    tables:
      - name: untimed
      - {name: fresh, loaded_at_field: at, config: {freshness: {warn_after: {count: 1, period: day}, error_after: {count: 2, period: day}}}}
      - {name: ageing, loaded_at_field: at, config: {freshness: {warn_after: {count: 1, period: day}, error_after: {count: 9999, period: day}}}}
      - {name: stale, loaded_at_field: at, config: {freshness: {error_after: {count: 2, period: day}}}}
`,
		"snapshots/kept.yml": `
snapshots:
  - {name: kept, relation: ref('base'), config: {unique_key: id, strategy: check, check_cols: [amount]}}
`,
	})
	s.exec(t, `CREATE TABLE public.fresh AS SELECT now() AS at; CREATE TABLE public.ageing AS SELECT now() - interval '3 days' AS at;
		CREATE TABLE public.stale AS SELECT timestamptz '2024-01-05 12:00:00+00' AS at`)
	r := s.runner(t, dbt.Options{})
	run := func(t *testing.T, inv dbt.Invocation) (dbt.Result, error) {
		t.Helper()
		result, err := r.Run(t.Context(), inv)
		if len(result.Nodes) == 0 {
			t.Fatalf("no nodes: %v", err)
		}
		return result, err
	}
	if _, err := run(t, dbt.Invocation{Command: dbt.CommandBuild, Select: []string{"numbers", "base"}}); err != nil {
		t.Fatal(err)
	}

	t.Run("unit tests", func(t *testing.T) {
		result, err := run(t, dbt.Invocation{Command: dbt.CommandTest, Select: []string{"doubled,test_type:unit"}})
		var failure *dbt.NodesError
		if !errors.As(err, &failure) || len(failure.Failed) != 1 {
			t.Errorf("error = %v, want one failed node", err)
		}
		if got := states(result.Nodes); !maps.Equal(got, map[string]dbt.State{"twice_is_twice": dbt.Success, "twice_is_thrice": dbt.Failed}) {
			t.Errorf("states = %v", got)
		}
		if n := node(t, result.Nodes, "twice_is_thrice"); n.Kind != dbt.KindUnitTest || n.TaskID != "dbt_test_twice_is_thrice" || !strings.Contains(n.Message, "21") {
			t.Errorf("the failed one = %+v", n)
		}
		again, err := run(t, dbt.Invocation{Command: dbt.CommandTest, Nodes: dbt.RetryNodes(result.Nodes)})
		if got := states(again.Nodes); err == nil || !maps.Equal(got, map[string]dbt.State{"twice_is_thrice": dbt.Failed}) {
			t.Errorf("its retry = %v, %v", got, err)
		}
	})

	t.Run("snapshots", func(t *testing.T) {
		for i, want := range []string{"3 of 3", "3 of 4"} { // the second time one row has changed
			if i > 0 {
				s.exec(t, `UPDATE tiny.base SET amount = 11 WHERE id = 1`)
			}
			result, err := run(t, dbt.Invocation{Command: dbt.CommandSnapshot})
			if err != nil {
				t.Fatal(err)
			}
			if n := node(t, result.Nodes, "kept"); n.State != dbt.Success || n.TaskID != "dbt_snapshot_kept" {
				t.Errorf("kept = %+v", n)
			}
			if got := s.value(t, `SELECT count(*) FILTER (WHERE dbt_valid_to IS NULL) || ' of ' || count(*) FROM tiny.kept`); got != want {
				t.Errorf("the snapshot has %s rows valid, want %s", got, want)
			}
		}
	})

	t.Run("source freshness", func(t *testing.T) {
		result, err := run(t, dbt.Invocation{Command: dbt.CommandFreshness})
		var failure *dbt.NodesError
		if !errors.As(err, &failure) || len(failure.Failed) != 1 {
			t.Errorf("error = %v, want one failed node", err)
		}
		want := map[string]dbt.State{"shop.fresh": dbt.Success, "shop.ageing": dbt.Warned, "shop.stale": dbt.Failed}
		if got := states(result.Nodes); !maps.Equal(got, want) {
			t.Errorf("states = %v\nwant %v", got, want)
		}
		if n := node(t, result.Nodes, "shop.stale"); n.TaskID != "dbt_freshness_shop.stale" || n.Message != "the source is stale" {
			t.Errorf("the stale one = %+v", n)
		}
		for _, inv := range []dbt.Invocation{{Nodes: dbt.RetryNodes(result.Nodes)}, {Select: []string{"source:shop.stale"}}} {
			inv.Command = dbt.CommandFreshness
			again, err := run(t, inv)
			if got := states(again.Nodes); err == nil || !maps.Equal(got, map[string]dbt.State{"shop.stale": dbt.Failed}) {
				t.Errorf("of one source: %v, %v", got, err)
			}
		}
	})

	t.Run("full refresh by a param", func(t *testing.T) { testFullRefresh(t, s, r) })
}

// refreshParams are those of the test's DAG; as its input they go on to dbt.
type refreshParams struct {
	Full bool `json:"full,omitempty"`
}

func (p refreshParams) DBTFullRefresh() bool            { return p.Full }
func (p refreshParams) DBTVariables() map[string]string { return nil }

func testFullRefresh(t *testing.T, s site, r *dbt.Runner) {
	d := engine.New[refreshParams]("refresh")
	asked := engine.After(d.Run(), "params", func(_ context.Context, run engine.Run[refreshParams]) (refreshParams, error) { return run.Params, nil })
	dbt.Run(asked, r)
	for _, c := range []struct {
		full bool
		want string // rows of the incremental model after it
	}{{false, "1"}, {false, "2"}, {true, "1"}, {false, "2"}} {
		o := enginetest.Run(t, d, refreshParams{c.full})
		if got := o.State("dbt_run"); got != engine.Success {
			t.Fatalf("full %t: dbt_run is %s", c.full, got)
		}
		if got := s.value(t, `SELECT count(*)::text FROM tiny.grown`); got != c.want {
			t.Errorf("full %t: the incremental model has %s rows, want %s", c.full, got, c.want)
		}
	}
}
