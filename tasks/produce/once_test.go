package produce_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/storage/payment/events"
	"github.com/tidemill/tidemill/tasks/produce"
)

// numbered returns n events whose values tell which they are, some of them equal otherwise.
func numbered(n int) (all []events.Event) {
	for i := range n {
		e := events.Event{Key: fmt.Appendf(nil, "key %d", i%97), Time: time.UnixMilli(1704067200000), Value: fmt.Append(nil, i)}
		if i%10 == 0 {
			e.Key = nil
		}
		all = append(all, e)
	}
	return all
}

// checkOnce checks that the topic holds each of the numbered events once, in order within each partition.
func checkOnce(t *testing.T, brokers []string, n int) {
	t.Helper()
	seen := make([]int, n)
	for partition, records := range readTopic(t, brokers, "transactions") {
		previous := -1
		for _, r := range records {
			var i int
			if _, err := fmt.Sscan(string(r.Value), &i); err != nil {
				continue // a record of others
			}
			if i <= previous {
				t.Fatalf("partition %d: event %d comes after %d", partition, i, previous)
			}
			previous = i
			seen[i]++
		}
	}
	for i, times := range seen {
		if times != 1 {
			t.Fatalf("event %d is on the topic %d times", i, times)
		}
	}
}

func TestOnceAddsNothingTheSecondTime(t *testing.T) {
	brokers := testkit.Broker(t)
	source := produce.Source{ID: "numbers", Events: list(numbered(2000))}
	for i, want := range []produce.Progress{{Sent: 2000, Acknowledged: 2000}, {Skipped: 2000}, {Skipped: 2000}} {
		got, err := produce.Once(t.Context(), config(t, brokers), source, nil)
		if err != nil || got.Progress != want {
			t.Fatalf("call %d: %+v, %v; want %+v", i+1, got.Progress, err, want)
		}
	}
	checkOnce(t, brokers, 2000)
	other := produce.Source{ID: "number", Events: list(numbered(10))}
	if got, err := produce.Once(t.Context(), config(t, brokers), other, nil); err != nil || got.Sent != 10 {
		t.Errorf("another source: %+v, %v; want all 10 sent", got, err)
	}
}

// Cut off at any place, the next call goes on where it stopped.
func TestOnceGoesOnWhereItStopped(t *testing.T) {
	brokers := testkit.Broker(t)
	all := numbered(3000)
	cut := errors.New("cut off")
	for stop := 0; stop < len(all); stop += 700 {
		source := produce.Source{ID: "numbers", Events: func(yield func(events.Event, error) bool) {
			for i, e := range all {
				if i == stop {
					yield(events.Event{}, cut)
					return
				}
				if !yield(e, nil) {
					return
				}
			}
		}}
		if _, err := produce.Once(t.Context(), config(t, brokers), source, nil); !errors.Is(err, cut) {
			t.Fatalf("error %v, want %v", err, cut)
		}
	}
	if _, err := produce.Once(t.Context(), config(t, brokers), produce.Source{ID: "numbers", Events: list(all)}, nil); err != nil {
		t.Fatal(err)
	}
	checkOnce(t, brokers, len(all))
}

// A cancelled call leaves each partition with a beginning of its events: nothing is missing in between.
func TestOnceGoesOnAfterItWasCancelled(t *testing.T) {
	brokers := testkit.Broker(t)
	all := numbered(20_000)
	for stop := 5000; stop < len(all); stop += 5000 {
		ctx, cancel := context.WithCancel(t.Context())
		source := produce.Source{ID: "numbers", Events: func(yield func(events.Event, error) bool) {
			for i, e := range all {
				if i == stop {
					cancel()
				}
				if !yield(e, nil) {
					return
				}
			}
		}}
		if _, err := produce.Once(ctx, config(t, brokers), source, nil); !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v, want %v", err, context.Canceled)
		}
		cancel()
	}
	if _, err := produce.Once(t.Context(), config(t, brokers), produce.Source{ID: "numbers", Events: list(all)}, nil); err != nil {
		t.Fatal(err)
	}
	checkOnce(t, brokers, len(all))
}

