package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"unsafe"

	"github.com/parquet-go/parquet-go"

	"github.com/tidemill/tidemill/storage/blob"
)

// rowsPerChunk keeps a chunk of wide rows within a few megabytes.
const rowsPerChunk = 4096

// Rows reads a committed file in order and gives its rows to yield in chunks;
// it stops at yield's first error and returns it as it is. Only the columns
// that R names by its parquet tags are read; R is a flat struct (see the error
// for the types of its fields). The slice is used again after yield returns,
// what its rows point to is not.
//
// The file is verified first: size, checksum and number of rows are those of
// the log, else the error is ErrCorrupt.
//
// Rows of a file that has been merged with others since are read from where
// they are now; those of one that was replaced otherwise, as long as it is
// kept. Then the error wraps fs.ErrNotExist: list the files anew.
func Rows[R any](ctx context.Context, l *Lake, f File, yield func(rows []R) error) error {
	h, in, first, err := l.open(ctx, f)
	if err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	part := slice{first, f.Rows}
	if part.isAll(in.Rows) {
		if in.Bytes <= maxInMemory {
			h, err = inMemory(h, in.Path)
		}
		if err == nil {
			err = verify(h, in.Path, in.Bytes, in.Checksum)
		}
	} else {
		err = l.verified.verify(h, in)
	}
	if err != nil {
		return errors.Join(err, h.Close())
	}
	return readRows(ctx, h, in.Path, in.Rows, part, yield)
}

// maxInMemory bounds the files that are read once and whole, to be verified and
// decoded from memory: what a stream commits. Larger ones are read twice.
const maxInMemory = 8 << 20

// memoryFile is a file whose content has been read.
type memoryFile struct {
	blob.File
	*bytes.Reader
}

func (m memoryFile) Size() int64 { return m.Reader.Size() }

func (m memoryFile) ReadAt(p []byte, off int64) (int, error) { return m.Reader.ReadAt(p, off) }

// inMemory reads a file. The file is still to be closed, in its stead.
func inMemory(f blob.File, name string) (blob.File, error) {
	data := make([]byte, f.Size())
	if n, err := f.ReadAt(data, 0); n < len(data) {
		return f, fmt.Errorf("read %s: %w", name, err)
	}
	return memoryFile{f, bytes.NewReader(data)}, nil
}

// slice is so many rows of a file, from one on.
type slice struct{ first, rows int64 }

func (s slice) isAll(rows int64) bool { return s.first == 0 && s.rows == rows }

// readRows reads a part of a verified file, and closes it.
func readRows[R any](ctx context.Context, f blob.File, name string, rows int64, part slice, yield func([]R) error) error {
	defer func() { _ = f.Close() }() // opened for reading: nothing can be lost
	cols, err := columnsOf(reflect.TypeFor[R]())
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	var stopped error // yield's error, told apart from those of the file
	err = guard(func() error {
		return readParquet(ctx, f, cols, rows, part, func(chunk []R) error {
			stopped = yield(chunk)
			return stopped
		})
	})
	switch {
	case stopped != nil:
		return stopped
	case err == nil || ctx.Err() != nil:
		return err
	default:
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, name, err)
	}
}

// yieldPanic carries a panic of the caller's own code through guard untouched.
type yieldPanic struct{ value any }

// guard turns a panic of the Parquet library, which a file that is no Parquet
// can cause, into an error.
func guard(read func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case yieldPanic:
			panic(p.value)
		default:
			err = fmt.Errorf("not readable as Parquet: %v", p)
		}
	}()
	return read()
}

func readParquet[R any](ctx context.Context, f blob.File, cols []column, want int64, part slice, yield func([]R) error) error {
	file, err := parquet.OpenFile(f, f.Size(), parquet.SkipPageIndex(part.isAll(want)), parquet.SkipBloomFilters(true))
	if err != nil {
		return err
	}
	if file.NumRows() != want {
		return fmt.Errorf("has %d rows, the log says %d", file.NumRows(), want)
	}
	indexes, err := matchColumns(file, cols)
	if err != nil {
		return err
	}
	if part.first < 0 || part.rows < 0 || part.first+part.rows > want {
		return fmt.Errorf("has %d rows, not those from %d on up to %d", want, part.first, part.first+part.rows)
	}
	chunk := make([]R, min(part.rows, rowsPerChunk))
	for _, group := range file.RowGroups() {
		skip := min(part.first, group.NumRows())
		rows := min(part.rows, group.NumRows()-skip)
		if rows > 0 {
			if err := readGroup(ctx, group, cols, indexes, slice{skip, rows}, chunk, yield); err != nil {
				return err
			}
		}
		part.first, part.rows = part.first-skip, part.rows-rows
	}
	return nil
}

