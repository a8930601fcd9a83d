package ingest

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/storage/payment/events"
)

// TestSample ingests seven days of payments and holds the lake's days against
// what was worked out apart from this project.
func TestSample(t *testing.T) {
	const sample = "../../testdata/payments-7d/"
	var expected struct {
		OKByDay map[string]int64 `json:"ok_by_day"`
	}
	if err := readGzippedJSON(sample+"expected.json.gz", &expected); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, 6)
	in, err := events.Open(sample + "events.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	var recs []*kgo.Record
	for e, err := range in.All() {
		if err != nil {
			t.Fatal(err)
		}
		recs = append(recs, &kgo.Record{Key: e.Key, Value: e.Value, Timestamp: e.Time, Partition: int32(len(recs) % 6)})
	}
	w.produce(recs...)
	l := w.lake()
	r := w.run(w.config(l))
	w.caughtUp(l)
	r.stop()
	days, err := l.Days(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int64{}
	total := 0
	for _, d := range days {
		if d.Rows > 0 {
			rows[string(d.Day)] = d.Rows
			total += int(d.Rows)
		}
	}
	for day, n := range expected.OKByDay {
		if rows[day] != n {
			t.Errorf("day %s has %d rows, want %d", day, rows[day], n)
		}
		delete(rows, day)
	}
	if len(rows) > 0 || len(expected.OKByDay) == 0 {
		t.Errorf("days that are not expected: %v", rows)
	}
	w.wantOnce(total)
	w.auditClean(l)
}

func readGzippedJSON(name string, into any) (err error) {
	f, err := os.Open(name) // #nosec G304
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	return json.NewDecoder(z).Decode(into)
}
