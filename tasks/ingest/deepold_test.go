package ingest

import (
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/storage/lake"
)

// TestCompareWhatWasForgotten: where entries of the log are not kept any more,
// their offsets are compared all the same, and what is wrong is found; a mirror
// that has none of them begins with those that are kept.
func TestCompareWhatWasForgotten(t *testing.T) {
	w := newWorld(t, 2)
	l := w.lake()
	cfg := w.config(l)
	cfg.Transform = hundredfold
	for i := range 4 {
		if i == 1 {
			cfg.Transform = Payments
		}
		r := w.run(cfg)
		recs := payments(2, 10*i, 6)
		recs[1].Value = nil
		if i > 0 {
			recs[2].Value = []byte(`{"amount":1}`)
		}
		w.produce(recs...)
		w.transact(fmt.Sprint("dropped", i), kgo.TryAbort, payments(2, 100+10*i, 2)...)
		w.caughtUp(l)
		r.stop()
		if _, err := l.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	before := w.compare(w.lake())
	if before.Wrong != 5 {
		t.Fatalf("before: %+v, want 5 wrong", before)
	}
	n, err := l.ForgetEntries(t.Context(), 0)
	oldest, oerr := l.Oldest(t.Context())
	if n == 0 || err != nil || oerr != nil || oldest.Head == 0 {
		t.Fatalf("forgot %d entries, %v, %v", n, err, oerr)
	}
	after := w.compare(w.lake())
	if fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("after: %+v, it was %+v", after, before)
	}
	if k, err := CompareDayWithKafka(t.Context(), w.brokers, nil, w.lake(), Payments, "2024-01-05"); err != nil || k.Wrong != 5 || k.Compared < 24 {
		t.Errorf("of the day: %+v, %v", k, err)
	}
	if k, err := CompareDayWithKafka(t.Context(), w.brokers, nil, w.lake(), Payments, "2024-01-04"); err != nil || k.Wrong+k.Compared != 0 {
		t.Errorf("of another day: %+v, %v", k, err)
	}
	w.deleteUpTo(0, 2)
	if k := w.compare(w.lake()); k.Gone != 2 || k.Compared != before.Compared-2 {
		t.Errorf("after retention: %+v", k)
	}
	if narrow := clip(lake.Range{Tombstones: []lake.Span{{Start: 1, End: 2}, {Start: 7, End: 9}}, Gaps: []lake.Gap{{Start: 3, End: 4}}}, 8, 20); len(narrow.Tombstones) != 1 || len(narrow.Gaps) != 0 {
		t.Errorf("clipped: %+v", narrow)
	}

	var got []int64
	mirror := mirrorCursor{target: &Mirror{
		Last: func(context.Context) (int64, error) { return 0, nil },
		Put: func(_ context.Context, e lake.Entry) error {
			got = append(got, e.N)
			return nil
		},
	}}
	head := mustHead(t, l)
	if err := mirror.advance(t.Context(), l, head); err != nil || len(got) == 0 || got[0] != oldest.Head+1 || got[len(got)-1] != head {
		t.Errorf("the mirror has %v, %v; the log is kept from %d to %d", got, err, oldest.Head, head)
	}
}

func mustHead(t *testing.T, l *lake.Lake) int64 {
	t.Helper()
	s, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Head
}
