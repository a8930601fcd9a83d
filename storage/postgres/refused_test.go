package postgres_test

import (
	"errors"
	"testing"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/postgres"
)

// What cannot be stored however often it is tried is told apart from a database that is away, so that one poison end never makes
// its neighbours wait for ever.
func TestWhatCannotBeStoredIsRefused(t *testing.T) {
	r := newRig(t, postgres.Options{})
	runs := r.runs(1)
	poison := engine.TaskKey{Run: runs[0], Task: "nul\x00", MapIndex: -1}
	_, err := r.tryTransition(runs, nil, func(_ engine.RunRow, c *engine.RunChange) {
		c.Enqueue = []engine.QueueItem{{TaskKey: poison, DAG: testDAG, Try: 1, Queue: engine.DefaultQueue}}
	})
	if !errors.Is(err, engine.ErrRefused) {
		t.Errorf("transition: %v, want ErrRefused", err)
	}
	err = r.AppendLog(t.Context(), []engine.LogChunk{{TaskKey: poison, Try: 1, Lines: []byte("x\n")}})
	if !errors.Is(err, engine.ErrRefused) {
		t.Errorf("log: %v, want ErrRefused", err)
	}
}
