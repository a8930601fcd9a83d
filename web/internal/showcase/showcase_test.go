package showcase

import (
	"testing"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

func TestFill(t *testing.T) {
	clock := NewClock()
	store := enginetest.NewStore(clock)
	if _, err := Fill(t.Context(), store, clock.Set); err != nil {
		t.Fatal(err)
	}
	_, n, err := store.Runs(t.Context(), engine.RunFilter{States: []engine.RunState{engine.RunRunning}})
	if err != nil || n != 1 {
		t.Errorf("%d runs are running: %v", n, err)
	}
}
