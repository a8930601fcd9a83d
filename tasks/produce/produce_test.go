package produce_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/storage/payment/events"
	"github.com/tidemill/tidemill/storage/payment/goldref"
	"github.com/tidemill/tidemill/tasks/produce"
)

func config(t *testing.T, brokers []string) produce.Config {
	return produce.Config{Brokers: brokers, Topic: "transactions", Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

func list(all []events.Event) iter.Seq2[events.Event, error] {
	return func(yield func(events.Event, error) bool) {
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// readTopic returns all records of the topic by partition, through another client than the producer's.
func readTopic(t *testing.T, brokers []string, topic string) map[int32][]*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	missing := int64(0)
	ends.Each(func(o kadm.ListedOffset) { missing += o.Offset })
	all := map[int32][]*kgo.Record{}
	for missing > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d records are missing: %v", missing, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			all[r.Partition] = append(all[r.Partition], r)
			missing--
		})
	}
	return all
}

// hostile returns records with an explicit partition each.
func hostile(n int) (all []events.Event) {
	for _, e := range goldref.Hostile(1, n) {
		all = append(all, events.Event{Key: e.Key, Time: e.Time, Value: e.Value, Partition: &e.Partition})
	}
	return all
}

func sameRecord(r *kgo.Record, e events.Event) bool {
	return bytes.Equal(r.Key, e.Key) && (r.Key == nil) == (e.Key == nil) && bytes.Equal(r.Value, e.Value) && (r.Value == nil) == (e.Value == nil) &&
		r.Timestamp.Equal(e.Time)
}

func TestProduceKeepsRecordsAsTheyAre(t *testing.T) {
	brokers := testkit.Broker(t)
	want := hostile(3000)
	var last produce.Progress
	got, err := produce.Produce(t.Context(), config(t, brokers), list(want), func(p produce.Progress) { last = p })
	if err != nil {
		t.Fatal(err)
	}
	if got.Acknowledged != 3000 || got.Sent != 3000 || last != got.Progress || !got.Topic.Created || got.Topic.Partitions != 6 {
		t.Errorf("got %+v, last progress %+v", got, last)
	}
	topic := readTopic(t, brokers, "transactions")
	var next [6]int
	for i, e := range want {
		records := topic[*e.Partition]
		at := next[*e.Partition]
		next[*e.Partition]++
		if at >= len(records) || !sameRecord(records[at], e) {
			t.Fatalf("event %d is not record %d of partition %d", i, at, *e.Partition)
		}
	}
	if n := len(slices.Concat(topic[0], topic[1], topic[2], topic[3], topic[4], topic[5])); n != len(want) {
		t.Errorf("%d records on the topic, want %d", n, len(want))
	}
}

func TestProduceKeepsTheOrderOfAKey(t *testing.T) {
	brokers := testkit.Broker(t)
	var all []events.Event
	for i := range 5000 {
		e := events.Event{Key: fmt.Appendf(nil, "key %d", i%50), Time: time.UnixMilli(1704067200000 + int64(i)), Value: fmt.Append(nil, i)}
		if i%50 == 0 {
			e.Key = nil
		}
		all = append(all, e)
	}
	if _, err := produce.Produce(t.Context(), config(t, brokers), list(all), nil); err != nil {
		t.Fatal(err)
	}
	partitionOf, previous := map[string]int32{}, map[string]time.Time{}
	nullKeys := 0
	for partition, records := range readTopic(t, brokers, "transactions") {
		null := 0
		for _, r := range records {
			if r.Key == nil {
				null++
				continue
			}
			key := string(r.Key)
			if p, seen := partitionOf[key]; seen && p != partition {
				t.Fatalf("%s is in partitions %d and %d", key, p, partition)
			}
			if !previous[key].Before(r.Timestamp) {
				t.Fatalf("%s is out of order at %s", key, r.Timestamp)
			}
			partitionOf[key], previous[key] = partition, r.Timestamp
		}
		if null > 0 {
			nullKeys++
		}
	}
	if len(partitionOf) != 49 || nullKeys < 3 {
		t.Errorf("%d keys and null keys in %d partitions", len(partitionOf), nullKeys)
	}
}

func TestProduceRefusesWhatTheTopicCannotHold(t *testing.T) {
	brokers := testkit.Broker(t)
	seventh := int32(6)
	for _, tt := range []struct {
		name, want string
		bad        events.Event
	}{
		{"before 1970", "line 2", events.Event{Time: time.UnixMilli(-1)}},
		{"far ahead", "line 2", events.Event{Time: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}},
		{"no such partition", "no partition 6", events.Event{Time: time.UnixMilli(0), Partition: &seventh}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := produce.Produce(t.Context(), config(t, brokers), list([]events.Event{{Time: time.UnixMilli(1)}, tt.bad}), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) || got.Acknowledged != 1 {
				t.Errorf("%+v, error %v", got, err)
			}
		})
	}
}

func TestProduceNamesTheLineThatTheBrokerRefuses(t *testing.T) {
	brokers := testkit.Broker(t)
	tooLarge := events.Event{Time: time.UnixMilli(0), Value: make([]byte, 2<<20)}
	if _, err := produce.Produce(t.Context(), config(t, brokers), list([]events.Event{{Time: time.UnixMilli(1)}, tooLarge}), nil); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v, want one of line 2", err)
	}
}

