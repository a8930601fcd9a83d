package web_test

import (
	"fmt"
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

// features serves runs that use what DAGs can have.
func features(t *testing.T) (base string, store engine.Store) {
	t.Helper()
	clock := showcase.NewClock()
	store = enginetest.NewStore(clock)
	control, err := showcase.FillFeatures(t.Context(), store, clock.Set)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, web.Config{Control: control, Store: store, Version: "1.2.3", Build: "abc", Clock: clock}), store
}

// scoresID is the id of a run of fraud_scores, by its day in March.
func scoresID(day int) string {
	return fmt.Sprintf("scheduled__2026-03-%02dT03:00:00+00:00", day)
}

func TestReadingFeatures(t *testing.T) {
	base, _ := features(t)
	scores := func(day int) string { return "/dags/fraud_scores/dagRuns/" + url.PathEscape(scoresID(day)) }
	asset, rates := fmt.Sprint(api.AssetID(showcase.ScoresOf)), fmt.Sprint(api.AssetID(showcase.Rates))
	for _, c := range []struct{ path, at, want string }{
		{"/pools", "total_entries", "4"},
		{"/pools?pool_name_pattern=ware", "pools.0.name", "warehouse"},
		{"/pools?order_by=-slots&limit=1", "pools.0.slots", "4"},
		{"/pools/warehouse", "running_slots", "4"},
		{"/pools/warehouse", "queued_slots", "4"},
		{"/pools/warehouse", "open_slots", "0"},
		{"/pools/default_pool", "open_slots", "-1"},
		{"/assets", "total_entries", "3"},
		{"/assets?dag_ids=ledger_close", "assets.0.uri", showcase.Rates},
		{"/assets?name_pattern=gold%25", "assets.0.producing_tasks.0.task_id", "publish"},
		{"/assets/" + asset, "scheduled_dags.0.dag_id", "fraud_digest"},
		{"/assets/" + rates, "name", showcase.Rates},
		{"/assets/events?order_by=-timestamp&asset_id=" + rates, "asset_events.2.updated_by", "grace"},
		{"/assets/events?asset_id=" + rates, "total_entries", "4"},
		{"/assets/events?source_dag_id=fraud_scores", "asset_events.0.extra.rows", "41622"},
		{"/assets/events?source_dag_id=fraud_scores", "asset_events.0.created_dagruns.0.dag_id", "fraud_digest"},
		{"/assets/" + rates + "/queuedEvents", "queued_events.0.dag_id", "fraud_digest"},
		{"/dags/fraud_digest/assets/queuedEvents", "total_entries", "1"},
		{"/dags/fraud_digest/assets/" + rates + "/queuedEvents", "dag_id", "fraud_digest"},
		{"/dags/fraud_digest/dagRuns", "dag_runs.0.run_type", "asset_triggered"},
		{"/dags/fraud_digest/dagRuns", "dag_runs.0.triggered_by", "asset"},
		{"/dags/fraud_digest/dagRuns/asset_triggered__2026-03-07T03:05:00+00:00/upstreamAssetEvents", "total_entries", "2"},
		{"/dags/fraud_digest/details", "asset_expression.all.1.any.0.asset.name", showcase.Rates},
		{"/dags/fraud_digest", "timetable_summary", "Asset"},
		{"/dags/fraud_scores/details", "dag_run_timeout", "PT14400S"},
		{"/dags/fraud_scores/details", "latest_dag_version.version_number", "2"},
		{"/dags/fraud_scores", "max_consecutive_failed_dag_runs", "5"},
		{"/dags/fraud_scores/dagVersions", "total_entries", "2"},
		{"/dags/fraud_scores/dagVersions/1", "bundle_version", "5a17b0c2d9e44f01"},
		{"/dags/~/dagVersions?order_by=-version_number", "dag_versions.0.dag_id", "fraud_scores"},
		{"/dags/merchant_report/dagRuns", "dag_runs.0.triggered_by", "operator"},
		{scores(9), "hold", "bronze_ingest 2026-03-10T02:06:00Z"},
		{scores(6), "note", "Rates came late; treasury knows (see TR-118)."},
		{scores(6), "dag_versions.0.version_number", "2"},
		{scores(6) + "/taskInstances/list_files/tries/1", "dag_version.version_number", "1"},
		{scores(6) + "/taskInstances/score_file/2", "note", "Slow since the partition was split"},
		{scores(6) + "/taskInstances/score_file/2", "rendered_map_index", "us/part-00.parquet"},
		{scores(8) + "/taskInstances/score_file/3", "pool", "warehouse"},
		{scores(8) + "/taskInstances/score_file/3", "pool_slots", "2"},
		{scores(8) + "/taskInstances?pool=warehouse&state=queued", "total_entries", "2"},
		{scores(8) + "/taskInstances/score_file/3/dependencies", "dependencies.0.name", "Pool Slots Available"},
		{scores(8) + "/taskInstances/wait_for_rates", "state", "up_for_reschedule"},
		{scores(8) + "/taskInstances/wait_for_rates/dependencies", "dependencies.0.name", "Ready To Reschedule"},
		{scores(9) + "/taskInstances/start_cluster", "reason", "waits until stream bronze_ingest, which is at 2026-03-10T02:02:07Z, has passed 2026-03-10T02:06:00Z, at most until 2026-03-10T08:02:10Z"},
		{scores(7) + "/taskInstances/release", "state", "awaiting_input"},
		{scores(7) + "/hitlDetails", "hitl_details.0.options.1", "withhold"},
		{scores(7) + "/hitlDetails", "hitl_details.0.response_received", "false"},
		{scores(6) + "/taskInstances/release/-1/hitlDetails", "chosen_options.0", "publish"},
		{scores(6) + "/taskInstances/release/-1/hitlDetails", "responded_by_user.name", "ada"},
		{scores(6) + "/taskInstances/release/-1/hitlDetails/tries/1", "chosen_options.0", "publish"},
		{scores(6) + "/taskInstances/release/-1/hitlDetails/tries/1", "task_instance.try_number", "1"},
		{scores(7) + "/taskInstances/release/-1/hitlDetails/tries/1", "response_received", "false"},
		{scores(7) + "/taskInstances/release/-1/hitlDetails/tries/1", "subject", "117 of 41,622 payments look doubtful. Publish the scores of this day?"},
		{"/dags/~/dagRuns/~/hitlDetails", "total_entries", "2"},
		{"/dags/~/dagRuns/~/hitlDetails?response_received=false", "hitl_details.0.task_instance.dag_run_id", scoresID(7)},
		{"/dags/~/dagRuns/~/hitlDetails?responded_by_user_name=ada&subject_search=DOUBTFUL", "total_entries", "1"},
		{"/dags/fraud_scores/tasks/deep_check", "upstream.0.branch", "yes"},
		{"/dags/fraud_scores/tasks/start_cluster", "is_setup", "true"},
		{"/dags/ledger_close/tasks/close_books", "depends_on_past", "true"},
		{"/dags/ledger_close/tasks/report", "triggers_dag_id", "merchant_report"},
	} {
		status, answer := call(t, "GET", base+"/api/v2"+c.path, "")
		if got := fmt.Sprint(dig(answer, c.at)); status != 200 || got != c.want {
			t.Errorf("%s: %d, %s is %s, want %s", c.path, status, c.at, got, c.want)
		}
	}
}

