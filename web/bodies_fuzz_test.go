package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/web"
	"github.com/tidemill/tidemill/web/api"
	"github.com/tidemill/tidemill/web/internal/showcase"
)

// A bodyCall is a call that takes a body, with bodies to begin from.
type bodyCall struct {
	hard         bool // of the DAGs that are hard to show; false: of those with features
	method, path string
	bodies       []string
}

func bodyCalls() []bodyCall {
	run := "/dags/fraud_scores/dagRuns/" + url.PathEscape(scoresID(7))
	return []bodyCall{
		{true, "POST", "/dags/every_param/dagRuns", []string{`{"logical_date":null}`, `{"logical_date":null,"conf":{"whole":7,"choice":"thorough","list":["a"]}}`,
			`{"logical_date":"2026-01-05T00:00:00Z","dag_run_id":"mine","note":"x","conf":{"inner":{"a":2},"at":"2026-01-01T00:00:00Z"}}`, `{"logical_date":null,"conf":{"whole":0}}`, `{"logical_date":null,"run_after":"2026-01-01T00:00:00Z","partition_key":null}`,
			`{"logical_date":null,"conf":null,"data_interval_start":null,"data_interval_end":"2026-01-01T00:00:00+0000"}`}},
		{true, "POST", "/backfills", []string{`{"dag_id":"every_param","from_date":"2026-01-01","to_date":"2026-01-02","dag_run_conf":{"whole":2},"max_active_runs":1,"run_backwards":true,"reprocess_behavior":"failed"}`}},
		{true, "POST", "/backfills/dry_run", []string{`{"dag_id":"every_param","from_date":"2026-01-01T00:00:00Z","to_date":"2026-01-02","task_ids":["only"],"run_on_latest_version":true}`}},
		{false, "POST", run + "/clear", []string{`{"dry_run":true,"only_failed":false}`, `{"dry_run":false,"only_new":false,"run_on_latest_version":true,"note":"x"}`}},
		{false, "PATCH", run, []string{`{"state":"failed"}`, `{"note":"x"}`, `{"state":"queued","note":null}`}},
		{false, "POST", "/dags/fraud_scores/clearTaskInstances", []string{`{"dry_run":true,"dag_run_id":"` + scoresID(7) + `","task_ids":["publish",["score_file",1]],"include_upstream":true}`,
			`{"dry_run":false,"start_date":"2026-03-01T00:00:00Z","end_date":"2026-03-05T00:00:00Z","only_failed":true,"reset_dag_runs":true}`}},
		{false, "PATCH", run + "/taskInstances/publish", []string{`{"new_state":"success","include_downstream":true}`, `{"note":"x"}`}},
		{false, "PATCH", run + "/taskInstances/publish/dry_run", []string{`{"new_state":"failed","include_past":true}`}},
		{false, "PATCH", run + "/taskInstances/publish/-1", []string{`{"new_state":"success","output":7}`}},
		{false, "PATCH", run + "/taskInstances/release/-1/hitlDetails", []string{`{"chosen_options":["publish"],"params_input":{}}`}},
		{false, "POST", "/dags/~/dagRuns/list", []string{`{"dag_ids":["fraud_scores"],"states":["failed"],"page_limit":5,"order_by":"-logical_date"}`, `{"logical_date_gte":"2026-03-01T00:00:00Z"}`}},
		{false, "POST", "/dags/~/dagRuns/~/taskInstances/list", []string{`{"dag_ids":["fraud_scores"],"state":["failed",null],"page_offset":1,"duration_gte":0.5,"pool":["warehouse"]}`}},
		{false, "PATCH", "/dags?limit=1", []string{`{"is_paused":true}`}},
		{false, "PATCH", "/dags/fraud_scores", []string{`{"is_paused":false}`}},
		{false, "POST", "/pools", []string{`{"name":"p","slots":3,"description":"x","include_deferred":false}`}},
		{false, "PATCH", "/pools/warehouse", []string{`{"pool":"warehouse","slots":5,"description":null,"include_deferred":false}`}},
		{false, "POST", "/assets/events", []string{fmt.Sprintf(`{"asset_id":%d,"extra":{"rows":1}}`, api.AssetID(showcase.Rates))}},
		{false, "POST", fmt.Sprintf("/assets/%d/materialize", api.AssetID(showcase.ScoresOf)), []string{`{"conf":{},"note":"x","logical_date":null}`, ``}},
		{true, "PUT", "/backfills/1/pause", []string{``, `{}`}},
	}
}