func TestProduceEndsWithItsEvents(t *testing.T) {
	broken := errors.New("line 2 is broken")
	all := func(yield func(events.Event, error) bool) {
		_ = yield(events.Event{Time: time.UnixMilli(1)}, nil) && yield(events.Event{}, broken)
	}
	got, err := produce.Produce(t.Context(), config(t, testkit.Broker(t)), all, nil)
	if !errors.Is(err, broken) || got.Acknowledged != 1 {
		t.Errorf("%+v, error %v; want the events' own error and the first acknowledged", got, err)
	}
}

func TestProduceEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	all := func(yield func(events.Event, error) bool) {
		for i := 0; yield(events.Event{Time: time.UnixMilli(int64(i))}, nil); i++ {
			if i == 1000 {
				cancel()
			}
		}
	}
	if _, err := produce.Produce(ctx, config(t, testkit.Broker(t)), all, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, c := range []produce.Config{{Topic: "x"}, {Brokers: []string{"127.0.0.1:1"}}} {
		if _, err := produce.EnsureTopic(t.Context(), c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func TestEnsureTopic(t *testing.T) {
	brokers := testkit.Broker(t)
	first, err := produce.EnsureTopic(t.Context(), config(t, brokers))
	if err != nil || !first.Created || first.Partitions != produce.Partitions {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := produce.EnsureTopic(t.Context(), config(t, brokers))
	if err != nil || second.Created || second.Partitions != produce.Partitions {
		t.Fatalf("%+v, %v", second, err)
	}
	if _, finite := second.Retention(); finite || second.Settings["message.timestamp.type"] != "CreateTime" {
		t.Errorf("settings %v", second.Settings)
	}
	if w := second.Warnings(time.UnixMilli(0), time.Now()); len(w) != 0 {
		t.Errorf("its own topic brings the warnings %q", w)
	}
}

func TestWarnings(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	week := map[string]string{"retention.ms": "604800000", "cleanup.policy": "delete"}
	for _, tt := range []struct {
		name     string
		settings map[string]string
		oldest   time.Time
		want     []string
	}{
		{"nothing known", nil, now.AddDate(-2, 0, 0), nil},
		{"for ever", map[string]string{"retention.ms": "-1"}, now.AddDate(-2, 0, 0), nil},
		{"old records", week, now.AddDate(-2, 0, 0), []string{"retention.ms=-1"}},
		{"young records", week, now.AddDate(0, 0, -6), nil},
		{"age not known", week, time.Time{}, nil},
		{"restamped", map[string]string{"message.timestamp.type": "LogAppendTime"}, now, []string{"message.timestamp.type=CreateTime"}},
		{"compacted", map[string]string{"cleanup.policy": "compact", "retention.ms": "604800000"}, now.AddDate(-2, 0, 0), []string{"cleanup.policy=delete"}},
		{"compacted and deleted", map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "1000"}, now.Add(-time.Hour), []string{"cleanup.policy=delete", "retention.ms=-1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := produce.Topic{Name: "transactions", Settings: tt.settings}.Warnings(tt.oldest, now)
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i := range got {
				if !strings.HasSuffix(got[i], tt.want[i]) || !strings.Contains(got[i], "transactions") {
					t.Errorf("got %q, want it to end in %q", got[i], tt.want[i])
				}
			}
		})
	}
}

func TestProduceWarnsOfRetention(t *testing.T) {
	brokers := testkit.Broker(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	week := "604800000"
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 2, 1, map[string]*string{"retention.ms": &week}, "transactions"); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	c := config(t, brokers)
	c.Log = slog.New(slog.NewTextHandler(&log, nil))
	old := []events.Event{{Time: time.UnixMilli(1704067200000)}, {Time: time.UnixMilli(1704067200001)}}
	got, err := produce.Produce(t.Context(), c, list(old), nil)
	if err != nil || got.Topic.Partitions != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	if n := strings.Count(log.String(), "retention.ms=-1"); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, log.String())
	}
}

func TestFileSource(t *testing.T) {
	write := func(name, value string) produce.Source {
		path := filepath.Join(t.TempDir(), name)
		w, err := events.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Write(events.Event{Time: time.UnixMilli(1), Value: []byte(value)}), w.Close()); err != nil {
			t.Fatal(err)
		}
		source, err := produce.FileSource(path)
		if err != nil {
			t.Fatal(err)
		}
		return source
	}
	a, same, other := write("a.ndjson", "x"), write("b.ndjson", "x"), write("a.ndjson", "y")
	if a.ID != same.ID || a.ID == other.ID {
		t.Errorf("ids %s, %s, %s; want the first two equal", a.ID, same.ID, other.ID)
	}
	for range 2 {
		n := 0
		for e, err := range a.Events {
			if err != nil || string(e.Value) != "x" {
				t.Errorf("%v, %v", e, err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("%d events, want 1 each time", n)
		}
	}
	if _, err := produce.FileSource("/no/such/file"); err == nil {
		t.Error("a missing file is no error")
	}
}
