package ingest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
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
