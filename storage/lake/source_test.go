package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/tidemill/tidemill/storage/blob"
)

const (
	testTopic   = "transactions"
	testTopicID = "5b1f0a6e"
)

// row is what the tests' records become.
type row struct {
	Text      string `parquet:"text,dict"`
	Partition int32  `parquet:"kafka_partition"`
	Offset    int64  `parquet:"kafka_offset,delta"`
	Timestamp int64  `parquet:"kafka_timestamp,timestamp(microsecond:utc)"`
	Ingested  int64  `parquet:"ingestion_timestamp,timestamp(microsecond:utc)"`
}

// Row is of whom its text names.
func (r *row) Person() string       { return r.Text }
func (r *row) PersonColumn() string { return "text" }
func (r *row) Erase()               { r.Text = "erased" }

func toRow(rec *Record, into *row) Verdict {
	text := string(rec.Value)
	if strings.HasPrefix(text, "broken") {
		return Verdict{Broken: true, Field: "text", Reason: "is broken"}
	}
	*into = row{Text: text, Partition: rec.Partition, Offset: rec.Offset, Timestamp: rec.Timestamp.UnixMicro(), Ingested: rec.IngestedAt.UnixMicro()}
	return Verdict{EventTime: rec.Timestamp}
}

// source is a topic that stands still: records per partition, a nil record
// being a transaction marker.
type source map[int32][]*Record

// testSource has rows of three days, dead letters, tombstones and markers.
func testSource() source {
	day := time.Date(2024, 1, 5, 0, 0, 0, 0, time.UTC)
	s := source{}
	for p, n := range map[int32]int64{0: 24, 1: 13, 2: 0} {
		s[p] = nil
		for o := range n {
			rec := &Record{
				Key: []byte("k"), Value: []byte(fmt.Sprintf("row %d/%d", p, o)), Partition: p, Offset: o,
				Timestamp: day.Add(time.Duration(o) * 3 * time.Hour), IngestedAt: day.AddDate(0, 0, 9),
			}
			switch o % 7 {
			case 2:
				rec.Value = []byte("broken")
			case 4:
				rec.Value = nil
			case 5:
				rec = nil
			}
			s[p] = append(s[p], rec)
		}
	}
	return s
}

// accepted are the "partition/offset" of the records that become rows.
func (s source) accepted() map[string]int {
	want := map[string]int{}
	for p, recs := range s {
		for o, rec := range recs {
			if rec != nil && rec.Value != nil && string(rec.Value) != "broken" {
				want[fmt.Sprintf("%d/%d", p, o)] = 1
			}
		}
	}
	return want
}

// ends asks the source as a broker would be asked.
func (s source) ends() Topic {
	t := Topic{AskedAt: time.Date(2024, 1, 20, 0, 0, 0, 0, time.UTC), Partitions: int32(len(s)), Ends: map[int32]int64{}}
	for p, recs := range s {
		t.Ends[p] = int64(len(recs))
	}
	return t
}

// chunk is up to n offsets of a partition from an offset on.
func (s source) chunk(p int32, from, n int64) (*Chunk[row], error) {
	return s.chunkAs(toRow, p, from, n)
}

func (s source) chunkAs(transform Transform[row], p int32, from, n int64) (*Chunk[row], error) {
	c := &Chunk[row]{}
	c.Reset(testTopic, testTopicID, p, from)
	for o := from; o < min(from+n, int64(len(s[p]))); o++ {
		if s[p][o] == nil {
			if err := c.Gap(Gap{o, o + 1, CauseControl}); err != nil {
				return nil, err
			}
			continue
		}
		if ok, err := c.Take(s[p][o], transform); !ok || err != nil {
			return nil, fmt.Errorf("take: %v, %w", ok, err)
		}
	}
	return c, nil
}

// ingest commits up to n more offsets of each of the partitions.
func (s source) ingest(ctx context.Context, w *Writer[row], n int64, partitions ...int32) (Entry, error) {
	sealed, err := s.seal(ctx, w, n, partitions...)
	if err != nil {
		return Entry{}, err
	}
	return w.Commit(ctx, sealed)
}

func (s source) seal(ctx context.Context, w *Writer[row], n int64, partitions ...int32) (*Sealed, error) {
	return s.sealAs(ctx, w, toRow, n, partitions...)
}

func (s source) sealAs(ctx context.Context, w *Writer[row], transform Transform[row], n int64, partitions ...int32) (*Sealed, error) {
	state, err := w.lake.State(ctx)
	if err != nil {
		return nil, err
	}
	b := w.Begin(testTopicID, state)
	for _, p := range partitions {
		b.Cover(p)
		c, err := s.chunkAs(transform, p, b.Next(p), n)
		if err != nil {
			return nil, err
		}
		if err := b.Add(c); err != nil {
			return nil, err
		}
	}
	return b.Seal(s.ends())
}

// plainReader is any other program: it reads every Parquet file below the
// topic's folder and knows nothing of the log. It returns how often each
// "partition/offset" is there.
func plainReader(disk blob.FS, dir string, found map[string]int) error {
	entries, err := disk.ReadDir(dir)
	if err != nil {
		return nil // nothing there
	}
	for _, e := range entries {
		name := dir + "/" + e.Name()
		if e.IsDir() {
			if err := plainReader(disk, name, found); err != nil {
				return err
			}
			continue
		}
		data, err := disk.ReadFile(name)
		if err != nil {
			return err
		}
		file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r := parquet.NewGenericReader[row](file)
		rows := make([]row, file.NumRows())
		if n, err := r.Read(rows); n != len(rows) {
			return fmt.Errorf("%s: %d of %d rows: %w", name, n, len(rows), err)
		}
		for _, x := range rows {
			found[fmt.Sprintf("%d/%d", x.Partition, x.Offset)]++
			if want := fmt.Sprintf("row %d/%d", x.Partition, x.Offset); x.Text != want && x.Text != "erased" {
				return fmt.Errorf("%s: %q at %d/%d", name, x.Text, x.Partition, x.Offset)
			}
		}
	}
	return nil
}

// exactlyOnce compares what a plain reader sees with the source.
func (s source) exactlyOnce(disk blob.FS) error {
	found := map[string]int{}
	if err := plainReader(disk, "bronze/"+testTopic, found); err != nil {
		return err
	}
	var errs []error
	want := s.accepted()
	for at := range want {
		if found[at] != 1 {
			errs = append(errs, fmt.Errorf("offset %s is there %d times", at, found[at]))
		}
	}
	for at := range found {
		if want[at] == 0 {
			errs = append(errs, fmt.Errorf("offset %s is there, and is no accepted record", at))
		}
	}
	return errors.Join(errs...)
}
