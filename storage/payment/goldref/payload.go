package goldref

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// payload is a record's object before it becomes text: its names and the text of its values, in order.
type payload [][2]string

// with returns a copy in which a field has another value, or in which it comes last if it was not there.
func (p payload) with(name, raw string) payload {
	changed := slices.Clone(p)
	for i := range changed {
		if changed[i][0] == name {
			changed[i][1] = raw
			return changed
		}
	}
	return append(changed, [2]string{name, raw})
}

// without returns a copy without a field.
func (p payload) without(name string) payload {
	return slices.DeleteFunc(slices.Clone(p), func(member [2]string) bool { return member[0] == name })
}

func (p payload) get(name string) string {
	for _, member := range p {
		if member[0] == name {
			return member[1]
		}
	}
	return ""
}

// text returns the object as JSON. Names go in as they are, so that a name may hold escapes.
func (p payload) text() []byte {
	var b strings.Builder
	for i, member := range p {
		b.WriteByte("{,"[min(i, 1)])
		fmt.Fprintf(&b, `"%s":%s`, member[0], member[1])
	}
	b.WriteByte('}')
	return []byte(b.String())
}

// quote returns text as a JSON string.
func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string always marshals
	}
	return string(quoted)
}

func quoteTime(at time.Time) string { return quote(at.Format("2006-01-02T15:04:05.999999Z07:00")) }
