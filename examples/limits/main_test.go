package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/coder/quartz"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// Without the pool its tasks wait and say so; once it is there they run, and index on a worker of its queue.
func TestWhatIsHeldBackSaysBy(t *testing.T) {
	store := enginetest.NewStore(quartz.NewReal())
	catalog, err := engine.Compile(crawl())
	if err != nil {
		t.Fatal(err)
	}
	runtime, err := engine.NewRuntime(engine.Config{
		Store: store, Catalog: catalog, Queues: []string{engine.DefaultQueue, "heavy"}, Log: slog.New(slog.DiscardHandler), Poll: 5 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- runtime.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	<-runtime.Ready()
	control := runtime.Control()
	run, err := control.Trigger(ctx, engine.TriggerRequest{DAG: "crawl"})
	if err != nil {
		t.Fatal(err)
	}
	view := func() engine.RunView {
		rows, err := store.RunsByKey(ctx, []int64{run.Key})
		if err != nil {
			t.Fatal(err)
		}
		views, err := engine.View(ctx, store, rows, true)
		if err != nil {
			t.Fatal(err)
		}
		return views[0]
	}
	eventually(t, "each fetch says that there is no pool", func() bool {
		told := 0
		for _, tv := range view().Tasks {
			if tv.Task == "fetch" && strings.Contains(tv.Reason, `there is no pool "web"`) {
				told++
			}
		}
		return told == 6
	})
	if err := control.SetPool(ctx, engine.Pool{Name: "web", Slots: 3}, "test"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the run has succeeded", func() bool { return view().Run.State == engine.RunSuccess })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it never came to be that %s", what)
		}
	}
}