// noColumn is the index of a column that a file does not have: all its values are null.
const noColumn = -1

// matchColumns finds each column's index in the file and checks its type.
func matchColumns(file *parquet.File, cols []column) ([]int, error) {
	indexes := make([]int, len(cols))
	for i, c := range cols {
		leaf, ok := file.Schema().Lookup(c.name)
		if !ok && c.optional { // it is younger than the file
			indexes[i] = noColumn
			continue
		}
		if !ok {
			return nil, fmt.Errorf("has no column %s", c.name)
		}
		if kind := leaf.Node.Type().Kind(); kind != c.kind {
			return nil, fmt.Errorf("column %s is %s, want %s", c.name, kind, c.kind)
		}
		if leaf.Node.Repeated() || leaf.Node.Optional() && !c.optional && c.kind != parquet.ByteArray {
			return nil, fmt.Errorf("column %s may be null: read it into a pointer", c.name)
		}
		indexes[i] = leaf.ColumnIndex
	}
	return indexes, nil
}

func readGroup[R any](ctx context.Context, group parquet.RowGroup, cols []column, indexes []int, part slice, chunk []R, yield func([]R) error) (err error) {
	chunks := group.ColumnChunks()
	cursors := make([]cursor, 0, len(cols))
	var missing []column
	for i, c := range cols {
		if indexes[i] == noColumn {
			missing = append(missing, c)
		} else {
			cursors = append(cursors, cursor{column: c, pages: chunks[indexes[i]].Pages()})
		}
	}
	defer func() {
		for i := range cursors {
			err = errors.Join(err, cursors[i].close())
		}
	}()
	for i := range cursors {
		if part.first > 0 {
			if err := cursors[i].pages.SeekToRow(part.first); err != nil {
				return fmt.Errorf("column %s: %w", cursors[i].name, err)
			}
		}
	}
	for left := part.rows; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		rows := chunk[:min(left, int64(len(chunk)))]
		base, size := unsafe.Pointer(unsafe.SliceData(rows)), unsafe.Sizeof(rows[0])
		for i := range cursors {
			if err := cursors[i].fill(base, size, len(rows)); err != nil {
				return fmt.Errorf("column %s: %w", cols[i].name, err)
			}
		}
		for _, c := range missing {
			for i := range rows {
				c.set(unsafe.Add(base, c.offset+size*uintptr(i)), parquet.NullValue())
			}
		}
		if err := callYield(yield, rows); err != nil {
			return err
		}
		left -= int64(len(rows))
	}
	return nil
}

func callYield[R any](yield func([]R) error, rows []R) error {
	defer func() {
		if p := recover(); p != nil {
			panic(yieldPanic{p})
		}
	}()
	return yield(rows)
}

// cursor walks the values of one column of one row group.
type cursor struct {
	column
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buf    [256]parquet.Value
}

// fill sets the column's field in n rows of the given size that start at base.
func (c *cursor) fill(base unsafe.Pointer, size uintptr, n int) error {
	for done := 0; done < n; {
		if c.values == nil {
			if err := c.nextPage(); err != nil {
				return err
			}
		}
		got, err := c.values.ReadValues(c.buf[:min(n-done, len(c.buf))])
		for i, v := range c.buf[:got] {
			c.set(unsafe.Add(base, c.offset+size*uintptr(done+i)), v)
		}
		done += got
		switch {
		case err == nil && got > 0:
		case err == nil || errors.Is(err, io.EOF):
			c.values = nil
		default:
			return err
		}
	}
	return nil
}

func (c *cursor) nextPage() error {
	parquet.Release(c.page)
	c.page = nil
	page, err := c.pages.ReadPage()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF // the row group promised more rows
	}
	if err != nil {
		return err
	}
	c.page, c.values = page, page.Values()
	return nil
}

func (c *cursor) close() error {
	parquet.Release(c.page)
	return c.pages.Close()
}
