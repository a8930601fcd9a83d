package web_test

import (
	"context"
	"html"
	"net/http"
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

// TestRunsOfADAGThatNobodyHereHasOfferNothing looks at a run of a DAG that no process has, and at runs of one that only another process has.
func TestRunsOfADAGThatNobodyHereHasOfferNothing(t *testing.T) {
	clock := showcase.NewClock()
	store := enginetest.NewStore(clock)
	control, err := showcase.FillFeatures(t.Context(), store, clock.Set)
	if err != nil {
		t.Fatal(err)
	}
	retired := engine.New[engine.NoParams]("retired")
	engine.Sink(retired.Run(), "write", func(context.Context, engine.Run[engine.NoParams]) error { return nil })
	catalog, err := engine.Compile(retired)
	if err != nil {
		t.Fatal(err)
	}
	d, _ := catalog.DAG("retired")
	if _, err := store.Register(t.Context(), []engine.DAGRecord{{ID: "retired", Version: d.Version, Spec: d.Spec, MaxActiveRuns: 1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := engine.NewControl(store, catalog, "1").Trigger(t.Context(), engine.TriggerRequest{DAG: "retired", RunID: "last"}); err != nil {
		t.Fatal(err)
	}
	none, err := engine.Compile()
	if err != nil {
		t.Fatal(err)
	}
	const gone, away = "No process has this DAG any more", "The process whose page this is does not have this DAG"
	here := serve(t, web.Config{Control: control, Store: store, Clock: clock})
	elsewhere := serve(t, web.Config{Control: engine.NewControl(store, none, "1"), Store: store, Clock: clock})
	const scores = "/dags/" + showcase.Scores
	run := scores + "/runs/scheduled__2026-03-08T03:00:00+00:00"
	for _, c := range []struct{ base, path, says string }{
		{here, "/dags/retired/runs/last", gone}, {here, "/dags/retired/runs/last/tasks/write", gone}, {here, "/dags/retired/runs/last/graph", gone},
		{here, run, ""}, {elsewhere, run, away}, {elsewhere, run + "/graph", away}, {here, "/questions", ""}, {elsewhere, "/questions", away},
		{here, scores, ""}, {elsewhere, scores, away}, {elsewhere, scores + "/trigger", away}, {elsewhere, scores + "/backfill", away},
	} {
		body, r := get(t, c.base+c.path)
		if r.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", c.path, r.Status)
		}
		if c.says == "" {
			if strings.Contains(body, gone) || strings.Contains(body, away) {
				t.Errorf("%s says that nobody has the DAG", c.path)
			}
			if !strings.Contains(body, `/act"`) && !strings.Contains(body, `name="choice"`) && !strings.Contains(body, `/trigger"`) {
				t.Errorf("%s offers nothing", c.path)
			}
			continue
		}
		if !strings.Contains(body, c.says) {
			t.Errorf("%s does not say why it offers nothing", c.path)
		}
		for _, refused := range []string{`value="clear"`, `value="failed"`, `name="choice"`, `name="pick"`, `/trigger"`, `/backfill"`} {
			if strings.Contains(body, refused) {
				t.Errorf("%s offers %s, which is refused", c.path, refused)
			}
		}
	}
}

// TestATryThatNeverWasIsToldOf asks for the log of try 9 of a task that has had fewer, and for that of one it has had.
func TestATryThatNeverWasIsToldOf(t *testing.T) {
	base, _ := shown(t)
	task := base + dailyRun + "/tasks/load_to_postgres"
	body, _ := get(t, task+"?try=9")
	body = html.UnescapeString(body)
	for _, want := range []string{"There is no try 9 of this task: it has had 1", `<a href="` + dailyRun + `/tasks/load_to_postgres">Show the latest</a>`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, `id="log"`) {
		t.Error("it shows a log all the same")
	}
	if body, r := get(t, task+"/log?try=9"); r.StatusCode != http.StatusNotFound {
		t.Errorf("its log as text is answered with %s: %q", r.Status, body)
	}
	for _, there := range []string{"?try=1", ""} {
		if body, _ := get(t, task+there); strings.Contains(body, "There is no try") || !strings.Contains(body, `id="log"`) {
			t.Errorf("%q shows no log", there)
		}
	}
}
