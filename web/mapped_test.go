package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/internal/showcase"
)

// TestABareAddressOfAMappedTaskLeadsToWhatAsksForAttention: the first element that failed, else the first that is unfinished.
func TestABareAddressOfAMappedTaskLeadsToWhatAsksForAttention(t *testing.T) {
	base := hard(t)
	usual, _ := features(t)
	for _, c := range []struct{ at, want string }{
		{base + byHand(showcase.Many) + "/tasks/send_invoice", "?map_index=60"},
		{base + byHand(showcase.Many) + "/tasks/send_invoice?map_index=-1&try=1", "?map_index=60&try=1"},
		{usual + scoresDAG + scoresRun(8) + "/tasks/score_file", "?map_index=0"},
	} {
		_, r := get(t, c.at)
		if r.StatusCode != http.StatusFound || !strings.HasSuffix(r.Header.Get("Location"), c.want) {
			t.Errorf("%s leads to %q, %s, want …%s", c.at, r.Header.Get("Location"), r.Status, c.want)
			continue
		}
		if body, r := get(t, c.at[:strings.Index(c.at, "/dags")]+r.Header.Get("Location")); r.StatusCode != http.StatusOK || !strings.Contains(body, `aria-current="page"`) {
			t.Errorf("%s leads to what is not there: %s", c.at, r.Status)
		}
	}
	if _, r := get(t, base+byHand(showcase.Many)+"/tasks/list"); r.StatusCode != http.StatusOK {
		t.Errorf("a task that is not mapped: %s", r.Status)
	}
}

// TestRetriesCountAnewAfterAClear clears a task that has failed three times of three: it may be tried three times more.
func TestRetriesCountAnewAfterAClear(t *testing.T) {
	base, store := shown(t)
	const instance = "/api/v2/dags/daily_transactions/dagRuns/scheduled__2026-02-18T02:00:00+00:00/taskInstances/"
	see := func(when, page, api string) {
		t.Helper()
		if body, _ := get(t, base+failedRun+"/tasks/dbt_run"); !strings.Contains(body, page) {
			t.Errorf("%s: %q is missing", when, page)
		}
		if body, _ := get(t, base+instance+"dbt_run"); !strings.Contains(body, api) {
			t.Errorf("%s: %s is missing: %s", when, api, body)
		}
	}
	see("failed", `<dd>3 <span class="muted">of 3</span>`, `"max_tries":2`)
	if _, r := form(t, base, failedRun+"/act", map[string][]string{"action": {"clear"}, "pick": {"dbt_run"}, "confirm": {"1"}}); r.StatusCode != http.StatusSeeOther {
		t.Fatal(r.Status)
	}
	see("cleared", `<dd>3 <span class="muted">of 6</span>`, `"max_tries":5`)
	row, err := store.RunByID(t.Context(), "daily_transactions", "scheduled__2026-02-18T02:00:00+00:00")
	if err != nil || row.State != engine.RunQueued {
		t.Fatal(row.State, err)
	}
}
