package ui

import (
	"bytes"
	"encoding/json"
)

// A field is one of a JSON object, in the order in which it is written.
type field struct {
	name  string
	value json.RawMessage // never empty
}

// fields are those of a JSON object, without nulls; none when raw is no object.
func fields(raw []byte) []field {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	var out []field
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return out
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return out
		}
		text, _ := name.(string)
		if string(value) != "null" {
			out = append(out, field{text, value})
		}
	}
	return out
}
