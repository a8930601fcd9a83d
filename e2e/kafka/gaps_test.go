package kafka

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// begin begins a transaction and produces records in it.
func (w *world) begin(id string, recs ...*kgo.Record) *kgo.Client {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(w.topic),
		kgo.TransactionalID(w.topic+"-"+id), kgo.TransactionTimeout(5*time.Second))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(client.Close)
	if err := client.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	if err := client.ProduceSync(w.t.Context(), recs...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
	return client
}

func (w *world) transact(id string, end kgo.TransactionEndTry, recs ...*kgo.Record) {
	w.t.Helper()
	if err := w.begin(id, recs...).EndTransaction(w.t.Context(), end); err != nil {
		w.t.Fatal(err)
	}
}

func wantGaps(t *testing.T, got checked, want map[lake.Cause]int64) {
	t.Helper()
	for _, cause := range []lake.Cause{lake.CauseControl, lake.CauseAborted, lake.CauseCompacted, lake.CauseDeleted} {
		if got.gaps[cause] != want[cause] {
			t.Errorf("%d offsets are gaps for being %s, want %d", got.gaps[cause], cause, want[cause])
		}
	}
}

// TestTransactions: what was aborted is not in the lake, by its producer or by the coordinator for one that fell silent; markers and
// aborted records are gaps, each with its cause; what follows an open transaction waits for its end.
func TestTransactions(t *testing.T) {
	if !wanted(t) {
		return
	}
	t.Parallel()
	w := newWorld(t, sharedBroker(t), 2)
	l := w.lake()
	r := w.run(w.config(l))
	w.transact("a", kgo.TryCommit, payments(2, 0, 100)...)
	w.transact("b", kgo.TryAbort, payments(2, 100, 60)...)
	w.produce(payments(2, 200, 40)...)
	w.caughtUp(l)

	w.begin("silent", payments(2, 300, 20)...) // its coordinator aborts it after its timeout
	open := w.begin("open", payments(2, 400, 10)...)
	w.produce(payments(2, 500, 8)...)
	w.transact("c", kgo.TryCommit, payments(2, 600, 4)...)
	starts, _ := w.offsets()
	if _, ends := w.offsets(); ends[0] >= 130 || starts[0] != 0 {
		t.Fatalf("the end of what is committed is %v: no transaction is open", ends)
	}
	if err := open.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the silent producer's transaction is aborted", func() bool {
		committed, err := w.admin.ListCommittedOffsets(t.Context(), w.topic)
		if err != nil {
			t.Fatal(err)
		}
		last, err := w.admin.ListEndOffsets(t.Context(), w.topic)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := committed.Lookup(w.topic, 0)
		b, _ := last.Lookup(w.topic, 0)
		return a.Offset == b.Offset
	})
	w.caughtUp(l)
	r.stop()
	got := w.check(l)
	if got.report.Rows != 100+40+10+8+4 {
		t.Errorf("%d rows, want 162", got.report.Rows)
	}
	wantGaps(t, got, map[lake.Cause]int64{lake.CauseControl: 2 * 5, lake.CauseAborted: 60 + 20})

	again := *w // and the same for one who reads it all later, in one go
	again.root = t.TempDir()
	late := again.lake()
	cfg := again.config(late)
	cfg.Group = "late"
	r = again.run(cfg)
	again.caughtUp(late)
	r.stop()
	wantGaps(t, again.check(late), map[lake.Cause]int64{lake.CauseControl: 2 * 5, lake.CauseAborted: 60 + 20})
}

// TestCompactedTopic: the cleaner takes records out before they are read, between reads, and behind the reader.
func TestCompactedTopic(t *testing.T) {
	if !wanted(t) {
		return
	}
	t.Parallel()
	w := newWorld(t, sharedBroker(t), 2, "cleanup.policy", "compact", "segment.ms", "500", "min.cleanable.dirty.ratio", "0.001",
		"min.compaction.lag.ms", "0", "delete.retention.ms", "100")
	round := func(from int) {
		recs := payments(2, from, 200)
		for i := range recs {
			recs[i].Key = fmt.Appendf(nil, "key-%d", i/2%7) // few keys: most are superseded
			recs[i].Timestamp = time.Now()
			if i%20 == 19 {
				recs[i].Value = nil
			}
		}
		w.produce(recs...)
	}
	compacted := func() {
		last, produced := -1, time.Now()
		eventually(t, "the cleaner has taken records out", func() bool {
			if time.Since(produced) < 700*time.Millisecond { // the segment is young
				return false
			}
			produced = time.Now()
			w.produce(paymentRecord(900_000, 0, produced), paymentRecord(900_001, 1, produced)) // rolls it; and the log ends with a record
			n := len(w.visible())
			shrunk := n < last
			last = n
			return shrunk
		})
	}
	round(0)
	compacted()
	l := w.lake()
	r := w.run(w.config(l))
	w.caughtUp(l)
	first := gapsByCause(t, l)[lake.CauseCompacted]
	if first == 0 {
		t.Error("no gap of the first round is for being compacted")
	}
	r.stop()
	round(1000)
	compacted()
	r = w.run(w.config(l))
	w.caughtUp(l)
	if n := gapsByCause(t, l)[lake.CauseCompacted]; n <= first {
		t.Errorf("%d gaps are for being compacted after the second round, %d after the first", n, first)
	}
	round(2000) // while it reads
	compacted()
	w.caughtUp(l)
	r.stop()
	got := w.check(l)
	wantGaps(t, got, map[lake.Cause]int64{lake.CauseCompacted: got.gaps[lake.CauseCompacted]})
}

// TestRetention: what the broker deletes before it is read is a declared gap, and somebody is told; nothing is passed over in silence.
func TestRetention(t *testing.T) {
	if !wanted(t) {
		return
	}
	t.Parallel()
	w := newWorld(t, sharedBroker(t), 2)
	w.produce(payments(2, 0, 50)...) // of 2024
	l := w.lake()
	r := w.run(w.config(l))
	w.caughtUp(l)
	r.stop()
	w.produce(payments(2, 50, 40)...) // nobody reads them
	w.retain("3600000")
	eventually(t, "the broker has deleted them", func() bool {
		starts, _ := w.offsets()
		return starts[0] == 45 && starts[1] == 45
	})
	now := make([]*kgo.Record, 30)
	for i := range now {
		now[i] = paymentRecord(1000+i, int32(i%2), time.Now()) //nolint:gosec // small
	}
	w.produce(now...)
	cfg := w.config(l)
	lost := map[int32]ingest.Loss{} // of the goroutine that commits, which has ended when it is read
	cfg.Lost = func(l ingest.Loss) { lost[l.Partition] = l }
	r = w.run(cfg)
	w.caughtUp(l)
	r.stop()
	for p := range int32(2) {
		if l := lost[p]; l.Start != 25 || l.End != 45 {
			t.Errorf("partition %d: told of %+v, want [25, 45)", p, l)
		}
	}
	got := w.check(l)
	if got.report.Rows != 50+30 {
		t.Errorf("%d rows, want 80", got.report.Rows)
	}
	wantGaps(t, got, map[lake.Cause]int64{lake.CauseDeleted: 40})
}

func (w *world) retain(ms string) {
	w.t.Helper()
	answer, err := w.admin.AlterTopicConfigs(w.t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &ms}}, w.topic)
	if err != nil {
		w.t.Fatal(err)
	}
	if i := slices.IndexFunc(answer, func(a kadm.AlterConfigsResponse) bool { return a.Err != nil }); i >= 0 {
		w.t.Fatal(answer[i].Err)
	}
}
