package kafka

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/storage/payment/goldref"
	"github.com/tidemill/tidemill/tasks/produce"
)

// TestHostileTopic: what the model of the contract accepts is a row, everything else a dead letter or a tombstone.
func TestHostileTopic(t *testing.T) {
	if !wanted(t) {
		return
	}
	t.Parallel()
	w := newWorld(t, sharedBroker(t), goldref.HostilePartitions)
	events := goldref.Hostile(7, 4000)
	recs := make([]*kgo.Record, len(events))
	for i, e := range events {
		recs[i] = &kgo.Record{Key: e.Key, Value: e.Value, Partition: e.Partition, Timestamp: e.Time}
	}
	w.produce(recs...)
	l := w.lake()
	r := w.run(w.config(l))
	w.caughtUp(l)
	r.stop()
	got, want := w.check(l), goldref.Of(events, time.Now())
	if int(got.report.Rows) != len(want.Accepted) || int(got.report.DeadLetters) != len(want.DeadLetters) || int(got.report.Tombstones) != want.Tombstones {
		t.Errorf("%d rows, %d dead letters and %d tombstones, want %d, %d and %d", got.report.Rows, got.report.DeadLetters, got.report.Tombstones,
			len(want.Accepted), len(want.DeadLetters), want.Tombstones)
	}
	for _, a := range want.Accepted {
		if len(got.rows[place{a.Partition, a.Offset}]) != 1 {
			t.Errorf("%d/%d is not in the lake", a.Partition, a.Offset)
		}
	}
}

// TestOurOwnProducer makes the topic, and what it sends is kept though it is years old; a second time it adds nothing.
func TestOurOwnProducer(t *testing.T) {
	if !wanted(t) {
		return
	}
	t.Parallel()
	w := newWorld(t, sharedBroker(t), 0)
	source := produce.Sample(produce.SampleOptions{From: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Days: 2, PerDay: 500, Seed: 1})
	config := produce.Config{Brokers: w.addrs, Topic: w.topic}
	var sent int64
	for round := range 2 {
		result, err := produce.Once(t.Context(), config, source, nil)
		if err != nil {
			t.Fatal(err)
		}
		if sent += result.Sent; round == 0 && sent == 0 || round == 1 && result.Sent != 0 {
			t.Errorf("round %d sent %d records", round, result.Sent)
		}
	}
	l := w.lake()
	r := w.run(w.config(l))
	w.caughtUp(l)
	r.stop()
	got := w.check(l)
	if n := got.report.Rows + got.report.DeadLetters + got.report.Tombstones; n != sent {
		t.Errorf("the lake has %d records, %d were sent", n, sent)
	}
}

// TestTopicMadeAnew: a topic that is deleted and made anew while it is read begins again, beside what its predecessor brought.
func TestTopicMadeAnew(t *testing.T) {
	if !wanted(t) {
		return
	}
	t.Parallel()
	w := newWorld(t, sharedBroker(t), 2)
	w.produce(payments(2, 0, 40)...)
	l := w.lake()
	cfg := w.config(l)
	cfg.WaitForTopic = true
	r := w.run(cfg)
	w.caughtUp(l)
	if _, err := w.admin.DeleteTopic(t.Context(), w.topic); err != nil {
		t.Fatal(err)
	}
	w.client.PurgeTopicsFromClient(w.topic)
	eventually(t, "the topic is made anew", func() bool {
		_, err := w.admin.CreateTopic(t.Context(), 2, 1, map[string]*string{"retention.ms": kadm.StringPtr("-1")}, w.topic)
		return err == nil
	})
	w.produce(payments(2, 100, 60)...)
	w.caughtUp(l)
	r.stop()
	report, err := l.Audit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !report.Clean() || report.Rows != 100 || len(report.Partitions) != 4 {
		t.Errorf("%d rows of %d partitions, want 100 of 4; %v", report.Rows, len(report.Partitions), report.Problems)
	}
}

// TestNewPartitions are taken up while it runs.
func TestNewPartitions(t *testing.T) {
	if !wanted(t) {
		return
	}
	t.Parallel()
	w := newWorld(t, sharedBroker(t), 2)
	l := w.lake()
	r := w.run(w.config(l))
	w.produce(payments(2, 0, 10)...)
	w.caughtUp(l)
	if _, err := w.admin.CreatePartitions(t.Context(), 3, w.topic); err != nil {
		t.Fatal(err)
	}
	w.client.PurgeTopicsFromClient(w.topic) // it asks again how many there are
	w.produce(payments(5, 100, 50)...)
	w.caughtUp(l)
	r.stop()
	if got := w.check(l); len(got.report.Partitions) != 5 || got.report.Rows != 60 {
		t.Errorf("%d rows of %d partitions, want 60 of 5", got.report.Rows, len(got.report.Partitions))
	}
}

// TestRecordsLargerThanAFetch are read all the same: each is a dead letter for being no payment.
func TestRecordsLargerThanAFetch(t *testing.T) {
	if !wanted(t) {
		return
	}
	t.Parallel()
	w := newWorld(t, sharedBroker(t), 1, "max.message.bytes", "12582912")
	recs := payments(1, 0, 6)
	for i, size := range []int{0, 1 << 20, 0, 3 << 20, 10 << 20, 0} {
		if size > 0 {
			recs[i].Value = []byte(strings.Repeat("x", size))
		}
		w.produce(recs[i]) // each a batch of its own
	}
	l := w.lake()
	r := w.run(w.config(l))
	w.caughtUp(l)
	r.stop()
	if got := w.check(l); got.report.Rows != 3 || got.report.DeadLetters != 3 {
		t.Errorf("%d rows and %d dead letters, want 3 and 3", got.report.Rows, got.report.DeadLetters)
	}
}
