package ingest

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// mixed puts rows, a dead letter, a tombstone, transaction markers and aborted
// records on the topic's two partitions.
func (w *world) mixed() {
	w.t.Helper()
	w.produce(payments(2, 0, 20)...)
	bad, gone := payments(2, 20, 1)[0], payments(2, 21, 1)[0]
	bad.Value, gone.Value = []byte(`{"amount":1}`), nil
	w.produce(bad, gone)
	w.transact("kept", kgo.TryCommit, payments(2, 30, 6)...)
	w.transact("dropped", kgo.TryAbort, payments(2, 40, 4)...)
	w.produce(payments(2, 50, 10)...)
}

func (w *world) compare(l *lake.Lake) KafkaAudit {
	w.t.Helper()
	k, err := CompareWithKafka(w.t.Context(), w.brokers, nil, l, Payments)
	if err != nil {
		w.t.Fatal(err)
	}
	return k
}

// TestCompareWithKafka: a lake that the ingestion made agrees with its topic,
// also when retention has taken what is older, and the topic has gone on.
func TestCompareWithKafka(t *testing.T) {
	w := newWorld(t, 2)
	w.mixed()
	l := w.lake()
	cfg := w.config(l)
	cfg.FlushRows = 7 // several commits
	r := w.run(cfg)
	w.caughtUp(l)
	r.stop()
	const offsets = 20 + 2 + 6 + 4 + 10 + 2*2 // two transactions leave a marker in each partition
	k := w.compare(l)
	if !k.Clean() || k.Compared != offsets || k.Gone != 0 || k.Behind != 0 {
		t.Errorf("comparison of a sound lake: %+v, want %d offsets compared", k, offsets)
	}
	w.deleteUpTo(0, 9)
	w.produce(payments(2, 60, 4)...)
	k = w.compare(l)
	if !k.Clean() || k.Compared != offsets-9 || k.Gone != 9 || k.Behind != 4 || k.Partitions[0].Start != 9 {
		t.Errorf("comparison after retention: %+v, want 9 gone and 4 behind", k)
	}
}

// TestCompareFindsAWrongDecoder: a decoder that lost a record, or changed what
// it says, is found at its offset, though the lake's own sums are right.
func TestCompareFindsAWrongDecoder(t *testing.T) {
	change := func(offset int64, with func(*payment.Row)) lake.Transform[payment.Row] {
		return func(rec *lake.Record, into *payment.Row) lake.Verdict {
			v := Payments(rec, into)
			if rec.Offset == offset {
				with(into)
			}
			return v
		}
	}
	for name, c := range map[string]struct {
		transform lake.Transform[payment.Row]
		drop      int64 // declared a gap instead; -1: none
		hide      int64 // taken for a tombstone; -1: none
		want      string
	}{
		"sound":                {Payments, -1, -1, ""},
		"a record dropped":     {Payments, 3, -1, "offset 3: Kafka shows a record, the lake declares a gap (compacted)"},
		"taken for a deletion": {Payments, -1, 4, "offset 4: Kafka shows a record with a value, the lake counts a tombstone"},
		"an amount changed":    {change(5, func(r *payment.Row) { r.Amount *= 100 }), -1, -1, "offset 5: the lake's row is not what the record says: it differs in amount"},
		"a null for a value":   {change(6, func(r *payment.Row) { r.City = nil }), -1, -1, "offset 6: the lake's row is not what the record says: it differs in city"},
		"a good one refused": {func(rec *lake.Record, into *payment.Row) lake.Verdict {
			if rec.Offset == 7 {
				return lake.Verdict{Broken: true, Field: "amount", Reason: "is not liked"}
			}
			return Payments(rec, into)
		}, -1, -1, "offset 7: the record keeps the contract, the lake has a dead letter of it"},
		"a bad one let pass": {func(rec *lake.Record, into *payment.Row) lake.Verdict {
			v := Payments(rec, into)
			if v.Broken {
				*into = payment.Row{KafkaOffset: rec.Offset, KafkaTimestamp: rec.Timestamp.UnixMicro(), IngestionTimestamp: rec.IngestedAt.UnixMicro()}
			}
			return lake.Verdict{}
		}, -1, -1, "offset 10: the record breaks the contract (transaction_id), the lake has a row of it"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1)
			recs := payments(1, 0, 12)
			recs[10].Value = []byte("{}")
			w.produce(recs...)
			l := w.lake()
			w.commitAs(l, c.transform, c.drop, c.hide)
			w.auditClean(l)
			k := w.compare(l)
			if k.Compared != 12 {
				t.Errorf("%d offsets compared, want 12", k.Compared)
			}
			if c.want == "" && k.Clean() {
				return
			}
			if len(k.Problems) != 1 || k.Wrong != 1 || !strings.HasSuffix(k.Problems[0], c.want) || c.want == "" {
				t.Errorf("problems %q, want one: %q", k.Problems, c.want)
			}
		})
	}
}

