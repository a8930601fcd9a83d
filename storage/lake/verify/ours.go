package verify

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// ours reads a file with the library that wrote it.
func ours(path string) (r Reading, err error) {
	f, err := os.Open(path) //nolint:gosec // of the lake
	if err != nil {
		return Reading{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	defer func() { // a file that is no Parquet
		if p := recover(); p != nil {
			err = fmt.Errorf("not readable as Parquet: %v", p)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return Reading{}, err
	}
	file, err := parquet.OpenFile(f, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return Reading{}, err
	}
	r.Rows = file.NumRows()
	for i, field := range file.Schema().Fields() {
		if !field.Leaf() {
			return Reading{}, fmt.Errorf("column %s is a group: a lake's files are flat", field.Name())
		}
		g := newGauge(field.Name(), ourScale(field))
		for _, group := range file.RowGroups() {
			if err := ourChunk(group.ColumnChunks()[i], g); err != nil {
				return Reading{}, fmt.Errorf("column %s: %w", field.Name(), err)
			}
		}
		r.Columns = append(r.Columns, g.end())
	}
	return r, nil
}

// ourScale is the scale of a decimal, -1 for any other type.
func ourScale(field parquet.Field) int {
	if t := field.Type().LogicalType(); t != nil {
		if d, ok := t.Value.(*format.DecimalType); ok {
			return int(d.Scale)
		}
	}
	return -1
}

func ourChunk(chunk parquet.ColumnChunk, g *gauge) (err error) {
	values := parquet.NewColumnChunkValueReader(chunk)
	defer func() { err = errors.Join(err, values.Close()) }()
	var buf [512]parquet.Value
	for {
		n, err := values.ReadValues(buf[:])
		for _, v := range buf[:n] {
			if err := ourValue(g, v); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func ourValue(g *gauge, v parquet.Value) error {
	if v.IsNull() {
		g.null()
		return nil
	}
	switch v.Kind() {
	case parquet.Boolean:
		g.bool(v.Boolean())
	case parquet.Int32:
		g.int(int64(v.Int32()))
	case parquet.Int64:
		g.int(v.Int64())
	case parquet.Double:
		g.float(v.Double())
	case parquet.ByteArray, parquet.FixedLenByteArray:
		g.bytes(v.ByteArray())
	default:
		return fmt.Errorf("a value of type %s, which no lake file has", v.Kind())
	}
	return nil
}