func TestDoingFeatures(t *testing.T) {
	base, store := features(t)
	release := "/dags/fraud_scores/dagRuns/" + url.PathEscape(scoresID(7)) + "/taskInstances/release"
	digest := "/dags/fraud_digest/dagRuns/asset_triggered__2026-03-07T03:05:00+00:00"
	asset := fmt.Sprint(api.AssetID(showcase.ScoresOf))
	for _, c := range []struct {
		method, path, body string
		status             int
		at, want           string
	}{
		{"POST", "/pools", `{"name":"new","slots":-1,"description":"d","include_deferred":false}`, 201, "slots", "-1"},
		{"POST", "/pools", `{"name":"new","slots":1}`, 409, "detail", "exists"},
		{"POST", "/pools", `{"name":"default_pool","slots":1}`, 409, "detail", "exists"},
		{"POST", "/pools", `{"name":"a b","slots":1}`, 422, "detail.0.loc.1", "name"},
		{"POST", "/pools", `{"name":"n","slots":-2}`, 422, "detail.0.loc.1", "slots"},
		{"POST", "/pools", `{"name":"n","slots":2,"include_deferred":true}`, 422, "detail.0.loc.1", "include_deferred"},
		{"PATCH", "/pools/new", `{"slots":7}`, 200, "slots", "7"},
		{"PATCH", "/pools/new?update_mask=description", `{"slots":8,"description":"e"}`, 200, "slots", "7"},
		{"PATCH", "/pools/new", `{"pool":"other"}`, 400, "detail", "does not change"},
		{"PATCH", "/pools/default_pool", `{"slots":8}`, 400, "detail", "cannot be changed"},
		{"PATCH", "/pools/nope", `{"slots":8}`, 404, "detail", "nope"},
		{"DELETE", "/pools/default_pool", ``, 400, "detail", "can't be deleted"},
		{"DELETE", "/pools/nope", ``, 404, "detail", "nope"},
		{"POST", "/assets/events", `{"asset_id":` + asset + `,"extra":{"why":"by hand"}}`, 200, "extra.why", "by hand"},
		{"POST", "/assets/events", `{"asset_id":` + asset + `}`, 200, "updated_by", "rest_api"},
		{"POST", "/assets/events", `{"asset_id":12}`, 404, "detail", "12"},
		{"POST", "/assets/events", `{"asset_id":` + asset + `,"partition_key":"x"}`, 422, "detail.0.loc.1", "partition_key"},
		{"GET", "/dags/fraud_scores/assets/queuedEvents", ``, 404, "detail", "fraud_scores"},
		{"GET", "/assets/aliases", ``, 404, "detail", "aliases"},
		{"POST", "/assets/" + asset + "/materialize", `{"logical_date":null,"dag_run_id":"m"}`, 200, "dag_id", "fraud_scores"},
		{"PATCH", digest, `{"note":"read by the board"}`, 200, "note", "read by the board"},
		{"PATCH", digest, `{"note":""}`, 200, "note", "<nil>"},
		{"PATCH", digest, `{"note":"` + strings.Repeat("x", 1001) + `"}`, 422, "detail.0.loc.1", "note"},
		{"PATCH", release, `{"note":"ask Ada"}`, 200, "task_instances.0.note", "ask Ada"},
		{"PATCH", release + "/dry_run", `{"note":"ask nobody"}`, 200, "task_instances.0.note", "ask Ada"},
		{"PATCH", strings.TrimSuffix(release, "release") + "score_file", `{"note":"all"}`, 200, "task_instances.3.note", "all"},
		{"PATCH", strings.TrimSuffix(release, "release") + "score_file/1", `{"note":"one"}`, 200, "total_entries", "1"},
		{"PATCH", release, `{}`, 422, "detail.0.msg", "or a note"},
		{"GET", strings.TrimSuffix(release, "release") + "publish/-1/hitlDetails", ``, 404, "detail", "does not exist"},
		{"GET", release + "/-1/hitlDetails/tries/2", ``, 404, "detail", "try_number: `2` was not found"},
		{"GET", strings.TrimSuffix(release, "release") + "publish/-1/hitlDetails/tries/1", ``, 404, "detail", "does not exist"},
		{"PATCH", release + "/-1/hitlDetails", `{"chosen_options":["maybe"]}`, 422, "detail.0.msg", "none of the answers"},
		{"PATCH", release + "/-1/hitlDetails", `{"chosen_options":["publish","withhold"]}`, 422, "detail.0.msg", "one answer"},
		{"PATCH", release + "/-1/hitlDetails", `{"chosen_options":[]}`, 422, "detail.0.loc.1", "chosen_options"},
		{"PATCH", release + "/-1/hitlDetails", `{"chosen_options":["escalate"],"params_input":{}}`, 200, "responded_by.name", "rest_api"},
		{"PATCH", release + "/-1/hitlDetails", `{"chosen_options":["publish"]}`, 409, "detail", "already"},
		{"GET", release + "/-1/hitlDetails", ``, 200, "chosen_options.0", "escalate"},
	} {
		status, answer := call(t, c.method, base+"/api/v2"+c.path, c.body)
		if got := fmt.Sprint(dig(answer, c.at)); status != c.status || !strings.Contains(got, c.want) {
			t.Errorf("%s %s %.80s: %d %v, want %d with %q in %s", c.method, c.path, c.body, status, answer, c.status, c.want, c.at)
		}
	}
	req, err := newRequest(t, "DELETE", base+"/api/v2/pools/new")
	if err != nil {
		t.Fatal(err)
	}
	if body, r := do(t, req); r.StatusCode != 204 || body != "" {
		t.Errorf("delete a pool: %s %q", r.Status, body)
	}
	pools, err := store.Pools(t.Context())
	if err != nil || len(pools) != 3 {
		t.Errorf("%d pools are left, want 3: %v", len(pools), err)
	}
}

