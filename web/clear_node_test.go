package web_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine"
)

// A virtual node is cleared alone, by the API and from its page: it waits to be run again, and the others of its task stay as they are.
func TestANodeIsClearedAlone(t *testing.T) {
	base, store := shown(t)
	const dag, run = "daily_transactions", "scheduled__2026-02-19T02:00:00+00:00"
	states := func() (waiting string, others int) {
		row, err := store.RunByID(t.Context(), dag, run)
		if err != nil {
			t.Fatal(err)
		}
		views, err := engine.View(t.Context(), store, []engine.RunRow{row}, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, tv := range views[0].Tasks {
			switch {
			case tv.Runner == "dbt_run" && tv.State == engine.Success:
				others++
			case tv.Runner == "dbt_run":
				waiting += tv.Task + " " + string(tv.State)
			}
		}
		return waiting, others
	}
	clear := base + "/api/v2/dags/" + dag + "/clearTaskInstances"
	for _, dry := range []string{"true", "false"} {
		code, got := call(t, http.MethodPost, clear, `{"dry_run": `+dry+`, "only_failed": false, "dag_run_id": "`+run+`", "task_ids": ["dbt_run_fct_transactions"]}`)
		if code != http.StatusOK || dig(got, "total_entries") != float64(1) || dig(got, "task_instances.0.task_id") != "dbt_run_fct_transactions" {
			t.Errorf("clear, dry run %s: %d %v", dry, code, got)
		}
	}
	if waiting, others := states(); waiting != "dbt_run_fct_transactions none" || others != 8 {
		t.Errorf("what waits: %q; %d others passed, want 8", waiting, others)
	}
	page := base + "/dags/" + dag + "/runs/" + url.PathEscape(run)
	body, _ := get(t, page+"/tasks/dbt_run_stg_rates")
	if !strings.Contains(body, "This node alone") || strings.Contains(body, "Mark failed") {
		t.Error("the page of a node does not offer to clear it, and nothing else")
	}
	for _, confirm := range []string{"", "1"} {
		form := url.Values{"action": {"clear"}, "pick": {"dbt_run_stg_rates"}, "downstream": {"1"}, "confirm": {confirm}, "next": {"/"}}
		req, err := newRequest(t, http.MethodPost, page+"/act")
		if err != nil {
			t.Fatal(err)
		}
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(form.Encode())), int64(len(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if body, r := do(t, req); r.StatusCode >= 400 || confirm == "" && !strings.Contains(body, "dbt_run_int_converted") {
			t.Errorf("clear on the page, confirmed %q: %s", confirm, r.Status)
		}
	}
	if waiting, others := states(); !strings.Contains(waiting, "dbt_run_stg_rates none") || !strings.Contains(waiting, "dbt_run_fct_daily_revenue none") || others != 5 {
		t.Errorf("what waits: %q; %d others passed, want 5", waiting, others)
	}
	if code, got := call(t, http.MethodPatch, base+"/api/v2/dags/"+dag+"/dagRuns/"+url.PathEscape(run)+"/taskInstances/dbt_run_fct_transactions", `{"new_state": "success"}`); code != http.StatusUnprocessableEntity {
		t.Errorf("mark a node: %d %v", code, got)
	}
}
