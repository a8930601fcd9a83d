package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/web"
	"github.com/tidemill/tidemill/web/internal/showcase"
)

// hard serves what is hard to show.
func hard(t *testing.T) (base string) {
	t.Helper()
	clock := showcase.NewClock()
	store := enginetest.NewStore(clock)
	control, err := showcase.FillHard(t.Context(), store, clock.Set)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, web.Config{Control: control, Store: store, Version: "1.2.3", Build: "abc", Clock: clock})
}

// byHand is the path of the run of a DAG that is hard to show.
func byHand(dag string) string { return "/dags/" + dag + "/runs/" + showcase.HardRun }

func longRun() string {
	return "/dags/" + showcase.Long + "/runs/scheduled__2026-03-10T00:00:00+00:00"
}

func TestHardPagesOverHTTP(t *testing.T) {
	base := hard(t)
	for path, c := range map[string]struct {
		has, not []string
		most     int // bytes
	}{
		"/":                       {has: []string{"no worker process is alive", "heard of"}, not: []string{"no process schedules"}, most: 40_000},
		"/dags/" + showcase.Wide:  {has: []string{`aria-label="area_0: 1 failed, 39 success"`, `aria-label="area_7: 40 waiting"`}, most: 40_000},
		"/dags/" + showcase.Often: {has: []string{`>19:30<`, `>Mar 9<`}, most: 60_000},
		"/dags/" + showcase.Many:  {has: []string{"#send_invoice%5B0%5D"}, not: []string{`/backfill"`}, most: 20_000},
		byHand(showcase.Many): {has: []string{"What failed", "invoice 60: 503 Service Unavailable", "and 2 more", "1000 in all, 7 failed, 300 waiting, 693 success", "List 992 more"},
			not: []string{`value="send_invoice[1]"`}, most: 60_000},
		byHand(showcase.Many) + "?state=failed":                    {has: []string{`value="send_invoice[642]"`, "List all"}, not: []string{`value="send_invoice[0]"`, `value="list"`}, most: 40_000},
		byHand(showcase.Many) + "?all=send_invoice":                {has: []string{`value="send_invoice[999]"`}, most: 1_000_000},
		byHand(showcase.Many) + "/tasks/send_invoice?map_index=60": {has: []string{"992 more"}, most: 20_000},
		byHand(showcase.States):                                    {has: []string{"exit status 1", "dbt: 200 in all", "again "}, most: 120_000},
		byHand(showcase.States) + "/tasks/failed":                  {has: []string{"ValueError", "48000 earlier lines", "<title>failed · every_state"}, most: 300_000},
		longRun():                               {has: []string{"index out of range"}, most: 40_000},
		"/dags/" + showcase.Params + "/trigger": {has: []string{"param.at", "param.inner"}, most: 20_000},
		byHand(showcase.States) + "/tasks/failed/log?try=1&map_index=-1": {has: []string{"slow: select", "row 1 of 50000 batch=0\n", "ERROR day is out of range for month batch=499\n"}, not: []string{"<li"}, most: 5_000_000},
		byHand(showcase.States) + "/tasks/nope/log":                      {has: []string{"Not Found", "nope"}, not: []string{"RunByID"}, most: 5_000},
		"/dags/" + showcase.States + "/runs/nope":                        {has: []string{"run &#34;nope&#34;"}, not: []string{"RunByID"}, most: 5_000},
	} {
		body, _ := get(t, base+path)
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
		if len(body) > c.most {
			t.Errorf("%s is %d bytes", path, len(body))
		}
	}
	if _, r := form(t, base, "/", nil); r.StatusCode != http.StatusMethodNotAllowed || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		t.Errorf("POST /: %s", r.Status)
	}
	if r, err := http.Head(base + "/"); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("HEAD /: %v %v", r, err)
	} else {
		_ = r.Body.Close()
	}
	for value, want := range map[string]string{"param.whole": `id="wrong.whole" role="alert">is no whole number, such as 7<`, "param.number": `id="wrong.number" role="alert">is no number`, "param.at": `id="wrong.at" role="alert">&#34;a lot&#34; is no date`, "param.map": `id="wrong.map" role="alert">is no JSON<`} {
		body, r := form(t, base, "/dags/"+showcase.Params+"/trigger", url.Values{value: {"a lot"}})
		if r.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, want) || strings.Contains(body, "at: at:") {
			t.Errorf("%s=a lot: %s; %q is missing", value, r.Status, want)
		}
	}
	body, r := form(t, base, byHand(showcase.States)+"/act", url.Values{"action": {"failed"}})
	if r.StatusCode != http.StatusOK || !strings.Contains(body, "Mark the whole run as failed?") {
		t.Errorf("mark a run: %s", r.Status)
	}
	body, r = form(t, base, "/streams/nope/pause", url.Values{"next": {"/streams"}})
	if r.StatusCode != http.StatusNotFound || !regexp.MustCompile(`href="/streams">Back`).MatchString(body) {
		t.Errorf("what was refused does not lead back: %s", r.Status)
	}
}

// TestHardPagesFit opens what is hard to show, wide and narrow, and asks that nothing is wider than the window.
func TestHardPagesFit(t *testing.T) {
	ctx, ok := browser(t)
	if !ok {
		return
	}
	base := hard(t)
	for _, path := range []string{"/", "/dags/" + showcase.Wide, "/dags/" + showcase.Often + "?runs=200", "/dags/" + showcase.Long, "/dags/" + showcase.Long + "/graph", byHand(showcase.Many), byHand(showcase.States), longRun(),
		longRun() + "/tasks/" + showcase.Long[:248] + ".a", "/dags/" + showcase.Params + "/trigger", byHand(showcase.Wide) + "/graph"} {
		for _, width := range []int64{1280, 390} {
			var over float64
			err := chromedp.Run(ctx, screen(width, 800, width < 500), chromedp.Navigate(base+path),
				chromedp.Evaluate(`document.documentElement.scrollWidth - document.documentElement.clientWidth`, &over))
			if err != nil || over > 0 {
				t.Errorf("%s at %d px: %v px wider than the window, %v", path, width, over, err)
			}
		}
	}
}

// TestNothingMovesForWhoAskedSo opens a page with what runs, for somebody who prefers reduced motion.
func TestNothingMovesForWhoAskedSo(t *testing.T) {
	ctx, ok := browser(t)
	if !ok {
		return
	}
	base := hard(t)
	for preference, moves := range map[string]bool{"no-preference": true, "reduce": false} {
		var n int
		err := chromedp.Run(ctx, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: preference}}),
			chromedp.Navigate(base+byHand(showcase.States)), chromedp.Evaluate(`document.getAnimations().length`, &n))
		if err != nil || (n > 0) != moves {
			t.Errorf("%s: %d animations, %v", preference, n, err)
		}
	}
}
