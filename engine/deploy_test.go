package engine_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/tidemill/tidemill/engine"
)

// A rolling deploy: a process of the new version starts while one of the old still runs a task. The old one ends what it has begun; all
// else, from then on, is the new one's.
func TestRollingDeploy(t *testing.T) {
	store := memory()
	release, begun := make(chan struct{}), make(chan struct{})
	var byOld, byNew atomic.Int32
	build := func(extra bool, count *atomic.Int32) *engine.DAG[engine.NoParams] {
		d := engine.New[engine.NoParams]("d")
		slow := engine.After(d.Run(), "slow", func(context.Context, run) (int, error) {
			close(begun)
			<-release
			return 1, nil
		})
		next := engine.After(slow, "next", func(context.Context, int) (int, error) { count.Add(1); return 2, nil })
		if extra {
			engine.Sink(next, "extra", func(context.Context, int) error { count.Add(1); return nil })
		} else {
			engine.Sink(next, "gone", func(context.Context, int) error { count.Add(1); return nil })
		}
		return d
	}
	old := running(t, store, nil, build(false, &byOld))
	row := triggered(t, old, "d")
	<-begun
	catalog := compiled(t, build(true, &byNew))
	fresh, _ := started(t, store, catalog, nil)
	definition, _ := catalog.DAG("d")
	// A person's word on the new process moves the run to the new version while the old one is still at work.
	if err := fresh.Control().NoteRun(t.Context(), "d", row.RunID, "deploying", "ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := fresh.Control().Clear(t.Context(), "d", row.RunID, engine.Selection{Tasks: []string{"extra"}}, false, "ann"); err != nil {
		t.Fatal(err)
	}
	if v := seen(t, store, row); v.Run.Version != definition.Version {
		t.Fatalf("the run is on version %s, want %s", v.Run.Version, definition.Version)
	}
	close(release)
	v := over(t, fresh, row)
	if v.Run.State != engine.RunSuccess || v.Run.Version != definition.Version {
		t.Errorf("the run is %s on version %s, want success on %s: %v", v.Run.State, v.Run.Version, definition.Version, states(v))
	}
	sameStates(t, v, map[string]string{"slow": "success", "next": "success", "extra": "success"})
	if byOld.Load() != 0 || byNew.Load() != 2 {
		t.Errorf("the old process ran %d of the later tasks and the new one %d, want 0 and 2", byOld.Load(), byNew.Load())
	}
}
