package flat

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// ErrUnsupported says that a struct is not one that this package can write.
var ErrUnsupported = errors.New("not a flat struct of plain, delta and dict columns")

// indexSize is how many bytes of a text the page index tells at most.
const indexSize = parquet.DefaultColumnIndexSizeLimit

// columnsOf are the columns of a struct.
func columnsOf(t reflect.Type, schema *parquet.Schema, config *parquet.WriterConfig) ([]*column, error) {
	if t.Kind() != reflect.Struct || !littleEndian() {
		return nil, ErrUnsupported
	}
	var all []*column
	for _, f := range reflect.VisibleFields(t) {
		if !f.IsExported() || len(f.Index) != 1 {
			return nil, fmt.Errorf("%w: field %s", ErrUnsupported, f.Name)
		}
	}
	fields := schema.Fields()
	if len(fields) != t.NumField() {
		return nil, fmt.Errorf("%w: %d fields make %d columns", ErrUnsupported, t.NumField(), len(fields))
	}
	for i, node := range fields {
		c, err := columnOf(t.Field(i), node, config)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

func columnOf(f reflect.StructField, node parquet.Field, config *parquet.WriterConfig) (*column, error) {
	unsupported := fmt.Errorf("%w: field %s", ErrUnsupported, f.Name)
	typ, pointer := f.Type, f.Type.Kind() == reflect.Pointer
	if pointer {
		typ = typ.Elem()
	}
	if !node.Leaf() || node.Repeated() || node.Optional() != pointer {
		return nil, unsupported
	}
	values := valuesOf(typ, node)
	if values == nil || !ordered(node.Type()) || node.Type().PhysicalType() == nil {
		return nil, unsupported
	}
	c := &column{
		offset: f.Offset, optional: pointer, path: []string{node.Name()}, kind: *node.Type().PhysicalType(), order: node.Type(),
		codec: node.Compression(), pageSize: config.PageBufferSize, values: values, index: node.Type().NewColumnIndexer(indexSize),
	}
	if c.codec == nil {
		c.codec = config.Compression
	}
	if c.codec == nil {
		c.codec = &parquet.Uncompressed
	}
	return c, nil
}

// valuesOf are the values of a column that has a Go type; nil: of none that is
// known. The encodings are those that parquet-go would choose.
func valuesOf(t reflect.Type, node parquet.Node) values {
	encoding := format.Plain
	tagged := node.Encoding() != nil
	if tagged {
		encoding = node.Encoding().Encoding()
	}
	isBytes := t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 || t.Kind() == reflect.String
	switch kind := node.Type().Kind(); {
	case kind == parquet.ByteArray && isBytes && (!tagged || encoding == format.DeltaLengthByteArray):
		return &texts{}
	case kind == parquet.ByteArray && isBytes && encoding == format.RLEDictionary:
		return newDictionary()
	case kind == parquet.FixedLenByteArray && t.Kind() == reflect.Array && t.Elem().Kind() == reflect.Uint8 && encoding == format.Plain:
		return &arrays{length: t.Len()}
	case kind == parquet.Boolean && t.Kind() == reflect.Bool && encoding == format.Plain:
		return &booleans{}
	case kind == parquet.Double && t.Kind() == reflect.Float64 && encoding == format.Plain:
		return doubles()
	case kind == parquet.Int32 && t.Kind() == reflect.Int32 && encoding == format.Plain:
		return plainInt32s()
	case kind == parquet.Int32 && t.Kind() == reflect.Int32 && encoding == format.DeltaBinaryPacked:
		return deltaInt32s()
	case kind == parquet.Int64 && t.Kind() == reflect.Int64 && encoding == format.Plain:
		return plainInt64s()
	case kind == parquet.Int64 && t.Kind() == reflect.Int64 && encoding == format.DeltaBinaryPacked:
		return deltaInt64s()
	}
	return nil
}

// ordered says whether values of a type are ordered as its physical type is.
func ordered(t parquet.Type) bool {
	logical := t.LogicalType()
	if logical == nil || t.Kind() == parquet.Int32 || t.Kind() == parquet.Int64 { // unsigned ones have other Go types
		return true
	}
	_, text := logical.Value.(*format.StringType)
	return text
}

func littleEndian() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 1
}
