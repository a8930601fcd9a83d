package web_test

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/tidemill/tidemill/engine"
)

const scoresDAG = "/dags/fraud_scores"

// scoresRun is the path of a run of fraud_scores below its DAG's, by its day in March.
func scoresRun(day int) string { return "/runs/" + scoresID(day) }

// featureLooks are the pages over runs that use what DAGs can have.
var featureLooks = []look{
	{"feature-dag", scoresDAG, []string{"daily at 03:00 UTC", "to pass the day, at most 6 h 00 min", "5 failed runs", `aria-label="release: awaiting input"`, "up for reschedule", ">1 question<"}},
	{"feature-graph", scoresDAG + "/graph", []string{`text-anchor="end">yes</text>`, `class="edge first"`, "asks a person", "optional, or the first of several"}},
	{"feature-dag-assets", "/dags/fraud_digest", []string{"by assets", "gold.fraud_scores and (s3://treasury/fx_rates.parquet or manual_rates)"}},
	{"feature-run-held", scoresDAG + scoresRun(9), []string{"Not started: waits until stream bronze_ingest"}},
	{"feature-run-asked", scoresDAG + scoresRun(7), []string{`class="badge awaiting_input"`, "waits for a person&#39;s answer", "1 <code>5a17b0c2d9e44f01</code>", "score_file [1] eu/part-01.parquet"}},
	{"feature-run-running", scoresDAG + scoresRun(8), []string{"4 of the 4 slots of pool", "score_file [0] eu/part-00.parquet", "looks again at", "up for reschedule"}},
	{"feature-run-graph", scoresDAG + scoresRun(8) + "/graph", []string{"waits for score_file", `class="node task up_for_reschedule"`}},
	{"feature-run-assets", "/dags/fraud_digest/runs/asset_triggered__2026-03-07T03:05:00+00:00", []string{"Triggered by 2 updates", "asset triggered", "import_rates"}},
	{"feature-run-noted", scoresDAG + scoresRun(6), []string{"treasury knows (see TR-118)", "Edit the note", ">note<"}},
	{"feature-task-asked", scoresDAG + scoresRun(7) + "/tasks/release", []string{"117 of 41,622 payments look doubtful", `value="withhold"`, "Without an answer <strong>withhold</strong> is taken", "Add a note"}},
	{"feature-task-answered", scoresDAG + scoresRun(6) + "/tasks/release", []string{"117 of 41,622 payments", "Answered <strong>publish</strong> by ada"}},
	{"feature-task-element", scoresDAG + scoresRun(6) + "/tasks/score_file?map_index=2", []string{"score_file [2] us/part-00.parquet", "Slow since the partition was split", "2 slots", "start_cluster"}},
	{"feature-task-sensor", scoresDAG + scoresRun(8) + "/tasks/wait_for_rates", []string{"Looks every", "5 min 00 s", "gives up at"}},
	{"feature-task-deferred", "/dags/ledger_close/runs/scheduled__2026-03-06T00:00:00+00:00/tasks/report", []string{"waits for the end of run triggered_by_ledger", "merchant_report"}},
	{"feature-task-past", "/dags/ledger_close/runs/scheduled__2026-03-08T00:00:00+00:00/tasks/close_books", []string{"depends on past", "it is failed"}},
	{"feature-pools", "/pools", []string{"4 of 4", "4 asked for by what is ready", "score_file [0]", "Closed for the audit", "No task names it"}},
	{"feature-assets", "/assets", []string{"gold.fraud_scores", "waits for more", "41622", "by hand", "fraud_digest"}},
	{"feature-audit", "/audit", []string{"Pool created", "grace", "treasury knows (see TR-118)", "score_file [2]", ",<wbr>&#34;slots&#34;:4}", "There are no users yet"}},
	{"feature-audit-run", "/audit?dag=fraud_scores&run=" + url.QueryEscape(scoresID(6)), []string{"Only of run", "Task noted", `href="/audit">Show all<`}},
	{"feature-audit-none", "/audit?who=nobody&what=post_pool", []string{"Nothing fits"}},
	{"feature-questions", "/questions", []string{"117 of 41,622 payments", "Answered lately", "ada"}},
}

func TestFeaturePagesOverHTTP(t *testing.T) {
	base, _ := features(t)
	read(t, base, featureLooks)
	base, _ = shown(t)
	read(t, base, []look{{"no-pools", "/pools", []string{"There is no pool"}}, {"no-assets", "/assets", []string{"No DAG names an asset"}}, {"no-questions", "/questions", []string{"Nobody is asked anything"}}})
}

// TestFeaturePagesInABrowser opens the pages wide and light, and narrow and dark; for pictures in all sizes.
func TestFeaturePagesInABrowser(t *testing.T) {
	ctx, ok := browser(t)
	if !ok {
		return
	}
	base, _ := features(t)
	some := []size{sizes[0], sizes[3]}
	if os.Getenv("TIDEMILL_PICTURES") != "" {
		some = sizes
	}
	open(t, ctx, base, featureLooks, some)
}

