package flat

import (
	"math"
	"slices"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/format"
)

// noDictionary is what columns without one have in common.
type noDictionary struct{}

func (noDictionary) dictionary() (int, []byte) { return 0, nil }

// numbers are the values of an INT32, INT64 or DOUBLE column.
type numbers[T int32 | int64 | float64] struct {
	noDictionary
	all    []T
	value  func(T) parquet.Value
	packed func(dst []byte, all []T) ([]byte, error) // DELTA_BINARY_PACKED; nil: PLAIN
}

func (v *numbers[T]) add(at []unsafe.Pointer) {
	n := len(v.all)
	v.all = slices.Grow(v.all, len(at))[:n+len(at)]
	to := v.all[n:]
	for i, p := range at {
		to[i] = *(*T)(p)
	}
}

func (v *numbers[T]) size() int { return len(v.all) * int(unsafe.Sizeof(*new(T))) }

func (v *numbers[T]) reset() { v.all = v.all[:0] }

func (v *numbers[T]) endPage(dst []byte) (p page, err error) {
	if len(v.all) > 0 {
		least, greatest := v.bounds()
		p.bounded, p.least, p.greatest = true, v.value(least), v.value(greatest)
	}
	if v.packed != nil {
		p.encoding = format.DeltaBinaryPacked
		p.data, err = v.packed(dst, v.all)
	} else {
		p.encoding = format.Plain
		p.data = append(dst, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v.all))), v.size())...) // PLAIN is little-endian, and so are the CPUs that columnsOf admits
	}
	v.reset()
	return p, err
}

// bounds are the least and the greatest value. A NaN, which has no place in the
// order, makes them the widest; a zero of either sign is within those of the other.
func (v *numbers[T]) bounds() (least, greatest T) {
	least, greatest = v.all[0], v.all[0]
	for _, x := range v.all {
		if x < least {
			least = x
		}
		if x > greatest {
			greatest = x
		}
	}
	if f, ok := any(v.all).([]float64); ok {
		low, high := floatBounds(f, any(least).(float64), any(greatest).(float64))
		return any(low).(T), any(high).(T)
	}
	return least, greatest
}

func floatBounds(all []float64, least, greatest float64) (float64, float64) {
	if slices.ContainsFunc(all, math.IsNaN) {
		return math.Inf(-1), math.Inf(1)
	}
	if least == 0 {
		least = math.Copysign(0, -1)
	}
	if greatest == 0 {
		greatest = 0
	}
	return least, greatest
}

func plainInt32s() *numbers[int32] { return &numbers[int32]{value: parquet.Int32Value} }

func plainInt64s() *numbers[int64] { return &numbers[int64]{value: parquet.Int64Value} }

func doubles() *numbers[float64] { return &numbers[float64]{value: parquet.DoubleValue} }

func deltaInt32s() *numbers[int32] {
	return &numbers[int32]{value: parquet.Int32Value, packed: new(delta.BinaryPackedEncoding).EncodeInt32}
}

func deltaInt64s() *numbers[int64] {
	return &numbers[int64]{value: parquet.Int64Value, packed: new(delta.BinaryPackedEncoding).EncodeInt64}
}

// booleans are the values of a BOOLEAN column.
type booleans struct {
	noDictionary
	all []bool
}

func (v *booleans) add(at []unsafe.Pointer) {
	for _, p := range at {
		v.all = append(v.all, *(*bool)(p))
	}
}

func (v *booleans) size() int { return len(v.all) }

func (v *booleans) reset() { v.all = v.all[:0] }

func (v *booleans) endPage(dst []byte) (p page, err error) {
	p.encoding = format.Plain
	if len(v.all) > 0 {
		p.bounded, p.least, p.greatest = true, parquet.BooleanValue(!slices.Contains(v.all, false)), parquet.BooleanValue(slices.Contains(v.all, true))
	}
	for i, x := range v.all { // the first in the lowest bit
		if i%8 == 0 {
			dst = append(dst, 0)
		}
		if x {
			dst[len(dst)-1] |= 1 << (i % 8)
		}
	}
	p.data = dst
	v.reset()
	return p, nil
}
