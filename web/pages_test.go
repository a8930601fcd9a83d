package web_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/web"
	"github.com/tidemill/tidemill/web/internal/showcase"
)

// shown serves some weeks of made-up history and returns where.
func shown(t *testing.T) (base string, store engine.Store) {
	t.Helper()
	clock := showcase.NewClock()
	store = enginetest.NewStore(clock)
	control, err := showcase.Fill(t.Context(), store, clock.Set)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, web.Config{Control: control, Store: store, Version: "1.2.3", Build: "abc", Clock: clock}), store
}

// serve serves as the program does, until the test ends.
func serve(t *testing.T, cfg web.Config) string {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	h, err := web.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := web.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return start(t, l, h)
}

func start(t *testing.T, l net.Listener, h http.Handler) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- web.Serve(ctx, l, h, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

const (
	dailyRun  = "/dags/daily_transactions/runs/scheduled__2026-03-09T02:00:00+00:00"
	failedRun = "/dags/daily_transactions/runs/scheduled__2026-02-18T02:00:00+00:00"
	goodRun   = "/dags/daily_transactions/runs/scheduled__2026-02-19T02:00:00+00:00"
	auditRun  = "/dags/bronze_audit/runs/scheduled__2026-03-09T21:00:00+00:00"
)

// A look is a page and what stands on it.
type look struct {
	name, path string
	has        []string
}

// looks are the pages over the usual history.
var looks = []look{
	{"dags", "/", []string{"daily_transactions", "bronze_audit", "merchant_report", "daily at 02:00", "1 worker", "paused"}},
	{"dag-grid", "/dags/daily_transactions", []string{"check_data_freshness", "stg_transactions", "unique_fct_transactions_transaction_id", `aria-label="dbt_run: running"`, "quality_metrics"}},
	{"dag-grid-mapped", "/dags/bronze_audit", []string{"audit_partition", "6 elements, 1 failed, 5 success"}},
	{"dag-graph", "/dags/daily_transactions/graph", []string{"<svg", "fct_daily_revenue", "dbt_test"}},
	{"dag-lineage", "/dags/daily_transactions/lineage", []string{"bronze.transactions", "Monthly report", "exposure", `class="sub"`, "1 warned", "Draw each test", `data-label="Rows"`, "/tasks/dbt_run_fct_transactions\""}},
	{"dag-lineage-tests", "/dags/daily_transactions/lineage?tests=all", []string{"Fold the tests", `data-id="test.pipeline.assert_revenue_matches_transactions"`}},
	{"dag-trigger", "/dags/merchant_report/trigger", []string{"param.currency", "ISO 4217", "The DAG is paused"}},
	{"dag-backfill", "/dags/daily_transactions/backfill", []string{"reprocess", "Days in UTC"}},
	{"run", dailyRun, []string{"load_to_postgres", "waits for dbt_run (running)", "Mark success"}},
	{"run-failed", failedRun, []string{"numeric field overflow", "upstream failed"}},
	{"run-graph", dailyRun + "/graph", []string{`class="node runner running"`, `class="node virtual success"`}},
	{"run-mapped", auditRun, []string{"audit_partition [4]", "offsets 118204"}},
	{"task", failedRun + "/tasks/dbt_run", []string{"Running with dbt=1.11.2", "Tries", "numeric field overflow", "full log"}},
	{"task-success", dailyRun + "/tasks/load_to_postgres", []string{"rows_loaded", "Output", "14 files", "Input", "age_minutes"}},
	{"task-virtual", failedRun + "/tasks/dbt_run_fct_transactions", []string{"Reported by", "numeric field overflow", "Compiled SQL", "left join lateral"}},
	{"task-rows", goodRun + "/tasks/dbt_test_assert_no_pending_older_than_3_days", []string{"Failing rows", "the first 3 of 250", "PENDING", "<td>•••</td>", "interval &#39;3 days&#39;"}},
	{"task-mapped", auditRun + "/tasks/check.audit_partition?map_index=4", []string{"check.audit_partition [4]", "offsets 118204", "Elements"}},
	{"streams", "/streams", []string{"bronze_ingest", "lag", "watermark", "partition", "18\u2009204\u2009551"}},
	{"backfills", "/backfills", []string{"2026-02-09 – 2026-02-15", "4 of 7", "Resume"}},
	{"audit", "/audit", []string{"Backfill created", "Run triggered", "board meeting", "Backfill paused", "DAG paused"}},
	{"not-found", "/dags/nope", []string{"Not Found"}},
	{"api-docs", "/api/v2/docs", []string{"/api/v2/dags/{dag_id}/clearTaskInstances", "DAGRunResponse"}},
}

func TestPagesOverHTTP(t *testing.T) {
	base, _ := shown(t)
	read(t, base, looks)
}

// read asks for pages and looks for what stands on them, and for what must not.
func read(t *testing.T, base string, looks []look) {
	t.Helper()
	for _, l := range looks {
		body, r := get(t, base+l.path)
		want := http.StatusOK
		if l.name == "not-found" {
			want = http.StatusNotFound
		}
		if r.StatusCode != want || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %s, %s", l.name, r.Status, r.Header.Get("Content-Type"))
		}
		for _, h := range l.has {
			if !strings.Contains(body, h) {
				t.Errorf("%s: %q is missing", l.name, h)
			}
		}
		for _, bad := range []string{"style=", "<script>", "onclick", "http://", "https://", "ZgotmplZ", "<nil>", "%!"} {
			if strings.Contains(strings.ReplaceAll(body, "http://www.w3.org/", ""), bad) && l.name != "api-docs" {
				t.Errorf("%s holds %q", l.name, bad)
			}
		}
	}
}

