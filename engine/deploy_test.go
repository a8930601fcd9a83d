package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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

// A run that is pinned goes on with the version that it has started with, among processes that have moved on; when none is left that has that
// version it waits, says so, and can be cleared onto the newest.
func TestPinnedRun(t *testing.T) {
	store := memory()
	var release atomic.Bool
	var byOld, byNew atomic.Int32
	build := func(extra bool, count *atomic.Int32) *engine.DAG[engine.NoParams] {
		d := engine.New[engine.NoParams]("d", engine.Pin())
		gate := engine.Sensor(d.Run(), "gate", engine.Poke{Every: 10 * time.Millisecond}, func(context.Context, run) (int, bool, error) {
			count.Add(1)
			return 1, release.Load(), nil
		})
		next := engine.After(gate, "next", func(ctx context.Context, n int) (int, error) {
			if info, _ := engine.Info(ctx); info.Try == 1 {
				return 0, errors.New("not at once")
			}
			count.Add(1)
			return n, nil
		}, engine.Retry{Max: 1, Initial: 10 * time.Millisecond})
		engine.Sink(next, "old", none)
		if extra {
			engine.Sink(next, "new", none)
		}
		return d
	}
	old, stopOld := started(t, store, compiled(t, build(false, &byOld)), nil)
	first, second := triggered(t, old, "d"), triggered(t, old, "d")
	for _, row := range []engine.RunRow{first, second} {
		eventually(t, "both are at the gate", func() bool { return seen(t, store, row).Run.State == engine.RunRunning })
	}
	fresh, _ := started(t, store, compiled(t, build(true, &byNew)), nil)
	third := triggered(t, fresh, "d")
	eventually(t, "the new process works at a run of its own", func() bool { return byNew.Load() > 0 })
	if _, err := fresh.Control().Clear(t.Context(), "d", first.RunID, engine.Selection{Tasks: []string{"next"}}, false, "ann"); !errors.Is(err, engine.ErrConflict) {
		t.Errorf("clearing a run that is pinned elsewhere: %v, want a conflict", err)
	}
	pokes := byOld.Load()
	eventually(t, "the old process goes on with the old runs", func() bool { return byOld.Load() > pokes+1 })
	release.Store(true)
	sameStates(t, over(t, fresh, first), map[string]string{"gate": "success", "next": "success", "old": "success"})
	sameStates(t, over(t, fresh, third), map[string]string{"gate": "success", "next": "success", "old": "success", "new": "success"})
	over(t, fresh, second)
	// Cleared by the old process it starts anew, which the new one does, and goes on with the old.
	if _, err := old.Control().Clear(t.Context(), "d", second.RunID, engine.Selection{Tasks: []string{"next"}, Downstream: true}, false, "ann"); err != nil {
		t.Fatal(err)
	}
	sameStates(t, over(t, fresh, second), map[string]string{"gate": "success", "next": "success", "old": "success"})
	// Nobody has its version any more.
	stopOld()
	if _, err := old.Control().Clear(t.Context(), "d", second.RunID, engine.Selection{Tasks: []string{"next"}, Downstream: true}, false, "ann"); err != nil {
		t.Fatal(err)
	}
	pinnedTo := seen(t, store, first).Run.Version
	eventually(t, "it says why it waits", func() bool {
		why := seen(t, store, second).Tasks[1].Reason
		return strings.Contains(why, "pinned to version "+pinnedTo)
	})
	before := byNew.Load()
	if _, err := fresh.Control().Clear(t.Context(), "d", second.RunID, engine.Selection{Tasks: []string{"next"}, Downstream: true, Latest: true}, false, "ann"); err != nil {
		t.Fatal(err)
	}
	sameStates(t, over(t, fresh, second), map[string]string{"gate": "success", "next": "success", "old": "success", "new": "success"})
	if byNew.Load() == before {
		t.Error("the new process did not run it")
	}
}
