package dbt_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/tasks/dbt"
)

// TestWhatANodeKeeps: each node of a run keeps its compiled SQL, and each test that found something the first hundred rows of it, whether the
// project stores them or not, with personal data masked.
func TestWhatANodeKeeps(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, name := range []string{"broken", "after_broken", "slow", "after_slow", "chatty"} {
		s.remove(t, "models/"+name+".sql")
	}
	const people = `select g as id, 'ada' || g || '@example.com' as customer_email, inet '192.0.2.7' as ip_address, null::text as note,
		'wrote from 198.51.100.4 as ada@example.com' as said, 12.30::numeric(18,2) as amount from generate_series(1, 250) as g`
	s.write(t, map[string]string{
		"tests/stored.sql": "{{ config(store_failures=true) }}\n" + people,
		"tests/found.sql":  people + "\n-- the end",
	})
	s.exec(t, `CREATE SCHEMA tiny; CREATE TABLE tiny.numbers AS SELECT 1 AS id, 40 AS amount`)
	m := newMill(t, buildAndTest("keeps", s.runner(t, dbt.Options{})))
	view := m.trigger(t, "keeps")

	base := [2]string{"model.tiny.base", dbt.AttachedSQL}
	if a := m.attached(t, task(t, view, "dbt_run"), base)[base]; !strings.Contains(a.Text, `from "`) || strings.Contains(a.Text, "{{") {
		t.Errorf("base has the SQL %q", a.Text)
	}
	tested := task(t, view, "dbt_test")
	if tested.State != engine.Failed {
		t.Fatalf("dbt_test is %s", tested.State)
	}
	kept := m.attached(t, tested, [2]string{"test.tiny.stored", dbt.AttachedRows}, [2]string{"test.tiny.found", dbt.AttachedRows})
	for _, name := range []string{"stored", "found"} {
		if a := kept[[2]string{"test.tiny." + name, dbt.AttachedSQL}]; !strings.Contains(a.Text, "generate_series(1, 250)") {
			t.Errorf("%s has the SQL %q", name, a.Text)
		}
		table := kept[[2]string{"test.tiny." + name, dbt.AttachedRows}].Table
		if table == nil || len(table.Rows) != 100 || table.Found != 250 {
			t.Fatalf("%s keeps %+v, want 100 of 250 rows", name, table)
		}
		if got, want := fmt.Sprint(table.Columns), "[id customer_email ip_address note said amount]"; got != want {
			t.Errorf("%s has the columns %s, want %s", name, got, want)
		}
		row := table.Rows[0]
		want := []string{"1", "•••", "•••", "null", "wrote from ••• as •••", "12.30"}
		for i, v := range row {
			got := "null"
			if v != nil {
				got = *v
			}
			if got != want[i] {
				t.Errorf("%s: %s = %q, want %q", name, table.Columns[i], got, want[i])
			}
		}
	}
	var warned *engine.Table
	for key, a := range kept {
		if strings.Contains(key[0], "accepted_values") && a.Table != nil {
			warned = a.Table
		}
		if strings.Contains(key[0], "not_null") && a.Table != nil {
			t.Errorf("a test that passed keeps rows: %+v", a.Table)
		}
	}
	if warned == nil || len(warned.Rows) != 1 {
		t.Errorf("the test that warned keeps %+v", warned)
	}
}
