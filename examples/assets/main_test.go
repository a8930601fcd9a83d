package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/coder/quartz"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// One of the two assets is not enough; with both there is one run, which knows what triggered it.
func TestReportRunsOnceBothAreNew(t *testing.T) {
	store := enginetest.NewStore(quartz.NewReal())
	catalog, err := engine.Compile(loadOrders(), report())
	if err != nil {
		t.Fatal(err)
	}
	runtime, err := engine.NewRuntime(engine.Config{Store: store, Catalog: catalog, Log: slog.New(slog.DiscardHandler), Poll: 5 * time.Millisecond})
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
	if _, err := control.Trigger(ctx, engine.TriggerRequest{DAG: "load_orders"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "orders are new", func() bool {
		events, err := store.AssetEvents(ctx, string(orders), 10)
		return err == nil && len(events) == 1 && string(events[0].Extra) == `{"rows":42}`
	})
	if got := runs(t, store); len(got) != 0 {
		t.Fatalf("report ran before rates were new: %+v", got)
	}
	if err := control.UpdateAsset(ctx, rates, nil, "test"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "report has run", func() bool { r := runs(t, store); return len(r) == 1 && r[0].State == engine.RunSuccess })
	a, err := store.Attempt(ctx, engine.TaskKey{Run: runs(t, store)[0].Key, Task: "write", MapIndex: -1}, -1)
	if err != nil {
		t.Fatal(err)
	}
	var events int
	if err := json.Unmarshal(a.Output, &events); err != nil || events != 2 {
		t.Errorf("it saw %s events, %v; want 2", a.Output, err)
	}
}

func runs(t *testing.T, store engine.Store) []engine.RunRow {
	t.Helper()
	rows, _, err := store.Runs(t.Context(), engine.RunFilter{DAGs: []string{"report"}, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	return rows
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