// FuzzRequestBodies sends whatever body to each call that takes one. None fails on our side; what is refused is refused clearly, and a body
// that does not fit (422) with what of it does not.
func FuzzRequestBodies(f *testing.F) {
	calls := bodyCalls()
	for i, c := range calls {
		for _, b := range append(c.bodies, `{}`, `null`, `[]`, `"x"`, `{"dag_id":1e999}`, `{"a":"\u0000"}`, "{\"note\":\"\xff\"}") {
			f.Add(uint8(i), []byte(b))
		}
	}
	var handlers map[bool]http.Handler
	served := 0
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		if served%5000 == 0 { // history grows
			handlers = map[bool]http.Handler{false: filled(t, showcase.FillFeatures), true: filled(t, showcase.FillHard)}
		}
		served++
		c := calls[int(which)%len(calls)]
		r := httptest.NewRequest(c.method, "http://127.0.0.1:8080/api/v2"+c.path, strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handlers[c.hard].ServeHTTP(w, r)
		if err := clearAnswer(w); err != nil {
			t.Fatalf("%s %s with %q: %d %v: %s", c.method, c.path, body, w.Code, err, w.Body)
		}
	})
}

func filled(t testing.TB, fill func(context.Context, engine.Store, func(time.Time)) (*engine.Control, error)) http.Handler {
	t.Helper()
	clock := showcase.NewClock()
	store := enginetest.NewStore(clock)
	control, err := fill(t.Context(), store, clock.Set)
	if err != nil {
		t.Fatal(err)
	}
	h, err := web.New(web.Config{Control: control, Store: store, Version: "1", Clock: clock, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// clearAnswer errs when an answer is a failure of ours, or a refusal that does not say what to mend.
func clearAnswer(w *httptest.ResponseRecorder) error {
	if w.Code >= 500 {
		return fmt.Errorf("fails")
	}
	if w.Code < 400 {
		return nil
	}
	var refusal struct{ Detail any }
	if err := json.Unmarshal(w.Body.Bytes(), &refusal); err != nil {
		return err
	}
	switch detail := refusal.Detail.(type) {
	case string:
		if detail == "" || w.Code == http.StatusUnprocessableEntity {
			return fmt.Errorf("names no field")
		}
	case []any:
		for _, p := range detail {
			loc, _ := dig(p, "loc").([]any)
			if msg, _ := dig(p, "msg").(string); len(loc) == 0 || msg == "" {
				return fmt.Errorf("names no field")
			}
		}
		if len(detail) == 0 {
			return fmt.Errorf("says nothing")
		}
	default:
		return fmt.Errorf("has no detail")
	}
	return nil
}

// The bodies that fuzzing begins from get as far as the engine.
func TestBodiesThatFuzzingBeginsFrom(t *testing.T) {
	handlers := map[bool]http.Handler{false: filled(t, showcase.FillFeatures), true: filled(t, showcase.FillHard)}
	for _, c := range bodyCalls() {
		r := httptest.NewRequestWithContext(t.Context(), c.method, "http://127.0.0.1:8080/api/v2"+c.path, strings.NewReader(c.bodies[0]))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handlers[c.hard].ServeHTTP(w, r)
		if w.Code >= 400 && w.Code != http.StatusConflict {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
	}
}
