package ingest

import (
	"testing"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// TestCompactedLake: the stream goes on over days that were compacted, any
// reader sees each record once, and the lake agrees with Kafka.
func TestCompactedLake(t *testing.T) {
	w := newWorld(t, 2)
	l := w.lake()
	r := w.run(w.config(l))
	for i := range 4 { // several commits
		w.produce(payments(2, 15*i, 15)...)
		w.caughtUp(l)
	}
	own := w.lake() // as another process
	writer := lake.NewWriter[payment.Row](own)
	compact := func() lake.Compacted {
		t.Helper()
		done, err := writer.Compact(t.Context(), "2024-01-05", lake.DefaultTarget)
		if err != nil || done.Entry == 0 || done.After != 1 {
			t.Fatalf("compacted: %+v, %v", done, err)
		}
		return done
	}
	if done := compact(); done.Before < 3 || done.Rows != 60 {
		t.Errorf("compacted: %+v, want all of 60 rows", done)
	}
	w.produce(payments(2, 60, 30)...) // of the same day
	w.caughtUp(l)
	if done := compact(); done.Rows != 90 {
		t.Errorf("compacted: %+v, want all of 90 rows", done)
	}
	r.stop()
	w.wantOnce(90)
	w.auditClean(l)
	if k := w.compare(l); !k.Clean() || k.Compared != 90 {
		t.Errorf("compared with Kafka: %+v", k)
	}
	if err := writer.Close(); err != nil {
		t.Error(err)
	}
}
