package lake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// fingerprint tells whether files hold the same values, column by column and in
// the same order, however they are cut into files, groups and pages.
type fingerprint struct {
	rows    int64
	of      []Column // those that a file may lack: all their values are null there
	columns map[string]hash.Hash
}

// newFingerprint is that of no file. A column of these that a file does not have
// counts as nulls.
func newFingerprint(of []Column) *fingerprint {
	return &fingerprint{of: of, columns: map[string]hash.Hash{}}
}

func (p *fingerprint) column(c Column) hash.Hash {
	name := c.Name + " " + c.Type
	if p.columns[name] == nil {
		p.columns[name] = sha256.New()
	}
	return p.columns[name]
}

// fingerprint adds a committed file.
func (l *Lake) fingerprint(ctx context.Context, f File, to *fingerprint) (err error) {
	h, in, _, err := l.open(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	if in.Path != f.Path {
		return fmt.Errorf("%s was merged: %w", f.Path, fs.ErrNotExist)
	}
	return to.add(h, h.Size())
}

// add goes on with a Parquet file.
func (p *fingerprint) add(f io.ReaderAt, size int64) error {
	return guard(func() error {
		file, err := parquet.OpenFile(f, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
		if err != nil {
			return err
		}
		columns := columnsIn(file.Schema())
		for _, group := range file.RowGroups() {
			for i, chunk := range group.ColumnChunks() {
				if err := addColumn(p.column(columns[i]), chunk); err != nil {
					return fmt.Errorf("column %s: %w", columns[i].Name, err)
				}
			}
		}
		for _, c := range p.of {
			if !slices.ContainsFunc(columns, func(has Column) bool { return has.Name == c.Name }) {
				_, _ = p.column(c).Write(make([]byte, file.NumRows())) // as appendValue writes a null; a hash never errs
			}
		}
		p.rows += file.NumRows()
		return nil
	})
}

func addColumn(h hash.Hash, chunk parquet.ColumnChunk) (err error) {
	values := parquet.NewColumnChunkValueReader(chunk)
	defer func() { err = errors.Join(err, values.Close()) }()
	var text []byte
	buf := make([]parquet.Value, 256)
	for {
		n, err := values.ReadValues(buf)
		text = text[:0]
		for _, v := range buf[:n] {
			text = appendValue(text, v)
		}
		_, _ = h.Write(text) // a hash never errs
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// appendValue is a value as no other is.
func appendValue(text []byte, v parquet.Value) []byte {
	if v.IsNull() {
		return append(text, 0)
	}
	b := v.AppendBytes(nil)
	return append(binary.AppendUvarint(text, uint64(len(b))+1), b...)
}

// differs says in what two fingerprints differ; nil if they do not.
func (p *fingerprint) differs(q *fingerprint) error {
	if p.rows != q.rows {
		return fmt.Errorf("%d rows were written of %d", q.rows, p.rows)
	}
	same := func(a, b hash.Hash) bool { return bytes.Equal(a.Sum(nil), b.Sum(nil)) }
	if !maps.EqualFunc(p.columns, q.columns, same) {
		for name, h := range p.columns {
			if q.columns[name] == nil || !same(h, q.columns[name]) {
				return fmt.Errorf("column %s was not written as it was", name)
			}
		}
		return errors.New("a column was written that was not there")
	}
	return nil
}
