package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/storage/lake"
)

// place is where a record lies.
type place struct {
	Partition int32
	Offset    int64
}

// visible reads the topic with another client, committed records only: all that a consumer can be given now. Each partition must end with
// a record or a transaction's marker.
func (w *world) visible() map[place]*kgo.Record {
	w.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.addrs...), kgo.ConsumeTopics(w.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxPartitionBytes(16<<20))
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	starts, ends := w.offsets()
	all := map[place]*kgo.Record{}
	at := map[int32]int64{}
	left := func() bool {
		for p, end := range ends {
			if end > starts[p] && at[p] < end {
				return true
			}
		}
		return false
	}
	eventually(w.t, "another client has read the topic", func() bool {
		if !left() {
			return true
		}
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		fetches := client.PollFetches(ctx)
		fetches.EachRecord(func(r *kgo.Record) {
			at[r.Partition] = r.Offset + 1
			if !r.Attrs.IsControl() {
				all[place{r.Partition, r.Offset}] = r
			}
		})
		return !left()
	})
	return all
}

// offsets are the partitions' first offsets and those after their last ones, as Kafka has them.
func (w *world) offsets() (starts, ends map[int32]int64) {
	w.t.Helper()
	starts, ends = map[int32]int64{}, map[int32]int64{}
	first, err := w.admin.ListStartOffsets(w.t.Context(), w.topic)
	if err = errors.Join(err, first.Error()); err != nil {
		w.t.Fatal(err)
	}
	last, err := w.admin.ListCommittedOffsets(w.t.Context(), w.topic)
	if err = errors.Join(err, last.Error()); err != nil {
		w.t.Fatal(err)
	}
	first.Each(func(o kadm.ListedOffset) { starts[o.Partition] = o.Offset })
	last.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return starts, ends
}

// row is what is compared of a row in the lake.
type row struct {
	Partition     int32  `parquet:"kafka_partition"`
	Offset        int64  `parquet:"kafka_offset"`
	Timestamp     int64  `parquet:"kafka_timestamp"`
	TransactionID string `parquet:"transaction_id"`
}

// plainRows reads the lake's files by their glob, as any other program would.
func (w *world) plainRows() map[place][]row {
	w.t.Helper()
	names, err := filepath.Glob(filepath.Join(w.root, "bronze", w.topic, "year=*", "month=*", "day=*", "*.parquet"))
	if err != nil {
		w.t.Fatal(err)
	}
	seen := map[place][]row{}
	for _, name := range names {
		rows, err := readRows(name)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range rows {
			at := place{r.Partition, r.Offset}
			seen[at] = append(seen[at], r)
		}
	}
	return seen
}

func readRows(name string) (rows []row, err error) {
	f, err := os.Open(name) //nolint:gosec // the test's own
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	rows = make([]row, file.NumRows())
	if n, err := parquet.NewGenericReader[row](file).Read(rows); n < len(rows) {
		return nil, fmt.Errorf("%s: %d of %d rows: %w", name, n, len(rows), err)
	}
	return rows, nil
}

// checked is what a lake was found to hold.
type checked struct {
	report lake.AuditReport
	gaps   map[lake.Cause]int64 // offsets by cause
	rows   map[place][]row
}

// check holds the lake against the topic: every offset is accounted for once, up to the end; what another client can read is in the lake,
// as a row with its id and time, or as a dead letter or tombstone; and a row that it cannot read is one that Kafka has deleted since.
func (w *world) check(l *lake.Lake) checked {
	w.t.Helper()
	report, err := l.Audit(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range report.Problems {
		w.t.Errorf("audit: %s", p)
	}
	starts, ends := w.offsets()
	state, err := l.State(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for p, end := range ends {
		if next := state.Next(state.TopicID, p); next != end {
			w.t.Errorf("partition %d: the lake is at %d, the topic at %d", p, next, end)
		}
	}
	for _, p := range report.Partitions {
		if n := p.Rows + p.DeadLetters + p.Tombstones + p.GapOffsets; n != p.End {
			w.t.Errorf("partition %d: %d offsets are accounted for, want %d", p.Partition, n, p.End)
		}
	}
	c := checked{report: report, gaps: gapsByCause(w.t, l), rows: w.plainRows()}
	visible := w.visible()
	others := w.notRows(l)
	for at, r := range visible {
		got := c.rows[at]
		switch {
		case len(got) == 0 && others[at]:
		case len(got) != 1:
			w.t.Errorf("a plain reader sees %+v %d times", at, len(got))
		case got[0].TransactionID != transactionID(r) || got[0].Timestamp != r.Timestamp.UnixMicro():
			w.t.Errorf("%+v is %+v in the lake, on the topic %s of %v", at, got[0], r.Value, r.Timestamp)
		}
	}
	compacted := c.gaps[lake.CauseCompacted] > 0
	for at := range c.rows {
		if visible[at] == nil && at.Offset >= starts[at.Partition] && !compacted {
			w.t.Errorf("the lake has %+v, which is not on the topic", at)
		}
	}
	return c
}

// all checks that each of the first n payments is in the lake. One may be there twice if it is on the topic twice, which check has compared:
// the producer of these tests repeats a batch where a killed broker leaves it no way to know.
func (c checked) all(t *testing.T, n int) {
	t.Helper()
	times := map[string]int{}
	for _, rows := range c.rows {
		times[rows[0].TransactionID]++
	}
	for i := range n {
		if times[string(paymentRecord(i, 0, time.Time{}).Key)] == 0 {
			t.Errorf("payment %d was acknowledged and is not in the lake", i)
		}
	}
	if len(times) != n {
		t.Errorf("%d payments are in the lake, %d were acknowledged", len(times), n)
	}
	if twice := len(c.rows) - len(times); twice > 0 {
		t.Logf("the producer has put %d payments on the topic twice", twice)
	}
}

func transactionID(r *kgo.Record) string {
	var v struct {
		TransactionID string `json:"transaction_id"`
	}
	_ = json.Unmarshal(r.Value, &v)         // "" if it is none
	return strings.ToLower(v.TransactionID) // as the contract keeps it
}

// notRows are the offsets of dead letters and tombstones.
func (w *world) notRows(l *lake.Lake) map[place]bool {
	w.t.Helper()
	others := map[place]bool{}
	dead, err := l.DeadLetters(w.t.Context(), "", 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range dead {
		others[place{d.Partition, d.Offset}] = true
	}
	eachRange(w.t, l, func(r lake.Range) {
		for _, s := range r.Tombstones {
			for o := s.Start; o < s.End; o++ {
				others[place{r.Partition, o}] = true
			}
		}
	})
	return others
}

func gapsByCause(t *testing.T, l *lake.Lake) map[lake.Cause]int64 {
	t.Helper()
	sum := map[lake.Cause]int64{}
	eachRange(t, l, func(r lake.Range) {
		for _, g := range r.Gaps {
			sum[g.Cause] += g.End - g.Start
		}
	})
	return sum
}

func eachRange(t *testing.T, l *lake.Lake, visit func(lake.Range)) {
	t.Helper()
	state, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n := int64(1); n <= state.Head; n++ {
		e, err := l.Entry(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range e.Partitions {
			visit(r)
		}
	}
}
