package payment

import (
	"strconv"
	"unicode/utf8"
)

// FieldValue is the Field of a Violation that concerns the record's value as a whole: not JSON, not an object, empty.
const FieldValue = "value"

// FieldTimestamp is the Field of a Violation of the record's own timestamp.
const FieldTimestamp = "kafka_timestamp"

// Violation says how a record breaks the contract. Field is a name of the contract, the name of an unknown field,
// [FieldValue] or [FieldTimestamp]; Reason completes the sentence that begins with the field. Both are valid UTF-8
// without U+0000 and of bounded length, whatever the record held, so that they can be stored anywhere. Reasons never
// repeat customer_email, ip_address or other personal fields.
type Violation struct {
	Field  string
	Reason string
}

// Error returns "field: reason".
func (v *Violation) Error() string { return v.Field + ": " + v.Reason }

// maxQuoted bounds how much of a record's own text a violation repeats.
const maxQuoted = 48

func broken(field, reason string) *Violation {
	return &Violation{Field: printable(field), Reason: reason}
}

// printable returns a field's name as it is when it is short and plain, else quoted and cut.
func printable(name string) string {
	if len(name) > maxQuoted {
		return quoted(name)
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return quoted(name)
		}
	}
	if name == "" {
		return `""`
	}
	return name
}

// quoted returns text in Go's quotes, in ASCII, cut after maxQuoted bytes.
func quoted(text string) string {
	if len(text) <= maxQuoted {
		return strconv.QuoteToASCII(text)
	}
	cut := maxQuoted
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return strconv.QuoteToASCII(text[:cut]) + "…"
}
