package lake

import (
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	"github.com/parquet-go/parquet-go"
)

// column is one field of a flat struct R and how a Parquet value gets into it.
type column struct {
	name     string
	offset   uintptr
	kind     parquet.Kind
	optional bool // a pointer: nil is null
	set      func(field unsafe.Pointer, v parquet.Value)
}

// columnsOf are the columns that a flat struct asks for by its parquet tags. It
// errs on a field of a type that no lake file has.
func columnsOf(t reflect.Type) ([]column, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("row type %s: want a struct with parquet tags", t)
	}
	var cols []column
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("parquet"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		c := column{name: name, offset: f.Offset}
		typ := f.Type
		if typ.Kind() == reflect.Pointer {
			c.optional, typ = true, typ.Elem()
		}
		if !c.bind(typ) {
			return nil, fmt.Errorf("row type %s: field %s is a %s: a column is a bool, int32, int64, float64, string, "+
				"[]byte, [N]byte or a pointer to bool, int32, int64, float64 or string", t, f.Name, f.Type)
		}
		cols = append(cols, c)
	}
	return cols, nil
}

// bind chooses the setter for a Go type; false if it has none.
func (c *column) bind(t reflect.Type) bool {
	switch {
	case t.Kind() == reflect.Bool:
		c.kind, c.set = parquet.Boolean, setter(c.optional, parquet.Value.Boolean)
	case t.Kind() == reflect.Int32:
		c.kind, c.set = parquet.Int32, setter(c.optional, parquet.Value.Int32)
	case t.Kind() == reflect.Int64:
		c.kind, c.set = parquet.Int64, setter(c.optional, parquet.Value.Int64)
	case t.Kind() == reflect.Float64:
		c.kind, c.set = parquet.Double, setter(c.optional, parquet.Value.Double)
	case t.Kind() == reflect.String:
		c.kind, c.set = parquet.ByteArray, setter(c.optional, copyString)
	case c.optional:
		return false
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		c.kind, c.set = parquet.ByteArray, setBytes
	case t.Kind() == reflect.Array && t.Elem().Kind() == reflect.Uint8:
		c.kind, c.set = parquet.FixedLenByteArray, setArray(t.Len())
	default:
		return false
	}
	return true
}

func setter[T any](optional bool, get func(parquet.Value) T) func(unsafe.Pointer, parquet.Value) {
	if optional {
		return func(field unsafe.Pointer, v parquet.Value) {
			if v.IsNull() {
				*(**T)(field) = nil
				return
			}
			x := get(v)
			*(**T)(field) = &x
		}
	}
	return func(field unsafe.Pointer, v parquet.Value) { *(*T)(field) = get(v) }
}

func copyString(v parquet.Value) string { return string(v.ByteArray()) }

func setBytes(field unsafe.Pointer, v parquet.Value) {
	var b []byte
	if !v.IsNull() {
		b = append([]byte{}, v.ByteArray()...)
	}
	*(*[]byte)(field) = b
}

func setArray(size int) func(unsafe.Pointer, parquet.Value) {
	return func(field unsafe.Pointer, v parquet.Value) {
		copy(unsafe.Slice((*byte)(field), size), v.ByteArray())
	}
}
