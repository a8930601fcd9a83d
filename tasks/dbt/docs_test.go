package dbt_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/tasks/dbt"
)

// testDocs builds the documentation by its task: one file that fetches nothing from elsewhere.
func testDocs(t *testing.T, r *dbt.Runner) {
	d := engine.New[engine.NoParams]("docs")
	dbt.Docs(d.Run(), r)
	m := newMill(t, d)
	if view := m.trigger(t, "docs"); view.Run.State != engine.RunSuccess {
		t.Fatalf("the run is %s: %s", view.Run.State, task(t, view, "dbt_docs").Error)
	}
	text, err := os.ReadFile(r.DocsPath())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "model.tidemill.fct_daily_revenue") || len(text) < 1<<20 {
		t.Errorf("the documentation has %d bytes and does not tell of fct_daily_revenue", len(text))
	}
	if from := regexp.MustCompile(`(?i)<(?:script|link|img)[^>]+(?:src|href)\s*=\s*["']?(?:https?:)?//[^>]*>`).FindString(string(text)); from != "" {
		t.Errorf("it fetches something from elsewhere: %.200s", from)
	}
	before, err := os.Stat(r.DocsPath())
	if err != nil {
		t.Fatal(err)
	}
	if out := os.Getenv("TIDEMILL_PICTURES"); out != "" {
		if err := os.WriteFile(filepath.Join(out, "dbt-docs.html"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.BuildDocs(ctx, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
	if after, err := os.Stat(r.DocsPath()); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("a build that failed changed the documentation: %v", err)
	}
}

// testLineage: the pipeline's lineage goes from bronze to Gold as readers see it, which publish_gold writes, in no circle.
func testLineage(t *testing.T, r *dbt.Runner) {
	m, err := r.Manifest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]engine.LineageNode{}
	for _, n := range m.Lineage {
		of[n.ID] = n
	}
	for _, c := range []struct{ id, after string }{
		{"model.tidemill.stg_transactions", "source.tidemill.bronze.transactions"},
		{"model.tidemill.fct_transactions", "model.tidemill.stg_transactions"},
		{"model.tidemill.publish_gold", "model.tidemill.fct_daily_revenue"},
		{"source.tidemill.gold.fct_transactions", "model.tidemill.publish_gold"},
		{"source.tidemill.gold.fct_daily_revenue", "model.tidemill.publish_gold"},
		{"test.tidemill.gold_is_published", "source.tidemill.gold.fct_transactions"},
	} {
		if !slices.Contains(of[c.id].Upstream, c.after) {
			t.Errorf("%s follows %v, want %s among them", c.id, of[c.id].Upstream, c.after)
		}
	}
	if n := of["model.tidemill.fct_transactions"]; n.Task != "dbt_run_fct_transactions" || n.Kind != "model" || n.Doc == "" {
		t.Errorf("fct_transactions is %+v", n)
	}
	done, open := map[string]bool{}, map[string]bool{}
	var visit func(id string)
	visit = func(id string) {
		if open[id] {
			t.Fatalf("%s is made of itself", id)
		}
		if done[id] {
			return
		}
		open[id] = true
		for _, up := range of[id].Upstream {
			visit(up)
		}
		open[id], done[id] = false, true
	}
	for id := range of {
		visit(id)
	}
}