// commitAs puts partition 0 into the lake as a decoder makes it.
func (w *world) commitAs(l *lake.Lake, transform lake.Transform[payment.Row], drop, hide int64) {
	w.t.Helper()
	fail := func(err error) {
		if err != nil {
			w.t.Helper()
			w.t.Fatal(err)
		}
	}
	asks, err := newBroker(w.brokers, topic, saramaConfig(nil))
	fail(err)
	defer func() { _ = asks.Close() }()
	now, err := asks.describe(w.t.Context())
	fail(err)
	ends, err := asks.ends(w.t.Context(), []int32{0})
	fail(err)
	state, err := l.State(w.t.Context())
	fail(err)
	writer := lake.NewWriter[payment.Row](l)
	batch := writer.Begin(now.id, state)
	batch.Cover(0)
	var chunk lake.Chunk[payment.Row]
	chunk.Reset(topic, now.id, 0, 0)
	r := &reader{asks: asks}
	fail(r.each(w.t.Context(), 0, ends[0], func(offset int64, s *shown) error {
		if offset == drop {
			return chunk.Gap(lake.Gap{Start: offset, End: offset + 1, Cause: lake.CauseCompacted})
		}
		rec := s.record(0, s.timestamp)
		if offset == hide {
			rec.Value = nil
		}
		_, err := chunk.Take(rec, transform)
		return err
	}))
	fail(batch.Add(&chunk))
	sealed, err := batch.Seal(lake.Topic{AskedAt: recTime, Partitions: 1, Ends: ends})
	fail(err)
	_, err = writer.Commit(w.t.Context(), sealed)
	fail(err)
	fail(writer.Close())
}

var recTime = payments(1, 0, 1)[0].Timestamp

// TestCompareFindsAShorterTopic: a topic that ends before the lake does was cut
// back; one that was made anew has nothing to compare.
func TestCompareFindsAShorterTopic(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(payments(1, 0, 10)...)
	l := w.lake()
	w.commitAs(l, Payments, -1, -1)
	if _, err := w.admin.DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	if _, err := CompareWithKafka(t.Context(), w.brokers, nil, l, Payments); !errors.Is(err, ErrNoTopic) {
		t.Errorf("without the topic: %v, want ErrNoTopic", err)
	}
	w.client.PurgeTopicsFromClient(topic)
	w.create(1)
	w.produce(payments(1, 0, 3)...)
	if k := w.compare(l); !k.Clean() || k.Gone != 10 || k.Behind != 3 || k.Compared != 0 {
		t.Errorf("a topic made anew: %+v, want 10 gone and 3 behind", k)
	}
	asks, err := newBroker(w.brokers, topic, saramaConfig(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = asks.Close() }()
	now, err := asks.describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := comparison[payment.Row]{lake: l, asks: asks, readers: map[int32]*reader{}}
	ahead := &lake.State{Partitions: map[lake.PartitionKey]lake.Partition{{TopicID: now.id, Partition: 0}: {Next: 8}}}
	if err := c.bounds(t.Context(), ahead, now); err != nil {
		t.Fatal(err)
	}
	if len(c.found.Problems) != 1 || !strings.Contains(c.found.Problems[0], "offset 3: Kafka's log ends here, the lake goes on to 8") {
		t.Errorf("a topic that was cut back: %q", c.found.Problems)
	}
}
