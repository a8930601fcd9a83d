package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// What ends within the grace is stored, and nothing new begins.
func TestDrainStoresWhatEnds(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	d := engine.New[engine.NoParams]("d")
	a := engine.After(d.Run(), "a", func(context.Context, run) (int, error) { close(begun); <-release; return 1, nil })
	engine.Sink(a, "b", none)
	store, catalog := memory(), compiled(t, d)
	r, stop := started(t, store, catalog, nil)
	row := triggered(t, r, "d")
	<-begun
	go close(release)
	stop()
	if got := states(seen(t, store, row))["a"]; got != "success" {
		t.Errorf("a is %s after the drain", got)
	}
	if workers, err := store.Workers(t.Context()); err != nil || len(workers) != 0 {
		t.Errorf("workers after the drain: %v, %v", workers, err)
	}
	if orphans, err := store.Orphans(t.Context(), 10); err != nil || len(orphans) != 0 {
		t.Errorf("leases after the drain: %v, %v", orphans, err)
	}
	next, _ := started(t, store, catalog, nil)
	v := over(t, next, row)
	sameStates(t, v, map[string]string{"a": "success", "b": "success"})
	if got := endings(t, store, row, "b"); got != "[success]" {
		t.Errorf("attempts of b ended %s", got)
	}
}

// What has not ended after the grace is cancelled and given back: it counts no failure, and another process takes it at once.
func TestDrainGivesBack(t *testing.T) {
	g := newGated(true)
	store, catalog := memory(), compiled(t, g.dag)
	r, stop := started(t, store, catalog, func(c *engine.Config) { c.DrainGrace = time.Millisecond })
	row := triggered(t, r, "gated")
	<-g.begun
	stop()
	queue, err := store.Queue(t.Context(), []int64{row.Key})
	if err != nil || len(queue) != 1 || queue[0].Leased || queue[0].Try != 2 {
		t.Fatalf("the queue holds %+v (%v), want the second try, free", queue, err)
	}
	next, _ := started(t, store, catalog, nil)
	over(t, next, row)
	if got := endings(t, store, row, "task"); got != "[cancelled success]" {
		t.Errorf("attempts ended %s", got)
	}
}

// Processes that come and go while a long chain is handed over from task to task neither lose nor repeat one.
func TestDrainsDuringHandovers(t *testing.T) {
	d := engine.New[engine.NoParams]("d")
	n := engine.After(d.Run(), "n0", one)
	for _, id := range []string{"n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9"} {
		n = engine.After(n, id, inc)
	}
	store, catalog := memory(), compiled(t, d)
	var rows []engine.RunRow
	for i := range 30 {
		r, stop := started(t, store, catalog, nil)
		rows = append(rows, triggered(t, r, "d"))
		if i%2 == 0 {
			eventually(t, "it has begun", func() bool { return seen(t, store, rows[len(rows)-1]).Run.State != engine.RunQueued })
		}
		stop()
	}
	r, _ := started(t, store, catalog, nil)
	for _, row := range rows {
		over(t, r, row)
		attempts, err := store.Attempts(t.Context(), []int64{row.Key}, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range attempts {
			if a.Ending != engine.EndSuccess {
				t.Errorf("try %d of %s ended %s: %s", a.Try, a.Task, a.Ending, a.Error)
			}
		}
		if got := output(t, store, row, "n9"); got != "10" {
			t.Errorf("the chain yields %s", got)
		}
	}
}
