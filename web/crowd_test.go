package web_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/web"
	"github.com/tidemill/tidemill/web/api"
	"github.com/tidemill/tidemill/web/internal/showcase"
)

// A countingStore counts reads of definitions and of runs, and how many runs were read.
type countingStore struct {
	engine.Store
	reads, rows atomic.Int64
}

func (s *countingStore) DAGStatuses(ctx context.Context) ([]engine.DAGStatus, error) {
	s.reads.Add(1)
	return s.Store.DAGStatuses(ctx)
}

func (s *countingStore) Runs(ctx context.Context, f engine.RunFilter) ([]engine.RunRow, int, error) {
	s.reads.Add(1)
	rows, n, err := s.Store.Runs(ctx, f)
	s.rows.Add(int64(len(rows)))
	return rows, n, err
}

// crowd serves 500 DAGs.
func crowd(t *testing.T) (base string, store *countingStore) {
	t.Helper()
	clock := showcase.NewClock()
	store = &countingStore{Store: enginetest.NewStore(clock)}
	control, err := showcase.FillCrowd(t.Context(), store.Store, clock.Set)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, web.Config{Control: control, Store: store, Version: "1.2.3", Build: "abc", Clock: clock}), store
}

// TestManyDAGs asks for the list of 500 DAGs: that it is short, made with few reads, and filtered as its address says.
func TestManyDAGs(t *testing.T) {
	base, store := crowd(t)
	for _, c := range []struct {
		path     string
		has, not []string
		lines    int
	}{
		{"/", []string{"1 – 50 of 500", "Active <span>450</span>", "Paused <span>50</span>", "Failed <span>25</span>", "Running <span>10</span>", `href="/?page=2"`, "risk (125)"}, nil, 50},
		{"/?page=10", []string{"451 – 500 of 500", `rel="prev"`}, []string{`rel="next"`}, 50},
		{"/?last=failed", []string{"All <span>25</span>", "Any last run <span>500</span>", `name="last" value="failed"`}, []string{`class="pager"`}, 25},
		{"/?last=running&paused=false", []string{"Paused <span>0</span>"}, nil, 10},
		{"/?q=fx_rates+003", []string{"fx_rates_003", `value="fx_rates 003"`, `href="/">Clear</a>`, `name="next" value="/?q=fx_rates&#43;003"`}, nil, 1},
		{"/?tag=gold&owner=risk", []string{`value="gold" selected`, `value="risk" selected`}, nil, 42},
		{"/?q=%3Cnothing%3E", []string{"None of the 500 DAGs fits", "&lt;nothing&gt;"}, []string{"<nothing>", "<table"}, 0},
		{"/?tag=nope", []string{"None of the 500 DAGs fits", "nope (0)"}, nil, 0},
	} {
		store.reads.Store(0)
		store.rows.Store(0)
		body, r := get(t, base+c.path)
		if r.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", c.path, r.Status)
		}
		for _, h := range c.has {
			if !strings.Contains(body, h) {
				t.Errorf("%s: %q is missing", c.path, h)
			}
		}
		for _, h := range c.not {
			if strings.Contains(body, h) {
				t.Errorf("%s holds %q", c.path, h)
			}
		}
		if n := strings.Count(body, `class="main"`); n != c.lines {
			t.Errorf("%s: %d DAGs, want %d", c.path, n, c.lines)
		}
		if len(body) > 100_000 || store.reads.Load() > 6 || store.rows.Load() > 3000 {
			t.Errorf("%s: %d bytes, %d reads, %d runs read", c.path, len(body), store.reads.Load(), store.rows.Load())
		}
	}
}

// TestManyDAGsByTheAPI asks the API for DAGs by their last runs, as Airflow's is asked.
func TestManyDAGsByTheAPI(t *testing.T) {
	base, store := crowd(t)
	for path, want := range map[string]string{
		"?last_dag_run_state=failed&limit=1":              "25 chargebacks_081",
		"?last_dag_run_state=running&paused=true&limit=1": "0 ",
		"?order_by=-last_run_state&order_by=dag_id":       "500 chargebacks_004",
		"?order_by=last_run_start_date&limit=1":           "500 ledger_export_000",
		"?has_asset_schedule=true":                        "0 ",
		"?asset_dependency=gold":                          "0 ",
		"?is_favorite=false&dag_id_pattern=fx&limit=1":    "71 fx_rates_003",
		"?is_favorite=true":                               "0 ",
		"?bundle_version=c07e1fbb92d4a680":                "1 ledger_export_000",
	} {
		store.reads.Store(0)
		code, answer := call(t, http.MethodGet, base+"/api/v2/dags"+path, "")
		first, _ := dig(answer, "dags.0.dag_id").(string)
		if got := fmt.Sprintf("%v %s", answer["total_entries"], first); code != http.StatusOK || got != want {
			t.Errorf("%s: %d %s, want %s", path, code, got, want)
		}
		if n := store.reads.Load(); n > 6 {
			t.Errorf("%s: %d reads", path, n)
		}
	}
}

