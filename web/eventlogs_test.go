package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
	"github.com/tidemill/tidemill/web/internal/showcase"
)

// TestWhatTheAPIDoesIsInTheAuditLog does things over the API and asks the log for the last entry each time; of what fails, or is only tried,
// there is none.
func TestWhatTheAPIDoesIsInTheAuditLog(t *testing.T) {
	base, store := features(t)
	run := scoresID(6)
	scores := "/dags/fraud_scores/dagRuns/" + url.PathEscape(run)
	release := "/dags/fraud_scores/dagRuns/" + url.PathEscape(scoresID(7)) + "/taskInstances/release"
	rates := fmt.Sprint(api.AssetID(showcase.Rates))
	last := func() engine.AuditEntry {
		t.Helper()
		all, _, err := store.Audit(t.Context(), engine.AuditFilter{OrderBy: []string{"-id"}, Limit: 1})
		if err != nil || len(all) != 1 {
			t.Fatal(len(all), err)
		}
		return all[0]
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		want               string // event, DAG, run, task, element; "": no entry
		extra              string // a part of what it carries
	}{
		{"PATCH", "/dags/fraud_scores", `{"is_paused":true}`, 200, "patch_dag fraud_scores   -1", `{"is_paused":true}`},
		{"PATCH", "/dags/nope", `{"is_paused":true}`, 404, "", ""},
		{"POST", "/dags/merchant_report/dagRuns", `{"dag_run_id":"mine","logical_date":null,"conf":{"days":3},"note":"n"}`, 200, "trigger_dag_run merchant_report mine  -1", `"days":3`},
		{"POST", "/dags/merchant_report/dagRuns", `{"dag_run_id":"mine","logical_date":null}`, 409, "", ""},
		{"POST", "/dags/merchant_report/dagRuns", `{"logical_date":null,"conf":{"zork":3}}`, 422, "", ""},
		{"PATCH", "/dags/merchant_report/dagRuns/mine", `{"state":"failed"}`, 200, "patch_dag_run merchant_report mine  -1", `{"state":"failed"}`},
		{"PATCH", scores, `{"note":"seen"}`, 200, "patch_dag_run fraud_scores " + run + "  -1", `{"note":"seen"}`},
		{"POST", "/dags/fraud_scores/clearTaskInstances", `{"dry_run":true,"dag_run_id":"` + run + `","task_ids":["publish"],"only_failed":false}`, 200, "", ""},
		{"POST", "/dags/fraud_scores/clearTaskInstances", `{"dry_run":false,"dag_run_id":"` + run + `","task_ids":["publish"],"only_failed":false}`, 200, "post_clear_task_instances fraud_scores " + run + " publish -1", `"task_instances":["publish"],"count":1`},
		{"PATCH", release, `{"note":"ask Ada"}`, 200, "patch_task_instance fraud_scores " + scoresID(7) + " release -1", `{"note":"ask Ada"}`},
		{"PATCH", release + "/-1/hitlDetails", `{"chosen_options":["maybe"]}`, 422, "", ""},
		{"PATCH", release + "/-1/hitlDetails", `{"chosen_options":["withhold"]}`, 200, "update_hitl_detail fraud_scores " + scoresID(7) + " release -1", `withhold`},
		{"PATCH", release + "/-1/hitlDetails", `{"chosen_options":["withhold"]}`, 409, "", ""},
		{"POST", scores + "/clear", `{"dry_run":false}`, 200, "clear_dag_run fraud_scores " + run + "  -1", `"count":`},
		{"POST", "/pools", `{"name":"new","slots":1}`, 201, "post_pool    -1", `"name":"new"`},
		{"PATCH", "/pools/new", `{"slots":7}`, 200, "patch_pool    -1", `"slots":7`},
		{"DELETE", "/pools/new", ``, 204, "delete_pool    -1", `{"name":"new"}`},
		{"DELETE", "/pools/new", ``, 404, "", ""},
		{"POST", "/assets/events", `{"asset_id":` + rates + `,"extra":{"why":"by hand"}}`, 200, "create_asset_event    -1", `"why":"by hand"`},
		{"DELETE", "/dags/fraud_digest/assets/queuedEvents?before=2001-01-01T00:00:00Z", ``, 404, "", ""},
		{"DELETE", "/assets/0/queuedEvents", ``, 404, "", ""}, // and what is pending stays: see the next
		{"DELETE", "/dags/fraud_digest/assets/0/queuedEvents", ``, 404, "", ""},
		{"DELETE", "/dags/fraud_digest/assets/" + rates + "/queuedEvents", ``, 204, "delete_dag_asset_queued_event fraud_digest   -1", showcase.Rates},
		{"DELETE", "/dags/fraud_digest/assets/" + rates + "/queuedEvents", ``, 404, "", ""},
		{"GET", "/dags/fraud_digest/assets/queuedEvents", ``, 404, "", ""},
		{"POST", "/assets/events", `{"asset_id":` + rates + `}`, 200, "create_asset_event    -1", showcase.Rates},
		{"DELETE", "/assets/12/queuedEvents", ``, 404, "", ""},
		{"DELETE", "/assets/" + rates + "/queuedEvents", ``, 204, "delete_asset_queued_events    -1", showcase.Rates},
		{"POST", "/assets/events", `{"asset_id":` + rates + `}`, 200, "create_asset_event    -1", showcase.Rates},
		{"DELETE", "/dags/fraud_digest/assets/queuedEvents", ``, 204, "delete_dag_asset_queued_events fraud_digest   -1", ""},
	} {
		before := last()
		req, err := http.NewRequestWithContext(t.Context(), c.method, base+"/api/v2"+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		text, r := do(t, req)
		if r.StatusCode != c.status {
			t.Errorf("%s %s: %d %s", c.method, c.path, r.StatusCode, text)
		}
		have := last()
		if c.want == "" {
			if have.ID != before.ID {
				t.Errorf("%s %s (%d) left %+v", c.method, c.path, c.status, have)
			}
			continue
		}
		got := fmt.Sprint(have.Event, " ", have.DAG, " ", have.RunID, " ", have.Task, " ", have.MapIndex)
		if have.ID != before.ID+1 || got != c.want || have.By != "rest_api" || !strings.Contains(string(have.Extra), c.extra) || len(have.Extra) > 0 && !json.Valid(have.Extra) {
			t.Errorf("%s %s left entry %d after %d: %q by %s, want %q with %s: %s", c.method, c.path, have.ID, before.ID, got, have.By, c.want, c.extra, have.Extra)
		}
	}
}

func TestReadingTheAuditLog(t *testing.T) {
	base, _ := features(t)
	var first map[string]any
	for _, c := range []struct{ query, at, want string }{
		{"", "event_logs.0.event_log_id", "1"},
		{"", "event_logs.0.event", "post_pool"},
		{"", "event_logs.0.dag_id", "<nil>"},
		{"", "event_logs.0.map_index", "<nil>"},
		{"?limit=1&offset=1", "event_logs.0.event_log_id", "2"},
		{"?owner=grace", "event_logs.0.owner", "grace"},
		{"?order_by=-when&limit=1&event=create_asset_event", "event_logs.0.event", "create_asset_event"},
		{"?task_id=score_file", "event_logs.0.map_index", "2"},
		{"?task_id=score_file", "event_logs.0.extra", `{"note":"Slow since the partition was split"}`},
		{"?task_id=score_file&map_index=2", "total_entries", "1"},
		{"?task_id=score_file&map_index=-1", "total_entries", "0"},
		{"?map_index=4000000000", "total_entries", "0"},
		{"?try_number=9", "total_entries", "0"},
		{"?dag_id_pattern=FRAUD%25sc&run_id_prefix_pattern=scheduled__2026-03-06", "total_entries", "2"},
		{"?dag_id_prefix_pattern=FRAUD", "total_entries", "0"},
		{"?dag_id_prefix_pattern=fraud%25", "total_entries", "0"},
		{"?event_pattern=pool&owner_pattern=AD", "total_entries", "3"},
		{"?event=patch_dag_run&included_events=post_pool", "total_entries", "0"},
		{"?event=post_pool&included_events=patch_dag&included_events=post_pool", "total_entries", "3"},
		{"?excluded_events=post_pool&excluded_events=create_asset_event&dag_id=fraud_scores", "total_entries", "2"},
		{"?before=2001-01-01T00:00:00Z", "total_entries", "0"},
		{"?after=2001-01-01T00:00:00Z&dag_id=fraud_scores", "total_entries", "2"},
		{"/1", "event", "post_pool"},
	} {
		status, answer := call(t, "GET", base+"/api/v2/eventLogs"+c.query, "")
		if got := fmt.Sprint(dig(answer, c.at)); status != 200 || got != c.want {
			t.Errorf("%s: %d, %s is %s, want %s", c.query, status, c.at, got, c.want)
		}
		first = answer
	}
	for _, field := range []string{"event_log_id", "when", "dag_id", "task_id", "run_id", "map_index", "try_number", "event", "logical_date", "owner", "extra", "dag_display_name", "task_display_name"} {
		if _, ok := first[field]; !ok {
			t.Errorf("an entry has no %s", field)
		}
	}
	for path, want := range map[string]int{"/9999": 404, "/x": 422, "?order_by=zork": 400, "?before=zork": 422, "?limit=-1": 422} {
		if status, answer := call(t, "GET", base+"/api/v2/eventLogs"+path, ""); status != want {
			t.Errorf("%s: %d %v, want %d", path, status, answer, want)
		}
	}
}

// TestThePagesOfTheAuditLogFollowEachOther goes through a log of three pages.
func TestThePagesOfTheAuditLogFollowEachOther(t *testing.T) {
	base, store := features(t)
	for i := range 120 {
		if err := store.SetPaused(t.Context(), showcase.Scores, i%2 == 0, engine.AuditEntry{Event: "patch_dag", By: "many", DAG: showcase.Scores, MapIndex: -1, Extra: fmt.Appendf(nil, `{"n":%d}`, i)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		path        string
		want, wrong []string
	}{
		{"/audit?who=many", []string{`{&#34;n&#34;:119}`, `{&#34;n&#34;:70}`, "1 – 50 of 120", `href="/audit?page=2&amp;who=many"`}, []string{`{&#34;n&#34;:69}`, "← Newer"}},
		{"/audit?who=many&page=3", []string{`{&#34;n&#34;:19}`, `{&#34;n&#34;:0}`, "101 – 120 of 120", `href="/audit?page=2&amp;who=many"`}, []string{"Older →"}},
		{"/audit?who=many&page=9", []string{"nothing so far back", `href="/audit?page=3&amp;who=many"`}, nil},
		{"/audit?dag=gone", []string{"Nothing fits", `<option selected>gone</option>`}, nil},
		{"/dags/fraud_scores", []string{`href="/audit?dag=fraud_scores"`}, nil},
		{"/dags/fraud_scores/runs/" + scoresID(6), []string{`href="/audit?dag=fraud_scores&amp;run=scheduled__2026-03-06T03%3A00%3A00%2B00%3A00"`}, nil},
	} {
		body, r := get(t, base+c.path)
		for _, w := range c.want {
			if r.StatusCode != 200 || !strings.Contains(body, w) {
				t.Errorf("%s: %d without %q", c.path, r.StatusCode, w)
			}
		}
		for _, w := range c.wrong {
			if strings.Contains(body, w) {
				t.Errorf("%s has %q", c.path, w)
			}
		}
	}
}
