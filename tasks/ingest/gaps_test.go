package ingest

import (
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/storage/lake"
)

// transact produces records in one transaction, and ends it.
func (w *world) transact(id string, end kgo.TransactionEndTry, recs ...*kgo.Record) {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.DefaultProduceTopic(topic), kgo.TransactionalID(id))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	if err := client.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	if err := client.ProduceSync(w.t.Context(), recs...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
	if err := client.EndTransaction(w.t.Context(), end); err != nil {
		w.t.Fatal(err)
	}
}

// TestTransactions: aborted records and markers are gaps with their causes; the
// markers at the end count for being caught up.
func TestTransactions(t *testing.T) {
	w := newWorld(t, 2)
	w.transact("a", kgo.TryCommit, payments(2, 0, 10)...)
	w.transact("b", kgo.TryAbort, payments(2, 10, 6)...)
	w.produce(payments(2, 20, 4)...)
	w.transact("c", kgo.TryCommit, payments(2, 30, 2)...)
	w.transact("d", kgo.TryAbort, payments(2, 40, 2)...)
	l := w.lake()
	r := w.run(w.config(l))
	w.caughtUp(l)
	r.stop()
	w.wantOnce(10 + 4 + 2)
	w.auditClean(l)
	want := map[lake.Cause]int64{lake.CauseControl: 2 * 4, lake.CauseAborted: 6 + 2}
	for cause, n := range gapsByCause(t, l) {
		if n != want[cause] {
			t.Errorf("%d offsets are gaps for being %s, want %d", n, cause, want[cause])
		}
		delete(want, cause)
	}
	if len(want) > 0 {
		t.Errorf("no gaps for %v", want)
	}
	if watermark(t, l).Year() < 2026 {
		t.Errorf("the watermark is %v: the markers at the end hold it up", watermark(t, l))
	}
}

func gapsByCause(t *testing.T, l *lake.Lake) map[lake.Cause]int64 {
	t.Helper()
	state, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := map[lake.Cause]int64{}
	for n := int64(1); n <= state.Head; n++ {
		e, err := l.Entry(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range e.Partitions {
			for _, g := range r.Gaps {
				sum[g.Cause] += g.End - g.Start
			}
		}
	}
	return sum
}

// TestDeletedByRetention: what the broker dropped before it was read is a gap.
func TestDeletedByRetention(t *testing.T) {
	w := newWorld(t, 2)
	w.produce(payments(2, 0, 20)...)
	l := w.lake()
	w.deleteUpTo(0, 7)
	w.deleteUpTo(1, 10) // all of it
	cfg := w.config(l)
	var told []Loss // of the goroutine that commits, which has ended when it is read
	cfg.Lost = func(l Loss) { told = append(told, l) }
	r := w.run(cfg)
	w.caughtUp(l)
	r.stop()
	checkLosses(t, told, map[int32]int64{0: 7, 1: 10})
	if n := r.progress().Lost; n != 17 {
		t.Errorf("progress tells of %d lost offsets, want 17", n)
	}
	w.wantOnce(3)
	w.auditClean(l)
	if n := gapsByCause(t, l)[lake.CauseDeleted]; n != 17 {
		t.Errorf("%d offsets are gaps for being deleted, want 17", n)
	}

	w.produce(payments(2, 20, 20)...) // and while nobody reads
	w.deleteUpTo(0, 15)
	r = w.run(w.config(l))
	w.caughtUp(l)
	r.stop()
	w.wantOnce(3 + 5 + 10)
	w.auditClean(l)
}

// checkLosses checks that of each partition the first offsets are told as lost, once.
func checkLosses(t *testing.T, told []Loss, want map[int32]int64) {
	t.Helper()
	for _, l := range told {
		if l.Start != 0 || l.End != want[l.Partition] || l.Entry == 0 || l.TopicID == "" {
			t.Errorf("told of %+v, want the first %d offsets", l, want[l.Partition])
		}
		delete(want, l.Partition)
	}
	if len(want) > 0 {
		t.Errorf("nobody was told of losses in partitions %v", want)
	}
}

func (w *world) deleteUpTo(partition int32, offset int64) {
	w.t.Helper()
	offsets := kadmOffsets(partition, offset)
	answer, err := w.admin.DeleteRecords(w.t.Context(), offsets)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := answer.Error(); err != nil {
		w.t.Fatal(err)
	}
}

// TestSkippedRecordIsFound: a consumer that leaves a record out is found by the
// raw fetch, and nothing is committed past it.
func TestSkippedRecordIsFound(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(payments(1, 0, 10)...)
	asks, err := newBroker(w.brokers, topic, saramaConfig(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = asks.Close() }()
	in, err := New(w.config(w.lake()))
	if err != nil {
		t.Fatal(err)
	}
	in.asks = asks
	c := claim[paymentRow]{session: &session[paymentRow]{in: in}}
	c.chunk.Reset(topic, "id", 0, 3)
	if err := c.fillGap(context.Background(), 3, 5); !errors.Is(err, errSkipped) {
		t.Errorf("fillGap over two records: %v, want errSkipped", err)
	}
	if c.chunk.Len() != 0 {
		t.Errorf("fillGap declared %d offsets", c.chunk.Len())
	}
}