// TestBusyDAGsDoNotHideOthers has one DAG with hundreds of newer runs than those of others.
func TestBusyDAGsDoNotHideOthers(t *testing.T) {
	clock := showcase.NewClock()
	store := &countingStore{Store: enginetest.NewStore(clock)}
	if _, err := showcase.FillHard(t.Context(), store.Store, clock.Set); err != nil {
		t.Fatal(err)
	}
	created, err := store.CreateRuns(t.Context(), many(300, showcase.Params))
	if err != nil || len(created) != 300 {
		t.Fatal(len(created), err)
	}
	newest, err := api.NewestRuns(t.Context(), store, []string{showcase.Often, showcase.Params, showcase.Many, "nope"}, 14)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{showcase.Often: "14 scheduled__2026-03-10T00:30:00+00:00", showcase.Params: "14 r299", showcase.Many: "1 " + showcase.HardRun} {
		if got := newest[id]; len(got) == 0 || fmt.Sprintf("%d %s", len(got), got[0].RunID) != want {
			t.Errorf("%s: %d runs, want %s", id, len(got), want)
		}
	}
	if len(newest) != 3 || store.reads.Load() > 3 {
		t.Errorf("%d DAGs, %d reads", len(newest), store.reads.Load())
	}
}

// many are new runs of a DAG by hand.
func many(n int, dag string) []engine.NewRun {
	out := make([]engine.NewRun, n)
	for i := range out {
		out[i] = engine.NewRun{DAG: dag, RunID: fmt.Sprintf("r%d", i), Type: engine.ManualRun, Params: []byte("{}")}
	}
	return out
}

// TestTheGridPagesBack follows the links to older runs to the oldest, and back.
func TestTheGridPagesBack(t *testing.T) {
	base := hard(t)
	const grid = "/dags/" + showcase.Often
	oldest := showcase.Now.Truncate(30 * time.Minute).Add(-502 * 30 * time.Minute).Format("2006-01-02T15:04:05")
	for path, c := range map[string]struct{ has, not []string }{
		"?runs=200":          {[]string{"The newest 200 of 500", `href="/dags/heartbeat?runs=200&amp;skip=200"`}, []string{"Newer", oldest}},
		"?runs=200&skip=400": {[]string{"401 – 500 from the newest of 500", oldest, `rel="next" href="/dags/heartbeat?runs=200&amp;skip=200"`, `href="/dags/heartbeat?runs=200">Newest`}, []string{"Older"}},
		"?skip=500":          {[]string{"All 500 are newer", "no runs so far back", `href="/dags/heartbeat?skip=475"`}, []string{"<table"}},
	} {
		body, _ := get(t, base+grid+path)
		for _, h := range c.has {
			if !strings.Contains(body, h) {
				t.Errorf("%s: %q is missing", path, h)
			}
		}
		for _, h := range c.not {
			if strings.Contains(body, h) {
				t.Errorf("%s holds %q", path, h)
			}
		}
	}
}

// crowdLooks are the pages over many DAGs; one of them has a run that is behind the newest version.
var crowdLooks = []look{
	{"crowd", "/", []string{"1 – 50 of 500"}},
	{"crowd-filtered", "/?q=ledger&tag=gold&last=failed", []string{"Clear"}},
	{"crowd-none", "/?q=nothing", []string{"None of the 500 DAGs fits"}},
	{"crowd-behind", "/dags/" + showcase.Rollout + "/runs/" + showcase.HardRun + "_1", []string{"there is a newer one", "onto the newest version"}},
}

func TestCrowdedPagesOverHTTP(t *testing.T) {
	base, _ := crowd(t)
	read(t, base, crowdLooks)
}

// TestCrowdedPagesInABrowser opens the pages, the grid far back, and forms that were refused.
func TestCrowdedPagesInABrowser(t *testing.T) {
	ctx, ok := browser(t)
	if !ok {
		return
	}
	base, _ := crowd(t)
	some := []size{sizes[0], sizes[3]}
	if os.Getenv("TIDEMILL_PICTURES") != "" {
		some = sizes
	}
	open(t, ctx, base, crowdLooks, some)
	base = hard(t)
	open(t, ctx, base, []look{{name: "grid-back", path: "/dags/" + showcase.Often + "?runs=50&skip=100"}, {name: "form-backfill", path: "/dags/" + showcase.Wide + "/backfill"}}, some)
	for _, size := range some {
		var over float64
		var picture []byte
		err := chromedp.Run(ctx, screen(size.width, size.height, size.dark), chromedp.Navigate(base+"/dags/"+showcase.Params+"/trigger"),
			chromedp.Evaluate(`(() => {
				const form = document.querySelector("main form[action$=trigger], main form.narrow");
				const set = (name, value) => { form.elements["param." + name].value = value; };
				set("whole", "0"); set("number", "7"); set("code", "nope"); set("list", "a\nfar-too-long");
				form.noValidate = true; form.requestSubmit(); return true;
			})()`, nil), until(`document.readyState === "complete" && document.querySelectorAll(".wrong").length >= 3`),
			chromedp.Evaluate(`document.documentElement.scrollWidth - document.documentElement.clientWidth`, &over),
			chromedp.ActionFunc(func(ctx context.Context) error {
				if os.Getenv("TIDEMILL_PICTURES") == "" {
					return nil
				}
				return chromedp.FullScreenshot(&picture, 100).Do(ctx)
			}))
		if err != nil || over > 0 {
			t.Fatalf("%s: %v; %v px wider than the window", size.name, err, over)
		}
		keep(t, "form-refused-"+size.name+".png", picture)
	}
}
