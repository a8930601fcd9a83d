package web_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/web"
	"github.com/tidemill/tidemill/web/internal/showcase"
)

// Places on pages in a browser: what is looked at is whole and in its place.
const (
	menuFits    = `[...document.querySelectorAll(".top nav a")].every(a => { const r = a.getBoundingClientRect(); return r.left >= 0 && r.right <= innerWidth && a.scrollWidth <= a.clientWidth })`
	oneLine     = `[...document.querySelectorAll(".dags .history")].some(h => h.children.length == 14) && [...document.querySelectorAll(".dags .history")].every(h => new Set([...h.children].map(c => Math.round(c.getBoundingClientRect().top))).size < 2 && h.getBoundingClientRect().right <= innerWidth)`
	namesFit    = `[...document.querySelectorAll(".tasks th[scope=row] a, .grid tbody th > *")].every(a => a.scrollWidth <= a.parentElement.clientWidth + 1) && [...document.querySelectorAll(".tasks th[scope=row], .grid tbody th")].every(h => h.scrollWidth <= h.clientWidth + 1)`
	everyDate   = `document.querySelectorAll(".grid .labels td span").length == document.querySelectorAll(".grid .bars a").length && [...document.querySelectorAll(".grid .labels td span")].every(s => s.textContent.trim())`
	wideGraph   = `document.querySelector(".canvas").scrollWidth > document.querySelector(".canvas").clientWidth`
	drag        = `(() => { const c = document.querySelector(".canvas"); const e = (type, x) => c.dispatchEvent(new PointerEvent(type, {bubbles: true, pointerType: "mouse", button: 0, clientX: x, clientY: 300})); e("pointerdown", 600); e("pointermove", 400); e("pointerup", 400); return c.scrollLeft })()`
	graphIsSeen = `document.querySelector(".canvas").getBoundingClientRect().right <= innerWidth && document.documentElement.scrollWidth <= innerWidth`
)

// TestWhatIsLookedAtFits measures pages at the widths of a desktop and of a phone.
func TestWhatIsLookedAtFits(t *testing.T) {
	ctx, ok := browser(t)
	if !ok {
		return
	}
	clock := showcase.NewClock()
	store := enginetest.NewStore(clock)
	control, err := showcase.FillHard(t.Context(), store, clock.Set)
	if err != nil {
		t.Fatal(err)
	}
	base := serve(t, web.Config{Control: control, Store: store, Clock: clock})
	for _, width := range []int64{1400, 390} {
		for _, c := range []struct{ what, path, holds string }{
			{"the menu", "/", menuFits}, {"the last runs", "/", oneLine},
			{"the names of tasks", "/dags/every_state/runs/manual__by_hand", namesFit}, {"the grid's names", "/dags/every_state", namesFit},
			{"the grid's dates", "/dags/heartbeat", everyDate}, {"the place of a graph", "/dags/warehouse/graph", graphIsSeen}, {"a wide graph", "/dags/warehouse/graph", wideGraph},
		} {
			var holds bool
			if err := chromedp.Run(ctx, screen(width, 844, false), chromedp.Navigate(base+c.path), chromedp.Evaluate(c.holds, &holds)); err != nil {
				t.Fatal(err)
			}
			if !holds {
				t.Errorf("%s at %d px: does not fit", c.what, width)
			}
		}
	}
	var moved float64
	if err := chromedp.Run(ctx, screen(1400, 844, false), chromedp.Navigate(base+"/dags/warehouse/graph"), chromedp.Evaluate(drag, &moved)); err != nil {
		t.Fatal(err)
	}
	if moved != 200 {
		t.Errorf("a graph that is dragged by 200 px moves by %g", moved)
	}
}
