package postgres

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

// Nearly all that is sent are columns: arrays of a few types. They are encoded here in one go, into room that is made once, since the
// general way asks for each element by an interface and lets the buffer grow many times. What is not known here is left to that way.
// The format is PostgreSQL's array_recv: number of dimensions, whether there are nulls, type of the elements, length, lower bound; then each
// element with its size before it, −1 for a null.

// columnCodec encodes columns of one element type.
type columnCodec struct {
	pgtype.ArrayCodec
}

// registerColumns makes a connection encode columns so.
func registerColumns(m *pgtype.Map) {
	for _, name := range []string{"_int8", "_int4", "_text", "_bytea", "_bool", "_uuid", "_timestamptz", "_tid", "_xid"} {
		t, ok := m.TypeForName(name)
		if !ok {
			continue
		}
		if general, ok := t.Codec.(*pgtype.ArrayCodec); ok {
			m.RegisterType(&pgtype.Type{Name: name, OID: t.OID, Codec: &columnCodec{*general}})
		}
	}
}

// PlanEncode implements pgtype.Codec.
func (c *columnCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if format == pgtype.BinaryFormatCode {
		switch element := c.ElementType.OID; value.(type) {
		case []int64:
			if element == pgtype.Int8OID {
				return columnPlan[int64]{element, func(int64) int { return 8 }, func(b []byte, v int64) []byte {
					return binary.BigEndian.AppendUint64(b, uint64(v)) //nolint:gosec // its bits
				}}
			}
		case []int32:
			if element == pgtype.Int4OID {
				return columnPlan[int32]{element, func(int32) int { return 4 }, func(b []byte, v int32) []byte {
					return binary.BigEndian.AppendUint32(b, uint32(v)) //nolint:gosec // its bits
				}}
			}
		case []uint32:
			if element == pgtype.XIDOID {
				return columnPlan[uint32]{element, func(uint32) int { return 4 }, binary.BigEndian.AppendUint32}
			}
		case []string:
			if element == pgtype.TextOID {
				return columnPlan[string]{element, func(v string) int { return len(v) }, func(b []byte, v string) []byte { return append(b, v...) }}
			}
		case [][]byte:
			if element == pgtype.ByteaOID {
				return columnPlan[[]byte]{element, func(v []byte) int {
					if v == nil {
						return -1
					}
					return len(v)
				}, func(b []byte, v []byte) []byte { return append(b, v...) }}
			}
		case []bool:
			if element == pgtype.BoolOID {
				return columnPlan[bool]{element, func(bool) int { return 1 }, func(b []byte, v bool) []byte {
					if v {
						return append(b, 1)
					}
					return append(b, 0)
				}}
			}
		case uuids:
			return uuidPlan{element}
		case []*time.Time:
			if element == pgtype.TimestamptzOID {
				return columnPlan[*time.Time]{element, func(v *time.Time) int {
					if v == nil {
						return -1
					}
					return 8
				}, func(b []byte, v *time.Time) []byte { return appendTime(b, *v) }}
			}
		case []time.Time:
			if element == pgtype.TimestamptzOID {
				return columnPlan[time.Time]{element, func(time.Time) int { return 8 }, appendTime}
			}
		case []pgtype.TID:
			if element == pgtype.TIDOID {
				return columnPlan[pgtype.TID]{element, func(v pgtype.TID) int {
					if !v.Valid {
						return -1
					}
					return 6
				}, func(b []byte, v pgtype.TID) []byte {
					return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint32(b, v.BlockNumber), v.OffsetNumber)
				}}
			}
		}
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

// epoch is PostgreSQL's, in microseconds of Unix time.
const epoch = 946684800 * 1_000_000

func appendTime(b []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(t.UnixMicro()-epoch)) //nolint:gosec // its bits
}

// A columnPlan encodes a []T. size is that of an element, −1 for a null.
type columnPlan[T any] struct {
	element uint32
	size    func(T) int
	add     func([]byte, T) []byte
}

// Encode implements pgtype.EncodePlan.
func (p columnPlan[T]) Encode(value any, b []byte) ([]byte, error) {
	column := value.([]T) //nolint:forcetypeassert // PlanEncode has looked
	if column == nil {
		return nil, nil
	}
	need, null := headerSize+4*len(column), false
	for _, v := range column {
		if n := p.size(v); n < 0 {
			null = true
		} else {
			need += n
		}
	}
	b = appendHeader(slices.Grow(b, need), len(column), null, p.element)
	for _, v := range column {
		n := p.size(v)
		b = binary.BigEndian.AppendUint32(b, uint32(n)) //nolint:gosec // of a message
		if n >= 0 {
			b = p.add(b, v)
		}
	}
	return b, nil
}

const headerSize = 20

// appendHeader begins an array of n elements.
func appendHeader(b []byte, n int, null bool, element uint32) []byte {
	if n == 0 {
		return append(b, 0, 0, 0, 0, 0, 0, 0, 0, byte(element>>24), byte(element>>16), byte(element>>8), byte(element)) //nolint:gosec // its bits
	}
	flag := uint32(0)
	if null {
		flag = 1
	}
	for _, v := range [...]uint32{1, flag, element, uint32(n), 1} { //nolint:gosec // of a message
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// A uuidPlan encodes uuids.
type uuidPlan struct{ element uint32 }

// Encode implements pgtype.EncodePlan.
func (p uuidPlan) Encode(value any, b []byte) ([]byte, error) {
	column := value.(uuids) //nolint:forcetypeassert // PlanEncode has looked
	b = appendHeader(slices.Grow(b, headerSize+20*len(column)), len(column), false, p.element)
	for i := range column {
		b = append(binary.BigEndian.AppendUint32(b, 16), column[i][:]...)
	}
	return b, nil
}
