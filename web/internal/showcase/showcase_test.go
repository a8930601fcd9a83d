package showcase

import (
	"context"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

func TestFill(t *testing.T) {
	for name, c := range map[string]struct {
		fill                  func(context.Context, engine.Store, func(time.Time)) (*engine.Control, error)
		runs, running, worker int
	}{
		"usual":    {Fill, 35, 1, 1},
		"features": {FillFeatures, 9, 4, 1},
		"hard":     {FillHard, 504, 3, 1},
		"none":     {FillNone, 0, 0, 0},
		"crowd":    {FillCrowd, 1500, 10, 1},
	} {
		clock := NewClock()
		store := enginetest.NewStore(clock)
		if _, err := c.fill(t.Context(), store, clock.Set); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, all, err := store.Runs(t.Context(), engine.RunFilter{})
		_, running, err2 := store.Runs(t.Context(), engine.RunFilter{States: []engine.RunState{engine.RunRunning}})
		workers, err3 := store.Workers(t.Context())
		if err != nil || err2 != nil || err3 != nil || all != c.runs || running != c.running || len(workers) != c.worker {
			t.Errorf("%s: %d runs, %d running, %d workers; want %d, %d, %d: %v %v %v", name, all, running, len(workers), c.runs, c.running, c.worker, err, err2, err3)
		}
	}
}
