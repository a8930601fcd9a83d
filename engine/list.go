package engine

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// A jsonList is a JSON list and where its items are, so that each is found without reading those before it.
type jsonList struct {
	raw   []byte
	items []span
}

// A span is a part of a text, in bytes.
type span struct{ from, to uint32 }

// indexList reads a list once; null is an empty one. It errs on what is no list.
func indexList(raw []byte) (jsonList, error) {
	l := jsonList{raw: raw}
	err := eachItem(raw, func(s span) { l.items = append(l.items, s) })
	return l, err
}

// listLen is the number of elements of a JSON list; null is an empty one.
func listLen(raw []byte) (n int, err error) {
	err = eachItem(raw, func(span) { n++ })
	return n, err
}

// item is a part of the list's own bytes.
func (l *jsonList) item(i int) ([]byte, error) {
	if i >= len(l.items) {
		return nil, fmt.Errorf("its list has %d elements now, none at %d: clear this task as a whole", len(l.items), i)
	}
	s := l.items[i]
	return l.raw[s.from:s.to], nil
}

// eachItem tells where the items of a list are, in order.
func eachItem(raw []byte, yield func(span)) error {
	// As encoding/json reads what it wrote.
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	first, err := dec.ReadToken()
	switch {
	case err == nil && first.Kind() == 'n':
		return nil
	case err != nil || first.Kind() != '[':
		return fmt.Errorf("output is no JSON list")
	}
	for dec.PeekKind() != ']' {
		v, err := dec.ReadValue()
		if err != nil {
			return fmt.Errorf("output is no JSON list: %w", err)
		}
		to := uint32(dec.InputOffset()) //nolint:gosec // an output has no more than MaxOutput bytes
		yield(span{to - uint32(len(v)), to})
	}
	return nil
}
