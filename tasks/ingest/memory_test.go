package ingest

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
)

// keysVar is how many distinct keys TestDistinctKeys writes; by default 200,000.
const keysVar = "TIDEMILL_KEYS"

// TestDistinctKeys: what the ingestion holds does not grow with the number of keys, payments and customers that it has seen: nothing
// remembers them. TIDEMILL_KEYS=10000000 writes that many.
func TestDistinctKeys(t *testing.T) {
	keys := 200_000
	if text := os.Getenv(keysVar); text != "" {
		var err error
		if keys, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", keysVar, err)
		}
	}
	const commits = 20
	l, err := lake.Open(t.TempDir(), topic)
	if err != nil {
		t.Fatal(err)
	}
	w := lake.NewWriter[paymentRow](l)
	start := time.Date(2024, 1, 5, 0, 0, 0, 0, time.UTC)
	var early, held uint64
	for n := range commits {
		commitKeys(t, l, w, int64(n*(keys/commits)), int64(keys/commits), start)
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		held = m.HeapAlloc
		if n == 2 { // buffers have their size by then
			early = held
		}
	}
	t.Logf("%d keys: %.1f MB are held after %d of them, %.1f MB after all", keys, float64(early)/1e6, 3*keys/commits, float64(held)/1e6)
	if held > early+early/2+8<<20 {
		t.Errorf("%d bytes are held after all keys, %d after a few", held, early)
	}
	s, err := l.Status(t.Context())
	if err != nil || s.Rows != int64(keys/commits*commits) {
		t.Errorf("%d rows, %v", s.Rows, err)
	}
}

// commitKeys commits n records with keys of their own.
func commitKeys(t *testing.T, l *lake.Lake, w *lake.Writer[paymentRow], from, n int64, start time.Time) {
	t.Helper()
	state, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := w.Begin("id", state)
	var c lake.Chunk[paymentRow]
	for at := from; at < from+n; {
		c.Reset(topic, "id", 0, at)
		for ; at < from+n && c.Len() < maxChunk; at++ {
			r := paymentRecord(int(at), 0, start)
			r.Key = fmt.Appendf(nil, "key-%d", at)
			rec := lake.Record{Key: r.Key, Value: r.Value, Offset: at, Timestamp: start, IngestedAt: start}
			if _, err := c.Take(&rec, Payments); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Add(&c); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Seal(lake.Topic{AskedAt: start, Partitions: 1})
	if err == nil {
		_, err = w.Commit(t.Context(), s)
	}
	if err != nil {
		t.Fatal(err)
	}
}
