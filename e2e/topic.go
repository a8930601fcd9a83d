package e2e

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/storage/payment/events"
	"github.com/tidemill/tidemill/storage/payment/goldref"
)

const topicName = "transactions"

// topic reads every record of the topic, by another client than the program's.
func (o outcome) topic() []goldref.Event {
	t := o.t
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(o.brokers...), kgo.ConsumeTopics(topicName), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), topicName)
	if err != nil {
		t.Fatal(err)
	}
	left := int64(0)
	ends.Each(func(end kadm.ListedOffset) { left += end.Offset })
	var all []goldref.Event
	for int64(len(all)) < left {
		fetches := client.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			all = append(all, goldref.Event{Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp.UTC(), Key: r.Key, Value: r.Value})
		})
	}
	slices.SortFunc(all, func(a, b goldref.Event) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return all
}

// writeEvents makes a file of events in the order given and returns its path. Where chosen, each goes to its partition; otherwise the
// program chooses.
func writeEvents(t *testing.T, path string, list []goldref.Event, chosen bool) string {
	t.Helper()
	w, err := events.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		record := events.Event{Key: e.Key, Time: e.Time, Value: e.Value}
		if chosen {
			record.Partition = &e.Partition
		}
		if err := w.Write(record); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// readEvents reads a file of events.
func readEvents(t *testing.T, path string) []goldref.Event {
	t.Helper()
	r, err := events.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // only read
	var all []goldref.Event
	for e, err := range r.All() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, goldref.Event{Time: e.Time, Key: e.Key, Value: e.Value})
	}
	return all
}

// checkTopic checks that the topic has the events given and no others, bytes, keys and timestamps as they were.
func checkTopic(t *testing.T, got, want []goldref.Event) {
	t.Helper()
	text := func(list []goldref.Event) []string {
		lines := make([]string, len(list))
		for i, e := range list {
			lines[i] = fmt.Sprintf("%d %t %q %t %q", e.Time.UnixMilli(), e.Key == nil, e.Key, e.Value == nil, e.Value)
		}
		slices.Sort(lines)
		return lines
	}
	compare(t, "the topic", text(got), text(want))
}