// TestTheQuestionOfAnOlderTry asks anew after an answer: the older try still has its own question and answer.
func TestTheQuestionOfAnOlderTry(t *testing.T) {
	base, store := features(t)
	run, err := store.RunByID(t.Context(), "fraud_scores", scoresID(6))
	if err != nil {
		t.Fatal(err)
	}
	now, err := store.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key := engine.TaskKey{Run: run.Key, Task: "release", MapIndex: -1}
	err = store.Transition(t.Context(), engine.Transition{Runs: []int64{run.Key}, Decide: func(_ time.Time, rows []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
		r := rows[0]
		return []engine.RunChange{{Key: r.Key, State: r.State, States: r.States, Version: r.Version, FailedTasks: r.FailedTasks,
			Ask: []engine.QuestionRow{{TaskKey: key, Text: "Again?", Answers: []string{"publish"}, AskedAt: now}}}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	path := base + "/api/v2/dags/fraud_scores/dagRuns/" + url.PathEscape(scoresID(6)) + "/taskInstances/release/-1/hitlDetails"
	status, answer := call(t, "GET", path+"/tries/1", "")
	if subject := fmt.Sprint(answer["subject"]); status != 200 || !strings.Contains(subject, "of 41,622 payments") || fmt.Sprint(dig(answer, "chosen_options.0")) != "publish" {
		t.Errorf("of the older try: %d %v", status, answer)
	}
	if status, answer = call(t, "GET", path, ""); status != 200 || answer["subject"] != "Again?" {
		t.Errorf("of the latest: %d %v", status, answer)
	}
}
