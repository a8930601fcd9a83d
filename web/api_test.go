package web_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// call makes an API call and returns the status and the answer.
func call(t *testing.T, method, url, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	text, r := do(t, req)
	var answer map[string]any
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		t.Fatalf("%s %s: %s: %q is no JSON object", method, url, r.Status, text)
	}
	if ct := r.Header.Get("Content-Type"); ct != "application/json" && !strings.HasSuffix(url, "openapi.json") {
		t.Errorf("%s %s answers with %s", method, url, ct)
	}
	return r.StatusCode, answer
}

// dig finds a value in an answer: names and indexes with dots.
func dig(v any, path string) any {
	for _, part := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func TestReading(t *testing.T) {
	base, _ := shown(t)
	const daily, audit = "/dags/daily_transactions", "/dags/bronze_audit"
	const failed, mapped = dailyFailed + "/taskInstances", auditPath + "/taskInstances"
	for _, c := range []struct{ path, at, want string }{
		{"/dags", "total_entries", "3"},
		{"/dags?limit=1&offset=1", "dags.0.dag_id", "daily_transactions"},
		{"/dags?order_by=-dag_id", "dags.0.dag_id", "merchant_report"},
		{"/dags?tags=gold&tags=payments&tags_match_mode=all", "total_entries", "1"},
		{"/dags?dag_id_pattern=%25report", "dags.0.dag_id", "merchant_report"},
		{"/dags?paused=true", "total_entries", "1"},
		{"/dags?last_dag_run_state=running", "dags.0.dag_id", "daily_transactions"},
		{daily, "next_dagrun_run_after", "2026-03-11T02:00:00Z"},
		{daily, "timetable_summary", "0 2 * * *"},
		{daily + "/details", "catchup", "true"},
		{"/dags/merchant_report/details", "params.currency.schema.type", "string"},
		{daily + "/tasks", "total_entries", "5"},
		{daily + "/tasks/dbt_run", "retry_delay.seconds", "300"},
		{daily + "/tasks/dbt_run", "retry_exponential_backoff", "2"},
		{daily + "/dagRuns?state=failed&order_by=-logical_date", "dag_runs.0.logical_date", "2026-03-08T02:00:00Z"},
		{daily + "/dagRuns?logical_date_gte=2026-03-01T02:00:00Z&logical_date_lt=2026-03-03T02:00:00Z", "total_entries", "2"},
		{daily + "/dagRuns?logical_date_gt=2026-03-01T02:00:00Z&logical_date_lte=2026-03-03T02:00:00.000000%2B0000", "total_entries", "2"},
		{daily + "/dagRuns?run_type=backfill", "total_entries", "7"},
		{daily + "/dagRuns?duration_gte=600&state=success", "total_entries", "0"},
		{daily + "/dagRuns?limit=1&offset=2&order_by=logical_date", "dag_runs.0.logical_date", "2026-02-11T02:00:00Z"},
		{daily + "/dagRuns?run_id_pattern=scheduled__2026-03-0%25", "total_entries", "9"},
		{"/dags/~/dagRuns?state=running", "dag_runs.0.run_type", "scheduled"},
		{dailyFailed, "state", "failed"},
		{dailyFailed, "triggered_by", "timetable"},
		{failed, "total_entries", "26"},
		{failed + "?state=upstream_failed", "total_entries", "14"},
		{failed + "/dbt_run", "try_number", "3"},
		{failed + "/dbt_run", "max_tries", "2"},
		{failed + "/dbt_run_fct_transactions", "state", "failed"},
		{failed + "/dbt_run/tries", "total_entries", "3"},
		{failed + "/dbt_run/tries/1", "state", "failed"},
		{failed + "/dbt_run/dependencies", "dependencies", "[]"},
		{dailyToday + "/taskInstances/dbt_test/dependencies", "dependencies.0.name", "Trigger Rule"},
		{dailyToday + "/taskInstances/dbt_test/dependencies", "dependencies.0.reason", "waits for dbt_run (running)"},
		{mapped + "/check.audit_partition/4/dependencies", "dependencies", "[]"},
		{failed + "/load_to_postgres/xcomEntries/return_value", "value.rows_loaded", "45983"},
		{failed + "/load_to_postgres/xcomEntries/return_value?stringify=true", "value", `{"files":14,"rows_loaded":45983,"rows_duplicate":391,"rows_rejected":2}`},
		{failed + "/~/xcomEntries", "total_entries", "2"},
		{failed + "/dbt_run/logs/2", "content.0.event", "Running with dbt=1.11.2"},
		{failed + "/dbt_run/logs/2", "continuation_token", "<nil>"},
		{failed + "/dbt_run_fct_transactions/logs/1", "continuation_token", "<nil>"},
		{failed + "/dbt_test/logs/0", "content", "[]"},
		{mapped + "/check.audit_partition/logs/1?map_index=4", "continuation_token", "<nil>"},
		{dailyToday + "/taskInstances/dbt_run/logs/1", "content.0.level", "info"},
		{mapped + "?task_id=check.audit_partition", "total_entries", "6"},
		{mapped + "/check.audit_partition/listMapped?state=failed", "task_instances.0.map_index", "4"},
		{mapped + "/check.audit_partition/4", "error", "partition 4: offsets 118204 to 118209 are in no file"},
		{mapped + "/check.audit_partition/4", "note", "<nil>"},
		{mapped + "?task_group_id=check", "total_entries", "7"},
		{"/dags/~/dagRuns/~/taskInstances?state=failed&order_by=task_id", "task_instances.0.task_id", "check.audit_partition"},
		{audit, "timetable_description", "@hourly Europe/Zurich"},
		{"/backfills?dag_id=daily_transactions", "backfills.0.is_paused", "true"},
		{"/backfills/1", "run_counts.queued", "3"},
		{"/streams", "streams.0.replicas.0.progress.lag", "128"},
		{"/streams/bronze_ingest", "name", "bronze_ingest"},
		{"/monitor/health", "scheduler.status", "healthy"},
		{"/version", "version", "1.2.3"},
		{"/openapi.json", "openapi", "3.1.0"},
	} {
		status, answer := call(t, "GET", base+"/api/v2"+c.path, "")
		if got := fmt.Sprint(dig(answer, c.at)); status != 200 || got != c.want {
			t.Errorf("%s: %d, %s is %s, want %s", c.path, status, c.at, got, c.want)
		}
	}
}

const (
	dailyFailed = "/dags/daily_transactions/dagRuns/scheduled__2026-02-18T02:00:00+00:00"
	dailyToday  = "/dags/daily_transactions/dagRuns/scheduled__2026-03-09T02:00:00+00:00"
	auditPath   = "/dags/bronze_audit/dagRuns/scheduled__2026-03-09T21%3A00%3A00%2B00%3A00"
)

func TestRefusals(t *testing.T) {
	base, _ := shown(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		at, want           string
	}{
		{"GET", "/dags/nope", "", 404, "detail", "The Dag with ID: `nope` was not found"},
		{"GET", "/dags/nope/dagRuns", "", 404, "detail", "nope"},
		{"GET", "/dags/daily_transactions/dagRuns/nope", "", 404, "detail", "run_id: `nope` was not found"},
		{"GET", dailyFailed + "/taskInstances/nope", "", 404, "detail", "task_id: `nope`"},
		{"GET", auditPath + "/taskInstances/check.audit_partition", "", 404, "detail", "mapped"},
		{"GET", dailyFailed + "/taskInstances/dbt_run/links", "", 404, "detail", "there is no GET /api/v2/dags/daily_transactions"},
		{"GET", dailyFailed + "/taskInstances/nope/dependencies", "", 404, "detail", "task_id: `nope`"},
		{"GET", "/variables", "", 404, "detail", "/api/v2/variables"},
		{"DELETE", "/dags/daily_transactions", "", 404, "detail", "DELETE"},
		{"GET", "/dags?limit=-1", "", 422, "detail.0.loc.1", "limit"},
		{"GET", "/dags?zork=1", "", 422, "detail.0.loc.1", "zork"},
		{"GET", "/dags?order_by=zork", "", 400, "detail", "Ordering with 'zork' is disallowed"},
		{"GET", "/dags/~/dagRuns?state=dancing", "", 422, "detail.0.loc.1", "state"},
		{"GET", "/dags/~/dagRuns?logical_date_gte=soon", "", 422, "detail.0.loc.1", "logical_date_gte"},
		{"GET", dailyFailed + "/taskInstances/dbt_run/logs/1?token=zork!", "", 400, "detail", "token"},
		{"GET", dailyFailed + "/taskInstances/dbt_run/logs/9", "", 404, "detail", "no try_number: `9`"},
		{"GET", dailyFailed + "/taskInstances/dbt_run_fct_transactions/logs/4", "", 404, "detail", "it has 3"},
		{"GET", auditPath + "/taskInstances/check.audit_partition/logs/9?map_index=4", "", 404, "detail", "no try_number: `9`"},
		{"GET", dailyFailed + "/wait", "", 422, "detail.0.type", "missing"},
		{"POST", "/dags/merchant_report/dagRuns", `{`, 422, "detail.0.type", "json_invalid"},
		{"POST", "/dags/merchant_report/dagRuns", `{}`, 422, "detail.0.msg", "logical_date"},
		{"POST", "/dags/merchant_report/dagRuns", `{"logical_date":null,"zork":1}`, 422, "detail.0.loc.1", "zork"},
		{"POST", "/dags/merchant_report/dagRuns", `{"logical_date":null,"conf":{"curency":"EUR"}}`, 422, "detail.0.loc.2", "curency"},
		{"POST", "/dags/merchant_report/dagRuns", `{"logical_date":null,"conf":{"days":"x"}}`, 422, "detail.0.loc.2", "days"},
		{"POST", "/dags/merchant_report/dagRuns", `{"logical_date":"0001-01-01T00:00:00Z"}`, 422, "detail.0.msg", "give a later time"},
		{"POST", "/dags/daily_transactions/clearTaskInstances", `{"end_date":"0001-01-01T00:00:00Z"}`, 422, "detail.0.msg", "give a later time"},
		{"GET", "/dags/daily_transactions/dagRuns/%00/taskInstances", "", 404, "detail", "no text"},
		{"GET", "/dags/daily_transactions/dagRuns/a%ff", "", 404, "detail", "no text"},
		{"POST", "/dags/daily_transactions/clearTaskInstances", `{"dag_run_id":"x\u0000"}`, 404, "detail", "was not found"},
		{"POST", "/dags/~/dagRuns/list", `{"dag_ids":["\u0000"]}`, 422, "detail.0.loc.1", "dag_ids"},
		{"POST", "/dags/~/dagRuns/~/taskInstances/list", `{"dag_ids":["\u0000"]}`, 422, "detail.0.loc.1", "dag_ids"},
		{"POST", "/backfills", `{"dag_id":"daily_transactions","from_date":"2026-01-01","to_date":"2026-01-02","max_active_runs":2147483648}`, 422, "detail.0.loc.1", "max_active_runs"},
		{"POST", "/dags/daily_transactions/dagRuns", `{"logical_date":"2026-03-01T02:00:00Z"}`, 409, "detail", "has the logical date"},
		{"POST", "/dags/merchant_report/dagRuns", `{"logical_date":null,"note":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "detail", "larger"},
		{"POST", "/backfills", `{"dag_id":"nope","from_date":"2026-01-01","to_date":"2026-01-02"}`, 404, "detail", "nope"},
		{"POST", "/backfills", `{"dag_id":"merchant_report","from_date":"2026-01-01","to_date":"2026-01-02"}`, 422, "detail.0.msg", "no schedule"},
		{"POST", "/backfills", `{"dag_id":"daily_transactions","from_date":"2026-01-03","to_date":"2026-01-02"}`, 422, "detail.0.loc.1", "from_date"},
		{"POST", "/backfills", `{"dag_id":"daily_transactions","from_date":"2026-02-10","to_date":"2026-02-11"}`, 409, "detail", "backfill 1 is open"},
		{"POST", "/backfills", `{"dag_id":"daily_transactions","from_date":"2026-01-01","to_date":"2026-01-02","reprocess_behavior":"all"}`, 422, "detail.0.loc.1", "reprocess_behavior"},
		{"PUT", "/backfills/99/pause", ``, 404, "detail", "99"},
		{"PATCH", dailyFailed + "/taskInstances/dbt_run_stg_rates", `{"new_state":"success"}`, 422, "detail.0.msg", "mark or clear that task"},
		{"PATCH", dailyFailed + "/taskInstances/dbt_run", `{"new_state":"success"}`, 422, "detail.0.loc.1", "output"},
		{"PATCH", dailyFailed + "/taskInstances/dbt_run", `{"new_state":"running"}`, 422, "detail.0.loc.1", "new_state"},
		{"PATCH", dailyFailed, `{"state":"running"}`, 422, "detail.0.loc.1", "state"},
		{"PUT", "/streams/nope/pause", ``, 404, "detail", "nope"},
	} {
		status, answer := call(t, c.method, base+"/api/v2"+c.path, c.body)
		if got := fmt.Sprint(dig(answer, c.at)); status != c.status || !strings.Contains(got, c.want) {
			t.Errorf("%s %s %.80s: %d %v, want %d with %q in %s", c.method, c.path, c.body, status, answer, c.status, c.want, c.at)
		}
	}
}

func TestDoing(t *testing.T) {
	base, _, gate := working(t)
	close(gate)
	api := base + "/api/v2"
	status, run := call(t, "POST", api+"/dags/report/dagRuns", `{"logical_date":null,"dag_run_id":"a","conf":{"days":3},"note":"why"}`)
	if status != 200 || run["state"] != "queued" || run["note"] != "why" || run["run_type"] != "manual" {
		t.Fatalf("trigger: %d %v", status, run)
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", api+"/dags/report/dagRuns/a/wait?interval=0.05&result=select", nil)
	if err != nil {
		t.Fatal(err)
	}
	text, r := do(t, req)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if r.Header.Get("Content-Type") != "application/x-ndjson" || lines[len(lines)-1] != `{"results":{"select":3},"state":"success"}` {
		t.Errorf("wait: %s %q", r.Header.Get("Content-Type"), text)
	}
	ti := api + "/dags/report/dagRuns/a/taskInstances"
	_, dry := call(t, "POST", api+"/dags/report/clearTaskInstances", `{"dag_run_id":"a","only_failed":false,"task_ids":["select"],"include_downstream":true}`)
	if dry["total_entries"] != 2.0 {
		t.Errorf("dry run of a clear: %v", dry)
	}
	if _, still := call(t, "GET", ti+"/select", ""); still["try_number"] != 1.0 {
		t.Errorf("the dry run changed something: %v", still)
	}
	if _, cleared := call(t, "POST", api+"/dags/report/clearTaskInstances", `{"dag_run_id":"a","only_failed":false,"dry_run":false,"task_ids":["gated"]}`); cleared["total_entries"] != 1.0 {
		t.Errorf("clear: %v", cleared)
	}
	eventually(t, "the second try succeeds", func() bool {
		_, in := call(t, "GET", ti+"/gated", "")
		return in["try_number"] == 2.0 && in["state"] == "success"
	})
	// The official client reads the answer of a run's dry run as one of two shapes; only one must fit.
	_, cleared := call(t, "POST", api+"/dags/report/dagRuns/a/clear", `{}`)
	if first, _ := dig(cleared, "task_instances.0").(map[string]any); first["task_id"] == nil || first["executor_config"] != nil {
		t.Errorf("dry run of clearing a run: %v", cleared)
	}
	if _, marked := call(t, "PATCH", ti+"/select", `{"new_state":"failed"}`); dig(marked, "task_instances.0.state") != "failed" {
		t.Errorf("mark failed: %v", marked)
	}
	if _, marked := call(t, "PATCH", ti+"/select", `{"new_state":"success","output":7}`); dig(marked, "task_instances.0.state") != "success" {
		t.Errorf("mark success: %v", marked)
	}
	if _, x := call(t, "GET", ti+"/select/xcomEntries/return_value", ""); x["value"] != 7.0 {
		t.Errorf("the output that was given: %v", x)
	}
	if _, d := call(t, "PATCH", api+"/dags/report", `{"is_paused":true}`); d["is_paused"] != true {
		t.Errorf("pause: %v", d)
	}
	if status, run := call(t, "POST", api+"/dags/listed/dagRuns", `{"logical_date":"2024-01-05T00:00:00+00:00","dag_run_id":"l"}`); status != 200 || run["logical_date"] != "2024-01-05T00:00:00Z" {
		t.Errorf("trigger with a date: %d %v", status, run)
	}
	req, _ = http.NewRequestWithContext(t.Context(), "GET", api+"/dags/listed/dagRuns/l/wait?interval=0.05&result=each", nil)
	req.Header.Set("Accept", "application/json, application/x-ndjson")
	if text, _ := do(t, req); strings.TrimSpace(text) != `{"results":{"each":[10,20,30]},"state":"success"}` {
		t.Errorf("wait of a client that wants JSON: %q", text)
	}
	status, b := call(t, "POST", api+"/backfills", `{"dag_id":"daily","from_date":"2024-01-03","to_date":"2024-01-04T00:00:00Z","max_active_runs":1}`)
	if status != 200 || b["max_active_runs"] != 1.0 {
		t.Fatalf("backfill: %d %v", status, b)
	}
	eventually(t, "the backfill is done", func() bool {
		_, b := call(t, "GET", api+"/backfills/1", "")
		return b["completed_at"] != nil && dig(b, "run_counts.success") == 2.0
	})
	if status, _ := call(t, "PUT", api+"/backfills/1/cancel", ""); status != 409 {
		t.Errorf("cancel what is done: %d", status)
	}
	_, dry = call(t, "POST", api+"/backfills/dry_run", `{"dag_id":"daily","from_date":"2024-01-04","to_date":"2024-01-05"}`)
	if dry["total_entries"] != 1.0 || dig(dry, "skipped.0.reason") != "already exists" {
		t.Errorf("dry run of a backfill: %v", dry)
	}
	if status, token := call(t, "POST", base+"/auth/token", `{"username":"a","password":"b"}`); status != 201 || token["access_token"] == "" {
		t.Errorf("token: %d %v", status, token)
	}
}

func TestEvents(t *testing.T) {
	base, _, gate := working(t)
	call(t, "POST", base+"/api/v2/dags/report/dagRuns", `{"logical_date":null,"dag_run_id":"a","conf":{"days":3}}`)
	req, err := http.NewRequestWithContext(t.Context(), "GET", base+"/api/v2/events?dag_id=report&dag_run_id=a", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", "4711")
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	b := bufio.NewReader(r.Body)
	if kind, data := nextEvent(t, b); kind != "dag_run" || !strings.Contains(data, `"dag_run_id":"a"`) {
		t.Errorf("the present state comes first, even to whoever comes back: %s %s", kind, data)
	}
	close(gate)
	seen := map[string]bool{}
	for {
		kind, data := nextEvent(t, b)
		if seen[kind+data] {
			t.Fatalf("told twice: %s %s", kind, data)
		}
		seen[kind+data] = true
		if kind == "dag_run" && strings.Contains(data, `"state":"success"`) {
			return
		}
	}
}
