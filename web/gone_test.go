package web_test

import (
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/web"
	"github.com/tidemill/tidemill/web/internal/showcase"
)

// TestADAGThatNoProcessHasDoesNotLookAlive registers a DAG that no process has, nor has the worker: its pages say so and offer nothing that
// would be refused.
func TestADAGThatNoProcessHasDoesNotLookAlive(t *testing.T) {
	clock := showcase.NewClock()
	store := enginetest.NewStore(clock)
	control, err := showcase.Fill(t.Context(), store, clock.Set)
	if err != nil {
		t.Fatal(err)
	}
	def, _ := control.Catalog().DAG(showcase.Daily)
	spec := def.Known()
	spec.DAG = "retired"
	if _, err := store.Register(t.Context(), []engine.DAGRecord{{ID: "retired", Version: "1", Spec: spec, MaxActiveRuns: 1}}); err != nil {
		t.Fatal(err)
	}
	base := serve(t, web.Config{Control: control, Store: store, Clock: clock})
	body, _ := get(t, base+"/")
	_, line, _ := strings.Cut(body, `id="dag-retired"`)
	line, _, _ = strings.Cut(line, "</tr>")
	if !strings.Contains(line, "no process has this DAG") || strings.Contains(line, "/trigger") || strings.Contains(line, "active") || strings.Contains(line, "data-ago") {
		t.Errorf("its line is %s", line)
	}
	if !strings.Contains(body, `aria-label="Trigger daily_transactions"`) {
		t.Error("a DAG that runs cannot be triggered")
	}
	for _, path := range []string{"", "/graph", "/trigger", "/backfill"} {
		body, _ := get(t, base+"/dags/retired"+path)
		if !strings.Contains(body, "No process has this DAG") {
			t.Errorf("%q does not say that no process has it", path)
		}
		for _, alive := range []string{`/trigger"`, `/backfill"`, "Next run", "active</button>"} {
			if strings.Contains(body, alive) {
				t.Errorf("%q has %s", path, alive)
			}
		}
	}
}
