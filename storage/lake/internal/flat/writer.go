package flat

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"sync"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// blockRows is how many rows are taken at a time, column by column: few enough to stay in the CPU's nearest cache. Pages end at multiples of it.
const blockRows = 64

const magic = "PAR1"

// Writer writes one Parquet file of rows of type R, and after Reset another. It
// is for one goroutine at a time.
type Writer[R any] struct {
	out     io.Writer
	written int64 // bytes
	columns []*column
	maxRows int64 // of a row group
	rows    int64 // of the row group so far
	footer  format.FileMetaData
	told    map[string]string // of this file alone
	indexes [][]pageIndex     // by row group and column
	text    bytes.Buffer      // of thrift
	thrift  *thrift.Encoder   // into text
	gather  [blockRows]unsafe.Pointer
}

// pageIndex tells of the pages of one column of one row group.
type pageIndex struct {
	columns format.ColumnIndex
	offsets format.OffsetIndex
}

// New makes a writer of a file that goes to out. Of the options it knows the
// compression, the rows of a row group, the size of pages, the creator and the
// metadata. It errs with ErrUnsupported for a type R that it cannot write.
func New[R any](out io.Writer, opts ...parquet.WriterOption) (*Writer[R], error) {
	config, err := parquet.NewWriterConfig(opts...)
	if err != nil {
		return nil, fmt.Errorf("write Parquet: %w", err)
	}
	columns, err := columnsOf(reflect.TypeFor[R](), parquet.SchemaOf(new(R)), config)
	if err != nil {
		return nil, err
	}
	footer, err := footerOf[R]()
	if err != nil {
		return nil, err
	}
	footer.CreatedBy, footer.KeyValueMetadata = config.CreatedBy, []format.KeyValue{}
	for _, key := range slices.Sorted(maps.Keys(config.KeyValueMetadata)) {
		footer.KeyValueMetadata = append(footer.KeyValueMetadata, format.KeyValue{Key: key, Value: config.KeyValueMetadata[key]})
	}
	w := &Writer[R]{out: out, columns: columns, maxRows: config.MaxRowsPerRowGroup, footer: footer, told: map[string]string{}}
	w.thrift = thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(&w.text))
	return w, nil
}

// footers are those of files without rows, by the type of their rows: to make one takes longer than to write a small file.
var footers sync.Map // reflect.Type to format.FileMetaData

// footerOf is the footer of a file without rows as parquet-go writes it: it has
// the schema, and how columns are ordered.
func footerOf[R any]() (format.FileMetaData, error) {
	if f, ok := footers.Load(reflect.TypeFor[R]()); ok {
		return f.(format.FileMetaData), nil
	}
	var text bytes.Buffer
	w := parquet.NewGenericWriter[R](&text)
	if err := w.Close(); err != nil {
		return format.FileMetaData{}, fmt.Errorf("write an empty Parquet file: %w", err)
	}
	empty, err := parquet.OpenFile(bytes.NewReader(text.Bytes()), int64(text.Len()))
	if err != nil {
		return format.FileMetaData{}, fmt.Errorf("read an empty Parquet file: %w", err)
	}
	f := *empty.Metadata()
	f.RowGroups, f.KeyValueMetadata = nil, nil
	footers.Store(reflect.TypeFor[R](), f)
	return f, nil
}

// Write appends rows. It keeps nothing of them.
func (w *Writer[R]) Write(rows []R) (int, error) {
	defer clear(w.gather[:])
	base, size := unsafe.Pointer(unsafe.SliceData(rows)), unsafe.Sizeof(*new(R))
	for at := 0; at < len(rows); {
		n := int(min(int64(len(rows)-at), blockRows-w.rows%blockRows, w.maxRows-w.rows))
		for _, c := range w.columns {
			c.take(unsafe.Add(base, c.offset+size*uintptr(at)), size, w.gather[:n])
		}
		at += n
		w.rows += int64(n)
		if w.rows%blockRows != 0 && w.rows != w.maxRows {
			continue
		}
		for _, c := range w.columns {
			if err := c.settle(w); err != nil {
				return at, err
			}
		}
		if w.rows == w.maxRows {
			if err := w.endGroup(); err != nil {
				return at, err
			}
		}
	}
	return len(rows), nil
}

