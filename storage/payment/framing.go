package payment

import (
	"encoding/binary"
	"strconv"
)

// framingSize is the length of a schema registry's framing: the magic byte 0 and the schema's id, four bytes, big-endian.
const framingSize = 5

// Framing recognises a value that a schema registry's serializer has framed. It returns the schema's id and the value
// within, which shares value's memory; ok is false, and body the value itself, for one that is not framed. No JSON text
// begins with the magic byte, so that nothing else is taken for framed.
func Framing(value []byte) (schemaID uint32, body []byte, ok bool) {
	if len(value) < framingSize || value[0] != 0 {
		return 0, value, false
	}
	return binary.BigEndian.Uint32(value[1:framingSize]), value[framingSize:], true
}

// checkFraming refuses a framed value by its own name: "not JSON" would send people looking for the wrong mistake.
func checkFraming(value []byte) *Violation {
	if id, _, ok := Framing(value); ok {
		return broken(FieldValue, "has a schema registry's framing (magic byte 0, schema id "+strconv.FormatUint(uint64(id), 10)+"), which is not configured to be stripped")
	}
	return nil
}
