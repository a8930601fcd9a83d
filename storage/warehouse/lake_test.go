package warehouse_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/payment/goldref"
)

// decode is the lake's transform, without the reasons of what it refuses.
func decode(rec *lake.Record, into *payment.Row) lake.Verdict {
	if payment.Decode(rec.Value, into) != nil {
		return lake.Verdict{Broken: true, Field: payment.FieldValue}
	}
	into.KafkaPartition, into.KafkaOffset = rec.Partition, rec.Offset
	into.KafkaTimestamp, into.IngestionTimestamp = rec.Timestamp.UnixMicro(), rec.IngestedAt.UnixMicro()
	return lake.Verdict{EventTime: time.UnixMicro(into.EventTime)}
}

// lakeOnDisk has events in a lake of its own, in commits of up to perCommit records.
func lakeOnDisk(t testing.TB, events []goldref.Event, perCommit int) *lake.Lake {
	t.Helper()
	l, err := lake.Open(t.TempDir(), "transactions")
	if err != nil {
		t.Fatal(err)
	}
	commit(t, l, events, perCommit)
	return l
}

// commit puts events, whose offsets follow on from those that are there, into a lake.
func commit(t testing.TB, l *lake.Lake, events []goldref.Event, perCommit int) {
	t.Helper()
	commitAs(t, l, events, perCommit, decode)
}

// commitAs commits events as a transform makes rows of them.
func commitAs(t testing.TB, l *lake.Lake, events []goldref.Event, perCommit int, transform lake.Transform[payment.Row]) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	w := lake.NewWriter[payment.Row](l)
	state, err := l.State(background)
	must(err)
	next := map[int32]int64{}
	for p := range int32(3) {
		next[p] = state.Next("topic", p)
	}
	for some := range slices.Chunk(events, perCommit) {
		state, err := l.State(background)
		must(err)
		batch := w.Begin("topic", state)
		chunks := map[int32]*lake.Chunk[payment.Row]{}
		now := time.Now()
		for _, e := range some {
			c := chunks[e.Partition]
			if c == nil {
				c = &lake.Chunk[payment.Row]{}
				c.Reset("transactions", "topic", e.Partition, next[e.Partition])
				chunks[e.Partition] = c
			}
			if _, err := c.Take(&lake.Record{Value: e.Value, Partition: e.Partition, Offset: e.Offset, Timestamp: e.Time, IngestedAt: now}, transform); err != nil {
				t.Fatal(err)
			}
			next[e.Partition] = c.End()
		}
		for _, c := range chunks {
			must(batch.Add(c))
		}
		sealed, err := batch.Seal(lake.Topic{AskedAt: now, Partitions: 3, Ends: next})
		must(err)
		if _, err = w.Commit(background, sealed); err != nil {
			t.Fatal(err)
		}
	}
	must(w.Close())
}
