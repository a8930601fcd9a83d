package web_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/coder/quartz"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/web"
)

type noParams = engine.Run[engine.NoParams]

type reportParams struct {
	Days  int  `json:"days" doc:"How many"`
	Break bool `json:"break"`
}

// working serves an engine that really runs. The task "gated" waits until the test opens the gate.
func working(t *testing.T) (base string, r *engine.Runtime, gate chan struct{}) {
	t.Helper()
	gate = make(chan struct{})
	d := engine.New[reportParams]("report", engine.Tags("test"))
	rows := engine.After(d.Run(), "select", func(ctx context.Context, r engine.Run[reportParams]) (int, error) {
		engine.Log(ctx).Info("selecting", "days", r.Params.Days, "customer_email", "ada@example.com")
		if r.Params.Break {
			return 0, errors.New("boom: somebody@example.com")
		}
		return r.Params.Days, nil
	})
	engine.Sink(rows, "gated", func(ctx context.Context, _ int) error {
		engine.Log(ctx).Info("at the gate")
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
		engine.Log(ctx).Info("through the gate")
		return nil
	})
	daily := engine.New[engine.NoParams]("daily", engine.Schedule("@daily", "UTC"), engine.StartDate(time.Now().AddDate(1, 0, 0)))
	engine.Sink(daily.Run(), "only", func(context.Context, noParams) error { return nil })
	list := engine.New[engine.NoParams]("listed")
	items := engine.After(list.Run(), "list", func(context.Context, noParams) ([]int, error) { return []int{1, 2, 3}, nil })
	engine.Map(items, "each", func(_ context.Context, n int) (int, error) { return 10 * n, nil })
	catalog, err := engine.Compile(d, daily, list)
	if err != nil {
		t.Fatal(err)
	}
	stream := engine.NewStream("ticks", func(ctx context.Context, report func(map[string]int)) error {
		report(map[string]int{"lag": 7})
		<-ctx.Done()
		return ctx.Err()
	})
	store := enginetest.NewStore(quartz.NewReal())
	r, err = engine.NewRuntime(engine.Config{Store: store, Catalog: catalog, Streams: []*engine.Stream{stream}, Log: slog.New(slog.DiscardHandler),
		Poll: 20 * time.Millisecond, Heartbeat: 100 * time.Millisecond, DrainGrace: time.Second, Name: "mill-1"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-r.Ready()
	return serve(t, web.Config{Control: r.Control(), Store: store}), r, gate
}

// TestAPersonsDayInABrowser triggers a run by its form, sees it go on without loading the page again, reads its log as it
// grows, clears a task through the preview and pauses the DAG.
func TestAPersonsDayInABrowser(t *testing.T) {
	ctx, ok := browser(t)
	if !ok {
		return
	}
	base, _, gate := working(t)
	var where, text string
	run := func(what string, actions ...chromedp.Action) {
		t.Helper()
		if err := chromedp.Run(ctx, actions...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	run("trigger by the form", screen(1440, 900, false), chromedp.Navigate(base+"/"), chromedp.Click(`a[aria-label="Trigger report"]`), until(`location.pathname === "/dags/report/trigger"`),
		chromedp.SendKeys(`input[name="param.days"]`, "42"), chromedp.SendKeys(`input[name="note"]`, "by hand"), chromedp.Click(`form.narrow button.primary`),
		until(`location.pathname.startsWith("/dags/report/runs/manual__")`), chromedp.Location(&where))
	run("see it run, live", until(`document.getElementById("link").textContent === "live"`), chromedp.Evaluate(`window.sameDocument = true`, nil),
		until(`document.getElementById("gated") && document.getElementById("gated").innerText.includes("running")`),
		chromedp.Click(`input[value="select"]`, chromedp.NodeVisible))
	run("read the log as it grows", chromedp.Navigate(where+"/tasks/gated"), until(`document.getElementById("log").innerText.includes("at the gate")`), until(`document.getElementById("link").textContent === "live"`), chromedp.Evaluate(`window.sameDocument = true`, nil))
	close(gate)
	run("without loading it again", until(`document.getElementById("log").innerText.includes("through the gate")`), until(`document.querySelector("h1+.badge").innerText === "success"`),
		until(`window.sameDocument === true`), chromedp.Text(`#log`, &text))
	if strings.Count(text, "at the gate") != 1 {
		t.Errorf("the log shows a line twice: %q", text)
	}
	run("clear by the preview", chromedp.Navigate(where), chromedp.Click(`input[value="gated"]`, chromedp.NodeVisible), chromedp.Click(`button[value="clear"]`, chromedp.NodeVisible),
		until(`document.querySelector("h1").innerText.startsWith("Clear ")`), until(`document.querySelector(".picked").innerText.includes("gated")`), chromedp.Click(`button[name="confirm"]`, chromedp.NodeVisible),
		until(`location.pathname.startsWith("/dags/report/runs/manual__")`), until(`document.getElementById("gated").innerText.includes("2/2")`), until(`document.querySelector("h1+.badge").innerText === "success"`))
	run("pause and see it", chromedp.Navigate(base+"/dags/report"), chromedp.Click(`button[role="switch"]`), until(`document.querySelector("button[role=switch]").getAttribute("aria-checked") === "false"`))
}

// TestSelectionsStayWhileThePageIsLive sees to it that what a person ticked and opened is still so after the page has changed.
func TestSelectionsStayWhileThePageIsLive(t *testing.T) {
	ctx, ok := browser(t)
	if !ok {
		return
	}
	base, r, gate := working(t)
	row, err := r.Control().Trigger(t.Context(), engine.TriggerRequest{DAG: "report", Params: []byte(`{"days":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	var kept bool
	err = chromedp.Run(ctx, chromedp.Navigate(base+"/dags/report/runs/"+url.PathEscape(row.RunID)), until(`document.getElementById("gated").innerText.includes("running")`),
		chromedp.Click(`input[value="gated"]`, chromedp.NodeVisible), chromedp.Click(`details.json summary`), chromedp.Focus(`button[value="clear"]`),
		chromedp.ActionFunc(func(context.Context) error { close(gate); return nil }),
		until(`document.querySelector("h1+.badge").innerText === "success"`),
		chromedp.Evaluate(`document.querySelector("input[value=gated]").checked && document.querySelector("details.json").open && document.activeElement.value === "clear"`, &kept))
	if err != nil {
		t.Fatal(err)
	}
	if !kept {
		t.Error("what was ticked, open or focused is not any more")
	}
}

// form posts a form as a browser without JavaScript does.
func form(t *testing.T, base, path string, values url.Values) (string, *http.Response) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+path, strings.NewReader(values.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", base)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return do(t, req)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("not in time: " + what)
		}
	}
}

// TestAPersonsDayOverHTTP does without a browser what TestAPersonsDayInABrowser does with one, and what goes wrong.
func TestAPersonsDayOverHTTP(t *testing.T) {
	base, _, gate := working(t)
	close(gate)
	body, r := form(t, base, "/dags/report/trigger", url.Values{"param.days": {"x"}})
	if r.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "is no whole number") || !strings.Contains(body, `value="x"`) {
		t.Errorf("a param that does not fit: %s", r.Status)
	}
	_, r = form(t, base, "/dags/report/trigger", url.Values{"param.days": {"3"}, "run_id": {"mine"}})
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/dags/report/runs/mine" {
		t.Fatalf("trigger: %s to %q", r.Status, r.Header.Get("Location"))
	}
	if body, r = form(t, base, "/dags/report/trigger", url.Values{"run_id": {"mine"}}); r.StatusCode != http.StatusConflict || !strings.Contains(body, "already") {
		t.Errorf("the same run id again: %s", r.Status)
	}
	ended := func() bool {
		body, _ := get(t, base+"/dags/report/runs/mine")
		return strings.Contains(body, `<h1>mine</h1><span class="badge success">`)
	}
	eventually(t, "the run succeeds", ended)

	eventually(t, "the log is shown", func() bool {
		body, _ = get(t, base+"/dags/report/runs/mine/tasks/select")
		return strings.Contains(body, "selecting")
	})
	for _, secret := range []string{"ada@example.com", "somebody@"} {
		if strings.Contains(body, secret) {
			t.Errorf("the page shows %s", secret)
		}
	}
	if !strings.Contains(body, "•••") {
		t.Error("nothing is masked")
	}
	body, r = form(t, base, "/dags/report/runs/mine/act", url.Values{"action": {"clear"}, "pick": {"select"}, "downstream": {"1"}, "next": {"/dags/report/runs/mine"}})
	if r.StatusCode != http.StatusOK || !strings.Contains(body, "2 task instances will run again") {
		t.Errorf("preview: %s", r.Status)
	}
	if !ended() {
		t.Error("the preview changed something")
	}
	_, r = form(t, base, "/dags/report/runs/mine/act", url.Values{"action": {"clear"}, "pick": {"select"}, "downstream": {"1"}, "confirm": {"1"}, "next": {"//evil.example/x"}})
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/" {
		t.Errorf("clear: %s to %q; it must not lead to another site", r.Status, r.Header.Get("Location"))
	}
	eventually(t, "the second try is there", func() bool {
		body, _ := get(t, base+"/dags/report/runs/mine/tasks/gated")
		return strings.Contains(body, `2 <span class="muted">of 2`)
	})
	eventually(t, "the run succeeds again", ended)

	if body, r = form(t, base, "/dags/daily/backfill", url.Values{"from": {"2024-01-03"}, "to": {"2024-01-05"}, "limit": {"2"}, "reprocess": {"none"}}); r.StatusCode != http.StatusOK || !strings.Contains(body, "3 runs of 3 dates") {
		t.Errorf("backfill preview: %s", r.Status)
	}
	if body, r = form(t, base, "/dags/daily/backfill", url.Values{"from": {"2024-01-09"}, "to": {"2024-01-05"}, "limit": {"2"}, "reprocess": {"none"}}); r.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "swap them") {
		t.Errorf("backfill the wrong way round: %s", r.Status)
	}
	if _, r = form(t, base, "/dags/daily/backfill", url.Values{"from": {"2024-01-03"}, "to": {"2024-01-05"}, "limit": {"2"}, "reprocess": {"none"}, "confirm": {"1"}}); r.Header.Get("Location") != "/backfills" {
		t.Errorf("backfill: %s", r.Status)
	}
	eventually(t, "the backfill is done", func() bool {
		body, _ := get(t, base+"/backfills")
		return strings.Contains(body, "<strong>3 of 3</strong>")
	})
	for path, values := range map[string]url.Values{"/dags/report/pause": {"paused": {"true"}}, "/streams/ticks/pause": {"paused": {"true"}}} {
		if _, r := form(t, base, path, values); r.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
	eventually(t, "the stream is paused", func() bool {
		body, _ := get(t, base+"/streams")
		return strings.Contains(body, "ticks is paused")
	})
	if _, r := form(t, base, "/backfills/1/cancel", nil); r.StatusCode != http.StatusConflict {
		t.Errorf("cancel what is done: %s", r.Status)
	}
	if _, r := form(t, base, "/dags/report/runs/mine/act", url.Values{"action": {"dance"}}); r.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("an unknown action: %s", r.Status)
	}
}
