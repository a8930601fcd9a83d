package ingest

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/payment/goldref"
)

// TestHostileTopic holds the lake against the model: each accepted record a row
// of its day, each other one a dead letter with its bytes or a tombstone.
func TestHostileTopic(t *testing.T) {
	w := newWorld(t, goldref.HostilePartitions)
	events := goldref.Hostile(7, 4000)
	w.produceEvents(events)
	l := w.lake()
	r := w.run(w.config(l))
	w.caughtUp(l)
	r.stop()

	want := goldref.Of(events, time.Now())
	rows := w.plainRows()
	if len(rows) != len(want.Accepted) {
		t.Errorf("%d rows, want %d", len(rows), len(want.Accepted))
	}
	for _, a := range want.Accepted {
		got := rows[place{a.Partition, a.Offset}]
		if len(got) != 1 {
			t.Errorf("record %d/%d is there %d times", a.Partition, a.Offset, len(got))
			continue
		}
		if x := got[0]; x.TransactionID != a.TransactionID || x.Amount != a.Amount || x.EventTime != int64(a.EventTime) ||
			x.KafkaTimestamp != a.Time.UnixMicro() {
			t.Errorf("record %d/%d: got %+v, want %+v", a.Partition, a.Offset, x, a)
		}
	}
	report := w.auditClean(l)
	if report.Tombstones != int64(want.Tombstones) || report.DeadLetters != int64(len(want.DeadLetters)) {
		t.Errorf("audit counts %d tombstones and %d dead letters, want %d and %d",
			report.Tombstones, report.DeadLetters, want.Tombstones, len(want.DeadLetters))
	}
	checkDeadLetters(t, l, want)
	checkDays(t, l, want)
}

func checkDeadLetters(t *testing.T, l *lake.Lake, want goldref.Topic) {
	t.Helper()
	dead, err := l.DeadLetters(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	byPlace := map[place]lake.DeadLetter{}
	for _, d := range dead {
		byPlace[place{d.Partition, d.Offset}] = d
	}
	if len(byPlace) != len(dead) || len(dead) != len(want.DeadLetters) {
		t.Errorf("%d dead letters at %d offsets, want %d", len(dead), len(byPlace), len(want.DeadLetters))
	}
	for _, e := range want.DeadLetters {
		d := byPlace[place{e.Partition, e.Offset}]
		if !bytes.Equal(d.Value, e.Value) || !bytes.Equal(d.Key, e.Key) || (d.Key == nil) != (e.Key == nil) || d.Reason == "" || d.Field == "" {
			t.Errorf("dead letter %d/%d: got %+v, want key %q, value %q", e.Partition, e.Offset, d, e.Key, e.Value)
		}
	}
}

func checkDays(t *testing.T, l *lake.Lake, want goldref.Topic) {
	t.Helper()
	days, err := l.Days(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var mismatches, dead int64
	for _, d := range days {
		if d.Rows != int64(want.OKByDay[string(d.Day)]) {
			t.Errorf("day %s has %d rows, want %d", d.Day, d.Rows, want.OKByDay[string(d.Day)])
		}
		mismatches += d.KeyMismatches
		dead += d.DeadLetterCount()
	}
	if mismatches != int64(want.KeyMismatches) || dead != int64(len(want.DeadLetters)) {
		t.Errorf("%d key mismatches and %d dead letters by day, want %d and %d", mismatches, dead, want.KeyMismatches, len(want.DeadLetters))
	}
}

// TestRowsAsAPlainReader: the lake's own reader sees in each file what another
// does, nulls and bytes included.
func TestRowsAsAPlainReader(t *testing.T) {
	w := newWorld(t, goldref.HostilePartitions)
	w.produceEvents(goldref.Hostile(3, 2500))
	l := w.lake()
	r := w.run(w.config(l))
	w.caughtUp(l)
	r.stop()
	files, err := l.Files(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	nulls := 0
	for _, f := range files {
		want, err := readPlain(l.Abs(f))
		if err != nil {
			t.Fatal(err)
		}
		var got []payment.Row
		err = lake.Rows(t.Context(), l, f, func(rows []payment.Row) error {
			got = append(got, rows...)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the two readers differ", f.Path)
		}
		for _, r := range got {
			if r.CustomerEmail == nil {
				nulls++
			}
		}
	}
	if nulls == 0 {
		t.Error("no row has a null: the test does not try them")
	}
}

// TestIdleFlush: what came is committed when it is old enough, though nothing
// follows it; and the watermark of an idle topic moves.
func TestIdleFlush(t *testing.T) {
	w := newWorld(t, 3)
	l := w.lake()
	cfg := w.config(l)
	cfg.WatermarkAge = 100 * time.Millisecond
	r := w.run(cfg)
	defer r.stop()
	eventually(t, "an empty topic has a watermark", func() bool { return watermark(t, l).After(time.Now().Add(-time.Minute)) })
	w.produce(payments(2, 0, 10)...) // none to the third partition
	eventually(t, "the rows are committed", func() bool {
		s, err := l.State(t.Context())
		return err == nil && s.Days["2024-01-05"].Rows == 10
	})
	at := time.Now()
	eventually(t, "the watermark passes the present", func() bool { return watermark(t, l).After(at) })
	eventually(t, "the lag is reported as none", func() bool {
		p := r.progress()
		return p.Lag == 0 && p.Rows == 10 && len(p.Partitions) == 3 && p.Partitions[0].End == 5
	})
}

func watermark(t *testing.T, l *lake.Lake) time.Time {
	t.Helper()
	w, err := l.Watermark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestStopAndStart: a drain commits what was read, and the next start goes on.
func TestStopAndStart(t *testing.T) {
	w := newWorld(t, 4)
	l := w.lake()
	cfg := w.config(l)
	cfg.FlushAge = time.Hour // only the drain commits
	for round := range 3 {
		w.produce(payments(4, round*100, 100)...)
		r := w.run(cfg)
		eventually(t, "all was read", func() bool { return r.progress().Pending == 100 })
		r.stop()
		w.wantOnce((round + 1) * 100)
	}
	w.auditClean(l)
}

// TestTwoProcesses share the partitions, through joins and leaves.
func TestTwoProcesses(t *testing.T) {
	w := newWorld(t, 6)
	const batch = 2000
	a := w.run(w.config(w.lake()))
	w.produce(payments(6, 0, batch)...)
	b := w.run(w.config(w.lake()))
	w.produce(payments(6, batch, batch)...)
	eventually(t, "both have partitions", func() bool {
		return len(a.progress().Partitions) == 3 && len(b.progress().Partitions) == 3
	})
	w.produce(payments(6, 2*batch, batch)...)
	a.stop()
	w.produce(payments(6, 3*batch, batch)...)
	l := w.lake()
	w.caughtUp(l)
	b.stop()
	w.wantOnce(4 * batch)
	w.auditClean(l)
}
