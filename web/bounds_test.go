package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/quartz"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/web"
)

// TestWhatIsAskedIsBounded asks for more than is looked through, and for lists that are too long: each is refused by the name of its field.
func TestWhatIsAskedIsBounded(t *testing.T) {
	d := engine.New[engine.NoParams]("minutely")
	engine.Sink(d.Run(), "t", func(context.Context, engine.Run[engine.NoParams]) error { return nil })
	catalog, err := engine.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	store := enginetest.NewStore(quartz.NewReal())
	def, _ := catalog.DAG("minutely")
	if _, err := store.Register(t.Context(), []engine.DAGRecord{{ID: "minutely", Version: def.Version, Spec: def.Spec, MaxActiveRuns: 1}}); err != nil {
		t.Fatal(err)
	}
	first := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	all := make([]engine.NewRun, 100_001)
	for i := range all {
		at := first.Add(time.Duration(i) * time.Minute)
		all[i] = engine.NewRun{DAG: "minutely", RunID: fmt.Sprint("r", i), Type: engine.ScheduledRun, Logical: &at, Start: &at, End: &at, Version: def.Version, Params: []byte("{}")}
	}
	if _, err := store.CreateRuns(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	base := serve(t, web.Config{Control: engine.NewControl(store, catalog, ""), Store: store}) + "/api/v2"
	many := func(name string, n int) string { return strings.TrimSuffix(strings.Repeat(name+"&", n), "&") }
	list := func(field string, n int) string {
		return `{"` + field + `": ["` + strings.TrimSuffix(strings.Repeat(`x","`, n), `","`) + `"]}`
	}
	for _, c := range []struct {
		method, path, body string
		want               int
		field              string // that a refusal names
	}{
		{"GET", "/dags/minutely/dagRuns?limit=1", "", 200, ""},
		{"GET", "/dags/minutely/dagRuns?limit=1&order_by=-logical_date", "", 200, ""},
		{"GET", "/dags/minutely/dagRuns?limit=1&order_by=-duration", "", 422, "order_by"},
		{"GET", "/dags/minutely/dagRuns?limit=1&run_id_pattern=r7", "", 422, "run_id_pattern"},
		{"GET", "/dags/minutely/dagRuns?limit=1&run_id_pattern=r7&logical_date_lt=2024-01-02", "", 200, ""},
		{"GET", "/dags/~/dagRuns?start_date_gte=2024-01-01", "", 422, "start_date_gte"},
		{"GET", "/dags/~/dagRuns?duration_lt=3", "", 422, "duration_"},
		{"GET", "/dags/minutely/dagRuns?" + many("state=queued", 101), "", 422, "state"},
		{"GET", "/dags/minutely/dagRuns?" + many("order_by=state", 21), "", 422, "order_by"},
		{"GET", "/dags/~/dagRuns/~/taskInstances", "", 422, "dag_run_id"},
		{"GET", "/dags/minutely/dagRuns/~/taskInstances?logical_date_lt=2024-01-01T01:00:00Z", "", 200, ""},
		{"GET", "/dags/minutely/dagRuns/r1/taskInstances?" + many("pool=x", 101), "", 422, "pool"},
		{"GET", "/dags/minutely/dagRuns/r1/taskInstances?" + many("map_index=1", 101), "", 422, "map_index"},
		{"POST", "/dags/~/dagRuns/~/taskInstances/list", "{}", 422, "dag_ids"},
		{"POST", "/dags/~/dagRuns/~/taskInstances/list", `{"logical_date_lt": "2024-01-01T01:00:00Z"}`, 200, ""},
		{"POST", "/dags/~/dagRuns/~/taskInstances/list", list("dag_run_ids", 1001), 422, "dag_run_ids"},
		{"POST", "/dags/~/dagRuns/list", list("dag_ids", 1001), 422, "dag_ids"},
		{"POST", "/dags/minutely/clearTaskInstances", `{"only_failed": false}`, 422, "start_date"},
		{"POST", "/dags/minutely/clearTaskInstances", `{"dag_run_id": "r5", "include_future": true}`, 422, "include_future"},
		{"POST", "/dags/minutely/clearTaskInstances", `{"dag_run_id": "r5", "include_past": true}`, 200, ""},
		{"GET", "/dags?" + many("tags=x", 101), "", 422, "tags"},
		{"GET", "/eventLogs?" + many("included_events=x", 101), "", 422, "included_events"},
	} {
		status, answer := call(t, c.method, base+c.path, c.body)
		told, err := json.Marshal(answer["detail"])
		if err != nil {
			t.Fatal(err)
		}
		if path, _, _ := strings.Cut(c.path, "=x&"); status != c.want || !strings.Contains(string(told), c.field) {
			t.Errorf("%s %.90s %.60s: %d %.300s, want %d that names %q", c.method, path, c.body, status, told, c.want, c.field)
		}
	}
}