// TestNewStatesCanBeRead asks that text of each state's colour has a contrast of 4.5 on its badge, light and dark.
func TestNewStatesCanBeRead(t *testing.T) {
	ctx, ok := browser(t)
	if !ok {
		return
	}
	base, _ := features(t)
	for _, dark := range []bool{false, true} {
		var bad []string
		err := chromedp.Run(ctx, screen(1440, 900, dark), chromedp.Navigate(base+"/questions"), chromedp.Evaluate(`(() => {
			const light = (c) => { const f = (v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; return .2126 * f(c[0]) + .7152 * f(c[1]) + .0722 * f(c[2]); };
			const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
			const rgb = (color) => { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data].map((v) => v / 255); };
			return [...["success", "failed", "running", "up_for_retry", "up_for_reschedule", "deferred", "awaiting_input", "upstream_failed", "skipped", "restarting"]].filter((state) => {
				const e = document.createElement("span");
				e.className = "badge " + state;
				document.getElementById("main").append(e);
				const style = getComputedStyle(e), a = light(rgb(style.color)), b = light(rgb(style.backgroundColor));
				return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) < 4.5;
			});
		})()`, &bad))
		if err != nil || len(bad) > 0 {
			t.Errorf("dark %t: too little contrast: %v %v", dark, bad, err)
		}
	}
}

func TestPeopleOverHTTP(t *testing.T) {
	base, store := features(t)
	run, release := scoresDAG+"/runs/"+url.PathEscape(scoresID(7)), engine.TaskKey{Task: "release", MapIndex: -1}
	post := func(path string, values url.Values, status int, text string) {
		t.Helper()
		body, r := form(t, base, path, values)
		if r.StatusCode != status || !strings.Contains(body, text) {
			t.Errorf("POST %s %v: %s, want %d with %q", path, values, r.Status, status, text)
		}
	}
	answer := url.Values{"task": {"release"}, "map_index": {"-1"}, "choice": {"maybe"}}
	post(run+"/answer", answer, http.StatusUnprocessableEntity, "is no answer")
	answer.Set("choice", "publish")
	post(run+"/answer", answer, http.StatusSeeOther, "")
	post(run+"/answer", answer, http.StatusConflict, "not open")
	row, err := store.RunByID(t.Context(), "fraud_scores", scoresID(7))
	if err != nil {
		t.Fatal(err)
	}
	release.Run = row.Key
	if a, err := store.Attempt(t.Context(), release, -1); err != nil || !strings.Contains(string(a.Output), `"by":"ui"`) {
		t.Errorf("the answer is %s, %v", a.Output, err)
	}
	post(run+"/note", url.Values{"note": {"for ada@example.com\r\nand others"}}, http.StatusSeeOther, "")
	if row, _ = store.RunByID(t.Context(), "fraud_scores", scoresID(7)); row.Note != "for ada@example.com\nand others" {
		t.Errorf("the note is %q", row.Note)
	}
	if body, _ := get(t, base+run); strings.Contains(body, "ada@example.com") || !strings.Contains(body, "and others") {
		t.Error("the note is not there, or shows an address")
	}
	post(run+"/note", url.Values{"note": {"for •••"}}, http.StatusUnprocessableEntity, "stands for what is not shown")
	post(run+"/note", url.Values{"note": {strings.Repeat("x", 1001)}}, http.StatusUnprocessableEntity, "1001 characters")
	post(run+"/note", url.Values{"task": {"score_file"}, "map_index": {"1"}, "note": {"look here"}}, http.StatusSeeOther, "")
	if body, _ := get(t, base+run+"/tasks/score_file?map_index=1"); !strings.Contains(body, "look here") {
		t.Error("the task's note is not on its page")
	}
	post("/pools", url.Values{"name": {"warehouse"}, "slots": {"8"}, "new": {"1"}}, http.StatusUnprocessableEntity, "already")
	post("/pools", url.Values{"name": {"warehouse"}, "slots": {"eight"}}, http.StatusUnprocessableEntity, "whole number")
	post("/pools", url.Values{"name": {"warehouse"}, "slots": {"8"}, "next": {"/pools"}}, http.StatusSeeOther, "")
	if body, _ := get(t, base+"/pools"); !strings.Contains(body, "4 of 8") {
		t.Error("the pool is not larger")
	}
	post("/pools/ledger/delete", nil, http.StatusSeeOther, "")
	if body, _ := get(t, base+"/pools"); !strings.Contains(body, "Tasks name it and it is not there") {
		t.Error("a pool that is named and missing is not shown")
	}
	post("/assets", url.Values{"asset": {"manual_rates"}, "extra": {`[1]`}}, http.StatusUnprocessableEntity, "JSON object")
	post("/assets", url.Values{"asset": {"manual_rates"}, "extra": {`{"rows":7}`}, "next": {"/assets"}}, http.StatusSeeOther, "")
	if events, err := store.AssetEvents(t.Context(), "manual_rates", 9); err != nil || len(events) != 1 || events[0].Task != "ui" {
		t.Errorf("the asset's events are %+v, %v", events, err)
	}
}
