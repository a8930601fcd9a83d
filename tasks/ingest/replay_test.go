package ingest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/payment/goldref"
)

func TestRuns(t *testing.T) {
	offsets := []int64{1, 2, 5, 5 + worthSkipping, 6 + 2*worthSkipping, 7 + 2*worthSkipping}
	got := fmt.Sprint(runs([]int{0, 1, 2, 3, 4, 5}, func(i int) int64 { return offsets[i] }))
	if want := "[[0 1 2 3] [4 5]]"; got != want {
		t.Errorf("runs %s, want %s", got, want)
	}
}

// hundredfold is a decoder that stores 1230.00 for 12.30, and lets bad records pass.
func hundredfold(rec *lake.Record, into *payment.Row) lake.Verdict {
	v := Payments(rec, into)
	if v.Broken {
		*into = payment.Row{TransactionID: "00000000-0000-4000-8000-000000000000", Status: "PENDING", Currency: "INR", KafkaPartition: rec.Partition, KafkaOffset: rec.Offset,
			KafkaTimestamp: rec.Timestamp.UnixMicro(), IngestionTimestamp: rec.IngestedAt.UnixMicro()}
		return lake.Verdict{}
	}
	into.Amount *= 100
	return v
}

// TestReplayFromKafka repairs what a wrong decoder made, while the stream (of the
// right one by now) and readers go on.
func TestReplayFromKafka(t *testing.T) {
	w := newWorld(t, 2)
	l := w.lake()
	cfg := w.config(l)
	cfg.Transform = hundredfold
	r := w.run(cfg)
	for i := range 3 {
		recs := payments(2, 10*i, 10)
		recs[4].Value = []byte(`{"amount":1}`)
		w.produce(recs...)
		w.transact(fmt.Sprint("dropped", i), kgo.TryAbort, payments(2, 100+10*i, 3)...)
		w.caughtUp(l)
	}
	r.stop()
	if k := w.compare(l); k.Wrong != 30 {
		t.Fatalf("the comparison with Kafka finds %d wrong, want 30", k.Wrong)
	}
	r = w.run(w.config(l))
	own := w.lake()
	writer := lake.NewWriter[payment.Row](own)
	if done, err := writer.Compact(t.Context(), "2024-01-05", lake.DefaultTarget); err != nil || done.Before < 3 {
		t.Fatalf("compacted: %+v, %v", done, err)
	}
	w.produce(payments(2, 30, 4)...)
	w.caughtUp(l)
	replay, err := NewReplay(t.Context(), w.brokers, nil, topic, Payments)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = replay.Close() }()
	done, err := writer.Replay(t.Context(), "2024-01-05", replay.Decoder())
	if err != nil || done.Generation != 1 || done.ToDeadLetter != 3 || done.Rows != 31 || done.DeadLetters != 3 {
		t.Fatalf("replayed: %+v, %v", done, err)
	}
	w.produce(payments(2, 40, 5)...)
	w.caughtUp(l)
	r.stop()
	w.wantOnce(27 + 4 + 5)
	w.auditClean(l)
	if k := w.compare(w.lake()); !k.Clean() || k.Compared < 39 {
		t.Errorf("compared with Kafka: %+v", k)
	}
	for at, copies := range w.plainRows() {
		if a := copies[0].Amount; a%100 != 25 || a > 10_000 {
			t.Errorf("%v has the amount %d", at, a)
		}
	}
	// What retention has taken cannot be made anew, and stays as it is.
	w.deleteUpTo(0, 5)
	again, err := NewReplay(t.Context(), w.brokers, nil, topic, hundredfold)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	if _, err := writer.Replay(t.Context(), "2024-01-05", again.Decoder()); !errors.Is(err, ErrNotInKafka) {
		t.Errorf("replay of what is not there: %v, want ErrNotInKafka", err)
	}
	w.wantOnce(27 + 4 + 5)
	w.auditClean(l)
}

// TestReplayFromTheLake: the same code makes the same files of Kafka's records
// and of the lake's rows, byte for byte; other code makes other rows; what it
// refuses only Kafka can tell.
func TestReplayFromTheLake(t *testing.T) {
	w := newWorld(t, 2)
	events := goldref.Hostile(3, 1200)
	for i := range events {
		events[i].Partition %= 2
	}
	w.produceEvents(events)
	l := w.lake()
	r := w.run(w.config(l))
	w.caughtUp(l)
	r.stop()
	writer := lake.NewWriter[payment.Row](l)
	replay, err := NewReplay(t.Context(), w.brokers, nil, topic, Payments)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = replay.Close() }()
	days, err := l.Days(t.Context())
	if err != nil || len(days) < 2 {
		t.Fatalf("days %v, %v", days, err)
	}
	all := func(d lake.Decoder[payment.Row]) (sums []string) {
		t.Helper()
		for _, day := range days {
			if _, err := writer.Replay(t.Context(), day.Day, d); err != nil {
				t.Fatal(err)
			}
		}
		files, err := l.Files(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			sums = append(sums, fmt.Sprint(f.Day, f.Rows, f.Parts, f.MinEventTime, f.MaxEventTime, f.Checksum))
		}
		w.auditClean(l)
		return sums
	}
	before, err := l.Days(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ofKafka := all(replay.Decoder())
	ofLake := all(PaymentsOfLake(Payments))
	if fmt.Sprint(ofKafka) != fmt.Sprint(ofLake) {
		t.Errorf("of Kafka: %v\nof the lake: %v", ofKafka, ofLake)
	}
	after, err := l.Days(t.Context())
	for i := range after {
		if before[i].Rows > 0 && (before[i].Generation != 0 || after[i].Generation != 2) {
			t.Errorf("generation %d, then %d; want 0, then 2", before[i].Generation, after[i].Generation)
		}
		before[i].Generation, before[i].Bytes = 0, 0
		after[i].Generation, after[i].Bytes, after[i].Replayed = 0, 0, 0
		if err != nil || fmt.Sprint(before[i]) != fmt.Sprint(after[i]) {
			t.Errorf("the day is %+v, it was %+v", after[i], before[i])
		}
	}
	if k := w.compare(l); !k.Clean() {
		t.Errorf("compared with Kafka: %+v", k.Problems[:min(3, len(k.Problems))])
	}
	enriched := all(PaymentsOfLake(func(rec *lake.Record, into *payment.Row) lake.Verdict {
		v := Payments(rec, into)
		into.Country = &[]string{"IN"}[0]
		return v
	}))
	if fmt.Sprint(enriched) == fmt.Sprint(ofLake) {
		t.Error("another transform makes the same files")
	}
	for _, copies := range w.plainRows() {
		if *copies[0].Country != "IN" {
			t.Fatalf("a row of country %q", *copies[0].Country)
		}
	}
	none := func(*lake.Record, *payment.Row) lake.Verdict {
		return lake.Verdict{Broken: true, Field: "x", Reason: "y"}
	}
	full := days[slices.IndexFunc(days, func(d lake.DayStat) bool { return d.Rows > 0 })].Day
	if _, err := writer.Replay(t.Context(), full, PaymentsOfLake(none)); !errors.Is(err, ErrNeedsKafka) {
		t.Errorf("a transform that refuses: %v, want ErrNeedsKafka", err)
	}
}
