package web_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const (
	failedID   = "scheduled__2026-02-18T02:00:00+00:00"
	bulkFailed = "daily_transactions." + failedID + "."
)

// TestSeveralInstancesAreChanged asks that each entity is changed or told of, on its own.
func TestSeveralInstancesAreChanged(t *testing.T) {
	base, _ := shown(t)
	url := base + "/api/v2"
	for _, c := range []struct {
		path, body string
		want       map[string]string
	}{
		{dailyFailed + "/taskInstances", `{"actions":[{"action":"update","entities":[{"task_id":"quality_metrics","new_state":"success"},{"task_id":"nope","new_state":"success"},{"task_id":"dbt_test","map_index":-1,"note":"seen"},
			{"task_id":"dbt_test","dag_id":"bronze_audit","note":"x"},{"task_id":"dbt_run"}]}]}`,
			map[string]string{"update.success": "[" + bulkFailed + "quality_metrics[-1] " + bulkFailed + "dbt_test[-1]]", "update.errors.0.status_code": "404", "update.errors.1.status_code": "422", "update.errors.1.error.0.loc.1": "dag_id",
				"update.errors.2.status_code": "422", "update.errors.2.error.0.loc.1": "new_state", "update.errors.3": "<nil>", "create": "<nil>", "delete": "<nil>"}},
		{"/dags/~/dagRuns/~/taskInstances", `{"actions":[{"action":"update","action_on_non_existence":"skip","entities":[{"task_id":"nope","dag_id":"daily_transactions","dag_run_id":"` + failedID + `","note":"x"},{"task_id":"dbt_test","note":"x"},
			{"task_id":"dbt_test","dag_id":"daily_transactions","dag_run_id":"` + failedID + `","new_state":"failed","note":"both"}]},{"action":"delete","entities":[{"task_id":"dbt_run"}]}]}`,
			map[string]string{"update.success": "[" + bulkFailed + "dbt_test[-1]]", "update.errors.0.status_code": "422", "update.errors.1": "<nil>", "delete.errors.0.status_code": "405", "delete.success": "[]"}},
		{dailyFailed + "/taskInstances", `{"actions":[]}`, map[string]string{"update": "<nil>"}},
	} {
		code, answer := call(t, http.MethodPatch, url+c.path, c.body)
		if code != http.StatusOK {
			t.Errorf("%s: %d %v", c.path, code, answer)
		}
		for at, want := range c.want {
			if got := fmt.Sprint(dig(answer, at)); got != want {
				t.Errorf("%s: %s is %s, want %s: %v", c.path, at, got, want, answer)
			}
		}
	}
	for task, want := range map[string][2]string{"quality_metrics": {"success", "<nil>"}, "dbt_test": {"failed", "both"}} {
		_, answer := call(t, http.MethodGet, url+dailyFailed+"/taskInstances/"+task, "")
		if answer["state"] != want[0] || fmt.Sprint(answer["note"]) != want[1] {
			t.Errorf("%s: %v, %v, want %s", task, answer["state"], answer["note"], want)
		}
	}
	if code, answer := call(t, http.MethodPatch, url+dailyFailed+"/taskInstances", `{"actions":[{"action":"burn","entities":[]}]}`); code != http.StatusUnprocessableEntity {
		t.Errorf("an action that there is not: %d %v", code, answer)
	}
}

// TestUnknownPathsOfTheAPIAreJSON asks for what the API does not have.
func TestUnknownPathsOfTheAPIAreJSON(t *testing.T) {
	base, _ := shown(t)
	for _, c := range [][2]string{{"GET", "/api"}, {"GET", "/api/"}, {"GET", "/api/v1/dags"}, {"GET", "/api/v2/nope"}, {"POST", "/api/v2/dags/daily_transactions/nope"}, {"DELETE", "/api/v2/dags"}, {"PUT", "/api/v2/pools"},
		{"DELETE", "/api/v2/dags/daily_transactions/assets"}, {"GET", "/auth/nope"}} {
		code, answer := call(t, c[0], base+c[1], "")
		if detail, _ := answer["detail"].(string); code != http.StatusNotFound && code != http.StatusMethodNotAllowed || !strings.Contains(detail, c[1]) {
			t.Errorf("%s %s: %d %v", c[0], c[1], code, answer)
		}
	}
}
