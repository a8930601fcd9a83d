package lake

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/tidemill/tidemill/storage/lake/internal/flat"
)

// dayFile is the Parquet file of one day while a batch gathers it, in memory.
type dayFile[R any] struct {
	day  Day
	late atomic.Int64

	mu                 sync.Mutex
	enc                *encoder[R]
	rows               int64
	parts              map[int32]FilePart
	minTime, maxTime   time.Time
	minEvent, maxEvent time.Time
}

func (w *Writer[R]) newDayFile(day Day) *dayFile[R] {
	return &dayFile[R]{day: day, enc: w.encoder(), parts: map[int32]FilePart{}}
}

// write appends rows of one partition that lie in its offsets [start, end).
func (f *dayFile[R]) write(partition int32, start, end int64, rows []R, run dayRun) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.enc.parquet.Write(rows); err != nil {
		return fmt.Errorf("encode rows of %s: %w", f.day, err)
	}
	p, ok := f.parts[partition]
	if !ok {
		p = FilePart{Partition: partition, Start: start}
	}
	p.End = end
	p.Rows += int64(len(rows))
	f.parts[partition] = p
	f.rows += int64(len(rows))
	f.minTime, f.maxTime = minTime(f.minTime, run.minTime), maxTime(f.maxTime, run.maxTime)
	f.minEvent, f.maxEvent = minTime(f.minEvent, run.minEvent), maxTime(f.maxEvent, run.maxEvent)
	return nil
}

func sortedParts(parts map[int32]FilePart) []FilePart {
	return slices.SortedFunc(maps.Values(parts), func(a, b FilePart) int { return cmp.Compare(a.Partition, b.Partition) })
}

// encoder is a Parquet writer into memory. Its buffers are worth keeping.
type encoder[R any] struct {
	out     bytes.Buffer
	parquet parquetWriter[R]
}

// parquetWriter writes one Parquet file after the other.
type parquetWriter[R any] interface {
	Write(rows []R) (int, error)
	SetKeyValueMetadata(key, value string)
	Close() error
	Reset(out io.Writer)
}

func newEncoder[R any](opts []parquet.WriterOption) *encoder[R] {
	e := &encoder[R]{}
	var err error
	if e.parquet, err = flat.New[R](&e.out, opts...); err != nil { // what it does not take, the general writer does, or tells why not
		e.parquet = &generalWriter[R]{parquet.NewGenericWriter[R](&e.out, opts...)}
	}
	return e
}

// finish ends the file and returns its bytes; the encoder is ready for another.
func (e *encoder[R]) finish(metadata map[string]string) ([]byte, error) {
	if err := e.close(metadata); err != nil {
		return nil, err
	}
	data := bytes.Clone(e.out.Bytes())
	e.out.Reset()
	e.parquet.Reset(&e.out)
	return data, nil
}

// close ends the file: its bytes are in out.
func (e *encoder[R]) close(metadata map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(metadata)) {
		e.parquet.SetKeyValueMetadata(k, metadata[k])
	}
	if err := e.parquet.Close(); err != nil {
		return fmt.Errorf("encode Parquet: %w", err)
	}
	return nil
}

// generalWriter writes any rows.
type generalWriter[R any] struct{ *parquet.GenericWriter[R] }

// Reset begins another file. It takes the columns' paths out of the footer that
// has been written: Reset of parquet-go 0.32.0 empties them in place, and they
// are the schema's own: no later file would tell the names of its column chunks,
// which readers such as Spark's go by.
func (w *generalWriter[R]) Reset(out io.Writer) {
	for _, g := range w.File().Metadata().RowGroups {
		for i := range g.Columns {
			g.Columns[i].MetaData.PathInSchema = nil
		}
	}
	w.GenericWriter.Reset(out)
}
