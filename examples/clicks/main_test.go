package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/internal/embedded/broker"
	"github.com/tidemill/tidemill/storage/lake"
)

// Clicks come into the lake, what is none is kept aside with its reason, and a day is counted.
func TestClicksAreCounted(t *testing.T) {
	server, err := broker.Start(t.Context(), broker.Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	}()
	client, err := kgo.NewClient(kgo.SeedBrokers(server.Brokers()...), kgo.DefaultProduceTopic("clicks"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 2, 1, nil, "clicks"); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2024, 1, 5, 10, 0, 0, 0, time.UTC)
	for _, value := range []string{
		`{"user":"ada","page":"/","at":"2024-01-05T10:00:00Z"}`, `{"user":"ada","page":"/buy","at":"2024-01-05T10:01:00Z","referrer":"/"}`,
		`{"user":"grace","page":"/","at":"2024-01-05T10:02:00Z"}`, `{"page":"/","at":"2024-01-05T10:03:00Z"}`, `clack`,
	} {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Value: []byte(value), Timestamp: at}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}

	l, err := lake.Open(t.TempDir(), "clicks")
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := engine.Compile(pages(l))
	if err != nil {
		t.Fatal(err)
	}
	store := enginetest.NewStore(enginetest.NewClock(t))
	r, err := engine.NewRuntime(engine.Config{Store: store, Catalog: catalog, Streams: []*engine.Stream{stream(l, server.Brokers()[0])}, Log: slog.New(slog.DiscardHandler), Poll: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the runtime ended with %v", err)
		}
	}()
	<-r.Ready()
	eventually(t, "all records are in the lake", func() bool {
		s, err := l.Status(t.Context())
		return err == nil && s.Rows == 3 && s.DeadLetters == 2
	})

	run, err := r.Control().Trigger(t.Context(), engine.TriggerRequest{DAG: "pages", Logical: &at, By: "test"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the day is counted", func() bool {
		done, err := store.Attempt(t.Context(), engine.TaskKey{Run: run.Key, Task: "count", MapIndex: -1}, 1)
		if err != nil {
			return false
		}
		got := map[string]int{}
		if err := json.Unmarshal(done.Output, &got); err != nil || len(got) != 2 || got["/"] != 2 || got["/buy"] != 1 {
			t.Fatalf("counted %s: %s (%v)", done.Output, done.Error, err)
		}
		return true
	})
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
