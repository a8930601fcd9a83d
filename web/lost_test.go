package web_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/web"
	"github.com/tidemill/tidemill/web/internal/showcase"
)

// TestThePageSaysWhenItIsNotLive ends the server under an open page and starts it again.
func TestThePageSaysWhenItIsNotLive(t *testing.T) {
	ctx, ok := browser(t)
	if !ok {
		return
	}
	clock := showcase.NewClock()
	store := enginetest.NewStore(clock)
	control, err := showcase.Fill(t.Context(), store, clock.Set)
	if err != nil {
		t.Fatal(err)
	}
	h, err := web.New(web.Config{Control: control, Store: store, Clock: clock, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	up := func(addr string) (where string, down func()) {
		l, err := web.Listen(addr)
		if err != nil {
			t.Fatal(err)
		}
		serving, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- web.Serve(serving, l, h, slog.New(slog.DiscardHandler)) }()
		return l.Addr().String(), func() {
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	where, down := up("127.0.0.1:0")
	paused := `document.querySelector("button[role=switch]").getAttribute("aria-checked") === "false"`
	err = chromedp.Run(ctx, screen(1280, 800, false), chromedp.Navigate("http://"+where+"/dags/"+showcase.Daily), until(`document.getElementById("link").textContent === "live"`),
		chromedp.Evaluate(`window.sameDocument = true`, nil))
	down()
	if err == nil {
		err = chromedp.Run(ctx, until(`document.querySelector("#link.lost").textContent.startsWith("Not live since 02:02:")`))
	}
	if err == nil {
		err = store.SetPaused(t.Context(), showcase.Daily, true)
	}
	_, down = up(where)
	defer down()
	if err == nil {
		err = chromedp.Run(ctx, until(`document.getElementById("link").textContent === "live"`), until(paused), until(`!document.querySelector("#link.lost") && window.sameDocument`))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestABackfillIsCancelledOnASecondWord(t *testing.T) {
	base, store := shown(t)
	cancelled := func() bool {
		b, err := store.Backfill(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		return b.Cancelled
	}
	body, r := form(t, base, "/backfills/1/cancel", nil)
	if r.StatusCode != http.StatusOK || !strings.Contains(body, "3 runs that wait") || cancelled() {
		t.Errorf("asked: %s, cancelled %t", r.Status, cancelled())
	}
	if _, r = form(t, base, "/backfills/1/cancel", url.Values{"confirm": {"1"}}); r.StatusCode != http.StatusSeeOther || !cancelled() {
		t.Errorf("confirmed: %s, cancelled %t", r.Status, cancelled())
	}
	if _, total, err := store.Runs(t.Context(), engine.RunFilter{Backfill: 1, States: []engine.RunState{engine.RunQueued}}); err != nil || total != 0 {
		t.Errorf("%d of its runs still wait: %v", total, err)
	}
}
