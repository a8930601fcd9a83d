package payment

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"sync"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"
)

// Decode reads the value of one record of the topic into a row. It overwrites the whole row: the contract's columns,
// Extra and PayloadHash are set from the value, and where the record lay (the Kafka columns and IngestionTimestamp) is
// zero until the caller sets it. The row keeps no reference to value.
//
// The error is nil or a [*Violation]; the row's content is then undefined. A value of zero bytes is a violation. A nil
// value is a tombstone for Kafka, and the caller's to sort out: here it counts as zero bytes.
func Decode(value []byte, into *Row) error {
	if v := decode(value, string(value), into); v != nil {
		return v
	}
	return nil
}

// DecodeShared is Decode without a copy of the value: the row's strings are parts of it, and value must not change while they are in use.
func DecodeShared(value []byte, into *Row) error {
	if v := decode(value, unsafe.String(unsafe.SliceData(value), len(value)), into); v != nil {
		return v
	}
	return nil
}

// decode is Decode with its error's type, so that nil stays nil. The row's strings are parts of text, which is the value.
func decode(value []byte, text string, into *Row) *Violation {
	if len(value) == 0 {
		return broken(FieldValue, "has zero bytes")
	}
	if v := checkFraming(value); v != nil {
		return v
	}
	d := decoders.Get().(*decoder)
	defer d.release()
	d.begin(value, text, into)
	if !d.plainObject() {
		d.reset(into)
		if v := d.object(value); v != nil {
			return v
		}
	}
	for i := range requiredFields {
		if d.seen&(1<<i) == 0 {
			return broken(fieldNames[i], "is missing")
		}
	}
	into.Extra = d.extra.take()
	hash := sha256.Sum256(value)
	copy(into.PayloadHash[:], hash[:])
	return nil
}

// decoder holds what can be used again from record to record. The strings of a row are parts of one text, the
// value or one copy of it, so that a record costs at most one allocation for all its required fields, and a share of one for all its optional ones.
type decoder struct {
	input  bytes.Buffer
	tokens *jsontext.Decoder
	text   string                // the value, which row's strings share
	smooth bool                  // text has neither a backslash nor a control character: every string in it is as it is written
	order  [knownFields + 1]int8 // which field came after which (0: at the start, else 1 + its number) in records before: a guess
	row    *Row
	seen   uint32 // bit i: field i was there and not null
	opt    *optionals
	spare  []optionals // of records to come
	extra  extra
}

// optionals holds the values that the row's pointers point to.
type optionals struct {
	texts [countryField - customerEmailField + 1]string
	score float64
}

// sparesAtOnce is how many records' optionals are allocated together: as long as one of the rows lives, all of them do, 4 KB.
const sparesAtOnce = 32

// maxKept bounds the memory that a decoder may hold on to after an unusually large record.
const maxKept = 1 << 16

var decoders = sync.Pool{New: func() any {
	return &decoder{tokens: jsontext.NewDecoder(new(bytes.Buffer))}
}}

func (d *decoder) begin(value []byte, text string, row *Row) {
	d.text, d.smooth = text, smooth(value)
	d.reset(row)
}

// reset makes the decoder ready to read its text from the start.
func (d *decoder) reset(row *Row) {
	*row = Row{}
	d.row, d.seen, d.opt = row, 0, nil
	d.extra.reset()
}

func (d *decoder) release() {
	d.input, d.text, d.row, d.opt = bytes.Buffer{}, "", nil, nil
	if cap(d.extra.text) <= maxKept {
		decoders.Put(d)
	}
}

// object reads the whole value: one JSON object, field by field, and nothing after it but white space.
func (d *decoder) object(value []byte) *Violation {
	d.input = *bytes.NewBuffer(value)
	d.tokens.Reset(&d.input)
	if kind := d.tokens.PeekKind(); kind != '{' {
		if _, err := d.tokens.ReadValue(); err != nil {
			return d.syntax(err)
		}
		return broken(FieldValue, "is JSON but not an object")
	}
	if _, err := d.tokens.ReadToken(); err != nil {
		return d.syntax(err)
	}
	for d.tokens.PeekKind() != '}' {
		rawName, v := d.next()
		if v != nil {
			return v
		}
		name, v := d.unquote(FieldValue, rawName)
		if v != nil {
			return v
		}
		raw, v := d.next()
		if v != nil {
			return v
		}
		if v := d.field(name, rawName, raw); v != nil {
			return v
		}
	}
	if _, err := d.tokens.ReadToken(); err != nil {
		return d.syntax(err)
	}
	if _, err := d.tokens.ReadToken(); !errors.Is(err, io.EOF) {
		return broken(FieldValue, "has something after the object")
	}
	return nil
}

// next reads one value (or name) and returns its text as it was sent.
func (d *decoder) next() (string, *Violation) {
	raw, err := d.tokens.ReadValue()
	if err != nil {
		return "", d.syntax(err)
	}
	end := d.tokens.InputOffset()
	return d.text[end-int64(len(raw)) : end], nil
}

// syntax turns an error of the JSON decoder into a violation: it names the top-level field in which it lies.
func (d *decoder) syntax(err error) *Violation {
	field, nested := FieldValue, false
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		for token := range syntactic.JSONPointer.Tokens() {
			field = token
			break
		}
		nested = syntactic.JSONPointer.Parent() != ""
		err = syntactic.Err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return broken(field, "is not JSON: it ends too early")
	}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		if nested {
			return broken(field, "holds a name twice")
		}
		return broken(field, "is there twice")
	}
	return broken(field, "is not JSON: "+strings.TrimPrefix(err.Error(), "jsontext: "))
}

// unquote returns the string that a JSON string stands for. The decoder has already refused what is no UTF-8 and
// surrogates without their other half.
func (d *decoder) unquote(field, raw string) (string, *Violation) {
	text := raw[1 : len(raw)-1]
	if d.smooth || strings.IndexByte(text, '\\') < 0 {
		return text, nil
	}
	plain, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return "", broken(field, "is not a JSON string")
	}
	if bytes.IndexByte(plain, 0) >= 0 {
		return "", broken(field, reasonNUL)
	}
	return string(plain), nil
}
