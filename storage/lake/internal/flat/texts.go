package flat

import (
	"encoding/binary"
	"slices"
	"strings"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/format"
)

// texts are the values of a BYTE_ARRAY column of strings or byte slices, in
// DELTA_LENGTH_BYTE_ARRAY: first their lengths, then their bytes.
type texts struct {
	noDictionary
	lengths []int32
	bytes   []byte
	span    span
	packed  []byte
}

// add takes strings; of a byte slice the first two words are a string's.
func (v *texts) add(at []unsafe.Pointer) {
	for _, p := range at {
		s := *(*string)(p)
		from := len(v.bytes)
		v.bytes = append(v.bytes, s...)
		v.lengths = append(v.lengths, int32(len(s)))
		v.span.widen(v.bytes, from)
	}
}

func (v *texts) size() int { return len(v.bytes) + 4*len(v.lengths) }

func (v *texts) reset() { v.lengths, v.bytes, v.span = v.lengths[:0], v.bytes[:0], span{} }

func (v *texts) endPage(dst []byte) (p page, err error) {
	p.encoding, p.textLength = format.DeltaLengthByteArray, int64(len(v.bytes))
	if p.bounded = v.span.any; p.bounded {
		p.least, p.greatest = parquet.ByteArrayValue(slices.Clone(v.span.least.of(v.bytes))), parquet.ByteArrayValue(slices.Clone(v.span.greatest.of(v.bytes)))
	}
	if v.packed, err = new(delta.BinaryPackedEncoding).EncodeInt32(v.packed[:0], v.lengths); err != nil {
		return page{}, err
	}
	p.data = append(append(dst, v.packed...), v.bytes...)
	v.reset()
	return p, nil
}

// arrays are the values of a FIXED_LEN_BYTE_ARRAY column, in PLAIN.
type arrays struct {
	noDictionary
	length int
	bytes  []byte
	span   span
}

func (v *arrays) add(at []unsafe.Pointer) {
	for _, p := range at {
		from := len(v.bytes)
		v.bytes = append(v.bytes, unsafe.Slice((*byte)(p), v.length)...)
		v.span.widen(v.bytes, from)
	}
}

func (v *arrays) size() int { return len(v.bytes) }

func (v *arrays) reset() { v.bytes, v.span = v.bytes[:0], span{} }

func (v *arrays) endPage(dst []byte) (p page, err error) {
	p.encoding, p.data = format.Plain, append(dst, v.bytes...)
	if p.bounded = v.span.any; p.bounded {
		p.least = parquet.FixedLenByteArrayValue(slices.Clone(v.span.least.of(v.bytes)))
		p.greatest = parquet.FixedLenByteArrayValue(slices.Clone(v.span.greatest.of(v.bytes)))
	}
	v.reset()
	return p, nil
}

// span is the least and the greatest of byte strings that lie one after the
// other. Most comparisons are decided by the first eight bytes.
type span struct {
	any             bool
	least, greatest place
}

// place is where a byte string lies, and how it begins: as a number that is not
// greater than another's unless the string is.
type place struct {
	from, to int
	head     uint64
}

func (p place) of(bytes []byte) []byte { return bytes[p.from:p.to] }

func (p place) compare(q place, bytes []byte) int {
	return strings.Compare(unsafe.String(unsafe.SliceData(p.of(bytes)), p.to-p.from), unsafe.String(unsafe.SliceData(q.of(bytes)), q.to-q.from))
}

// widen takes in the byte string that lies from a place to the end.
func (s *span) widen(bytes []byte, from int) {
	p := place{from: from, to: len(bytes), head: head(bytes[from:])}
	if !s.any {
		*s = span{true, p, p}
		return
	}
	if p.head <= s.least.head && (p.head < s.least.head || p.compare(s.least, bytes) < 0) {
		s.least = p
	}
	if p.head >= s.greatest.head && (p.head > s.greatest.head || p.compare(s.greatest, bytes) > 0) {
		s.greatest = p
	}
}

func head(text []byte) uint64 {
	if len(text) >= 8 {
		return binary.BigEndian.Uint64(text)
	}
	var h uint64
	for i, b := range text {
		h |= uint64(b) << (56 - 8*i)
	}
	return h
}
