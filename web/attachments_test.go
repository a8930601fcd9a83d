package web_test

import (
	"net/http"
	"strings"
	"testing"
)

// What a try keeps beside its log is told by a resource of its own, for the node that it is about, and is no line of the log.
func TestAttachments(t *testing.T) {
	base, _ := shown(t)
	api := base + "/api/v2/dags/daily_transactions/dagRuns/scheduled__2026-02-19T02:00:00+00:00/taskInstances/"
	for _, c := range []struct {
		task string
		has  []string
	}{
		{"dbt_run_fct_transactions/attachments/1", []string{`"name":"compiled.sql"`, "left join lateral", `"table":null`, `"total_entries":1`}},
		{"dbt_test_assert_no_pending_older_than_3_days/attachments/1", []string{`"name":"failing_rows"`, `"found":250`, `"PENDING"`, `"2026-02-13 08:41:27.003+00",null]`, `"total_entries":2`}},
		{"dbt_test/attachments/1", []string{`"attachments":[]`}},
		{"quality_metrics/attachments/1", []string{`"attachments":[]`}},
		{"dbt_test/logs/1", []string{"12 of 12 tests passed"}},
	} {
		body, r := get(t, api+c.task)
		if r.StatusCode != http.StatusOK {
			t.Errorf("%s: %s %s", c.task, r.Status, body)
		}
		for _, want := range c.has {
			if !strings.Contains(body, want) {
				t.Errorf("%s has no %s: %s", c.task, want, body)
			}
		}
		if strings.Contains(c.task, "/logs/") && strings.Contains(body, "attached") {
			t.Errorf("an attachment is a line of the log: %s", body)
		}
	}
	if _, r := get(t, api+"nothing/attachments/1"); r.StatusCode != http.StatusNotFound {
		t.Errorf("of a task that there is not: %s", r.Status)
	}
}
