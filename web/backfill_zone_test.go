package web_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/web"
	"github.com/tidemill/tidemill/web/internal/showcase"
)

// TestABackfillsDatesAreInTheZoneOfItsDAG backfills days of a DAG whose days begin before those of UTC.
func TestABackfillsDatesAreInTheZoneOfItsDAG(t *testing.T) {
	d := engine.New[engine.NoParams]("early", engine.Schedule("30 5 * * *", "Europe/Zurich"))
	engine.After(d.Run(), "close", func(context.Context, engine.Run[engine.NoParams]) (int, error) { return 0, nil })
	catalog, err := engine.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	clock := showcase.NewClock()
	clock.Set(time.Date(2026, 11, 7, 12, 0, 0, 0, time.UTC))
	store := enginetest.NewStore(clock)
	def, _ := catalog.DAG("early")
	if _, err := store.Register(t.Context(), []engine.DAGRecord{{ID: "early", Version: def.Version, Spec: def.Known(), MaxActiveRuns: 1}}); err != nil {
		t.Fatal(err)
	}
	base := serve(t, web.Config{Control: engine.NewControl(store, catalog, "b"), Store: store, Clock: clock})
	if body, r := form(t, base, "/dags/early/backfill", url.Values{"from": {"2026-11-01"}, "to": {"2026-11-05"}, "reprocess": {"none"}, "limit": {"1"}, "confirm": {"1"}}); r.StatusCode != 303 {
		t.Fatal(r.Status, body)
	}
	want := "2026-11-01 – 2026-11-05"
	if body, _ := get(t, base+"/backfills"); !strings.Contains(body, want) || strings.Contains(body, "2026-10-31") {
		t.Errorf("%q is missing: %s", want, body)
	}
	if body, _ := form(t, base, "/backfills/1/cancel", nil); !strings.Contains(body, want) {
		t.Errorf("%q is missing when it is to be cancelled", want)
	}
}