func TestOnceBesideRecordsOfOthers(t *testing.T) {
	brokers := testkit.Broker(t)
	if _, err := produce.EnsureTopic(t.Context(), config(t, brokers)); err != nil {
		t.Fatal(err)
	}
	others, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic("transactions"), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer others.Close()
	transactional, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic("transactions"), kgo.TransactionalID("others"))
	if err != nil {
		t.Fatal(err)
	}
	defer transactional.Close()
	disturb := func() {
		t.Helper()
		for i := range 20 {
			r := &kgo.Record{Value: []byte("of others"), Headers: []kgo.RecordHeader{{Key: "trace", Value: []byte{byte(i)}}}}
			if err := others.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		// A transaction ends in a marker, which is no record: it stands last in its partitions.
		if err := transactional.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for p := range 6 {
			if err := transactional.ProduceSync(t.Context(), &kgo.Record{Key: fmt.Append(nil, p), Value: []byte("of others")}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if err := transactional.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
	}
	disturb()
	source := produce.Source{ID: "numbers", Events: list(numbered(500))}
	for i, want := range []int64{500, 0, 0} {
		got, err := produce.Once(t.Context(), config(t, brokers), source, nil)
		if err != nil || got.Sent != want {
			t.Fatalf("call %d: %+v, %v; want %d sent", i+1, got, err, want)
		}
		disturb()
	}
}

// Keys stay where they are when the topic grows between two calls.
func TestOnceOnATopicThatGrows(t *testing.T) {
	brokers := testkit.Broker(t)
	all := numbered(1000)
	if _, err := produce.Once(t.Context(), config(t, brokers), produce.Source{ID: "numbers", Events: list(all[:400])}, nil); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreatePartitions(t.Context(), 3, "transactions"); err != nil {
		t.Fatal(err)
	}
	got, err := produce.Once(t.Context(), config(t, brokers), produce.Source{ID: "numbers", Events: list(all)}, nil)
	if err != nil || got.Topic.Partitions != 9 || got.Sent != 600 {
		t.Fatalf("%+v, %v; want 600 sent to a topic of 9 partitions", got, err)
	}
	checkOnce(t, brokers, len(all))
}

// What retention has deleted is not produced again.
func TestOnceAfterRetention(t *testing.T) {
	brokers := testkit.Broker(t)
	all := numbered(1000)
	if _, err := produce.Once(t.Context(), config(t, brokers), produce.Source{ID: "numbers", Events: list(all[:900])}, nil); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	deleted := kadm.Offsets{}
	for p := range int32(6) {
		deleted.AddOffset("transactions", p, 20, -1)
	}
	if _, err := kadm.NewClient(client).DeleteRecords(t.Context(), deleted); err != nil {
		t.Fatal(err)
	}
	got, err := produce.Once(t.Context(), config(t, brokers), produce.Source{ID: "numbers", Events: list(all)}, nil)
	if err != nil || got.Sent != 100 {
		t.Errorf("%+v, %v; want the 100 that were not there yet", got, err)
	}
}

func TestOnceRefusesAHeaderThatItDoesNotWrite(t *testing.T) {
	brokers := testkit.Broker(t)
	if _, err := produce.EnsureTopic(t.Context(), config(t, brokers)); err != nil {
		t.Fatal(err)
	}
	others, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic("transactions"))
	if err != nil {
		t.Fatal(err)
	}
	defer others.Close()
	r := &kgo.Record{Headers: []kgo.RecordHeader{{Key: "tidemill-source", Value: []byte("numbers x")}}}
	if err := others.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	got, err := produce.Once(t.Context(), config(t, brokers), produce.Source{ID: "numbers", Events: list(numbered(10))}, nil)
	if err == nil || got.Sent != 0 {
		t.Errorf("%+v, %v; want an error and nothing sent", got, err)
	}
}