// SetKeyValueMetadata has the footer of this file tell a value; Reset forgets it.
func (w *Writer[R]) SetKeyValueMetadata(key, value string) { w.told[key] = value }

// Close ends the file. It does not close what the file was written to.
func (w *Writer[R]) Close() error {
	if err := w.endGroup(); err != nil {
		return err
	}
	if err := w.begin(); err != nil {
		return err
	}
	footer := w.footer
	for i, columns := range w.indexes {
		for j := range columns {
			chunk := &footer.RowGroups[i].Columns[j]
			chunk.ColumnIndexOffset = w.written
			n, err := w.encode(&columns[j].columns)
			if err != nil {
				return err
			}
			chunk.ColumnIndexLength = int32(n)
		}
	}
	for i, columns := range w.indexes {
		for j := range columns {
			chunk := &footer.RowGroups[i].Columns[j]
			chunk.OffsetIndexOffset = w.written
			n, err := w.encode(&columns[j].offsets)
			if err != nil {
				return err
			}
			chunk.OffsetIndexLength = int32(n)
		}
	}
	footer.KeyValueMetadata = slices.Clone(footer.KeyValueMetadata)
	for _, key := range slices.Sorted(maps.Keys(w.told)) {
		footer.KeyValueMetadata = append(footer.KeyValueMetadata, format.KeyValue{Key: key, Value: w.told[key]})
	}
	for _, g := range footer.RowGroups {
		footer.NumRows += g.NumRows
	}
	n, err := w.encode(&footer)
	if err != nil {
		return err
	}
	return w.write(append(binary.LittleEndian.AppendUint32(nil, uint32(n)), magic...))
}

// Reset forgets the file and begins another, which goes to out.
func (w *Writer[R]) Reset(out io.Writer) {
	for _, c := range w.columns {
		c.reset()
	}
	clear(w.told)
	w.out, w.written, w.rows, w.indexes, w.footer.RowGroups = out, 0, 0, nil, nil
}

// begin writes what a file begins with, unless it has begun.
func (w *Writer[R]) begin() error {
	if w.written > 0 {
		return nil
	}
	return w.write([]byte(magic))
}

// endGroup writes the row group, unless it is empty.
func (w *Writer[R]) endGroup() error {
	if w.rows == 0 {
		return nil
	}
	if len(w.footer.RowGroups) == math.MaxInt16 {
		return parquet.ErrTooManyRowGroups
	}
	if err := w.begin(); err != nil {
		return err
	}
	group := format.RowGroup{NumRows: w.rows, FileOffset: w.written, Ordinal: int16(len(w.footer.RowGroups))}
	index := make([]pageIndex, 0, len(w.columns))
	for _, c := range w.columns {
		if err := c.endPage(w); err != nil {
			return err
		}
		chunk, pages, err := c.endChunk(w)
		if err != nil {
			return err
		}
		group.Columns = append(group.Columns, chunk)
		group.TotalByteSize += chunk.MetaData.TotalUncompressedSize
		group.TotalCompressedSize += chunk.MetaData.TotalCompressedSize
		index = append(index, pages)
		c.reset()
	}
	w.footer.RowGroups = append(w.footer.RowGroups, group)
	w.indexes = append(w.indexes, index)
	w.rows = 0
	return nil
}

func (w *Writer[R]) write(data []byte) error {
	n, err := w.out.Write(data)
	w.written += int64(n)
	if err != nil {
		return fmt.Errorf("write Parquet: %w", err)
	}
	return nil
}

// encode writes a structure of the format and returns its size.
func (w *Writer[R]) encode(structure any) (int, error) {
	text, err := w.marshal(structure)
	if err != nil {
		return 0, err
	}
	return len(text), w.write(text)
}

// marshal returns a structure of the format as bytes, until it is called again.
func (w *Writer[R]) marshal(structure any) ([]byte, error) {
	w.text.Reset()
	if err := w.thrift.Encode(structure); err != nil {
		return nil, fmt.Errorf("write Parquet's metadata: %w", err)
	}
	return w.text.Bytes(), nil
}

func (w *Writer[R]) offset() int64 { return w.written }