// A size is how large a window is, and whether it is dark.
type size struct {
	name          string
	width, height int64
	dark          bool
}

var sizes = []size{{"wide-light", 1440, 900, false}, {"wide-dark", 1440, 900, true}, {"narrow-light", 390, 844, false}, {"narrow-dark", 390, 844, true}}

// TestPagesInABrowser opens every page, light and dark, wide and narrow, and asks that nothing is refused by the content
// security policy, no script fails, nothing is wider than the window, and the page becomes live. With TIDEMILL_PICTURES set
// to a folder it keeps a picture of each.
func TestPagesInABrowser(t *testing.T) {
	ctx, ok := browser(t)
	if !ok {
		return
	}
	base, _ := shown(t)
	open(t, ctx, base, looks, sizes)
}

// open opens pages in a browser.
func open(t *testing.T, ctx context.Context, base string, looks []look, sizes []size) {
	t.Helper()
	var complaints []string
	chromedp.ListenTarget(ctx, func(ev any) {
		switch e := ev.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Level == log.LevelError && !strings.Contains(e.Entry.URL, "/dags/nope") {
				complaints = append(complaints, e.Entry.Text+" "+e.Entry.URL)
			}
		case *runtime.EventExceptionThrown:
			complaints = append(complaints, e.ExceptionDetails.Error())
		}
	})
	for _, look := range looks {
		for _, size := range sizes {
			complaints = nil
			var picture []byte
			var over float64
			var live bool
			err := chromedp.Run(ctx, screen(size.width, size.height, size.dark), chromedp.Navigate(base+look.path),
				chromedp.Evaluate(`!!document.body.dataset.live`, &live),
				chromedp.ActionFunc(func(ctx context.Context) error {
					if !live {
						return nil
					}
					return until(`document.getElementById("link").textContent === "live"`).Do(ctx)
				}),
				chromedp.Evaluate(`document.documentElement.scrollWidth - document.documentElement.clientWidth`, &over),
				chromedp.ActionFunc(func(ctx context.Context) error {
					if os.Getenv("TIDEMILL_PICTURES") == "" {
						return nil
					}
					return chromedp.FullScreenshot(&picture, 100).Do(ctx)
				}))
			if err != nil {
				t.Fatalf("%s %s: %v", look.name, size.name, err)
			}
			if len(complaints) > 0 {
				t.Errorf("%s %s: the browser complains: %s", look.name, size.name, complaints)
			}
			if over > 0 {
				t.Errorf("%s %s: %v px wider than the window", look.name, size.name, over)
			}
			keep(t, fmt.Sprintf("%s-%s.png", look.name, size.name), picture)
		}
	}
}

func keep(t *testing.T, name string, picture []byte) {
	t.Helper()
	dir := os.Getenv("TIDEMILL_PICTURES")
	if dir == "" {
		return
	}
	if !bytes.HasPrefix(picture, []byte("\x89PNG")) {
		t.Errorf("%s is no picture", name)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}
