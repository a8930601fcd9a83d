package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// A Line is a line of a task's log, taken apart.
type Line struct {
	At    time.Time // zero when it has none
	Level string    // DEBUG, INFO, WARN, ERROR
	Text  string
	Attrs []Attr // what else was logged, in order
}

// An Attr is a name and a value of a line; the value as text, or as JSON where it is no text.
type Attr struct{ Name, Value string }

// ParseLine takes a line apart. One that is no JSON object is text.
func ParseLine(line []byte) Line {
	l := Line{Level: "INFO"}
	dec := json.NewDecoder(bytes.NewReader(line))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		l.Text = string(line)
		return l
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return Line{Level: "INFO", Text: string(line)}
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return Line{Level: "INFO", Text: string(line)}
		}
		text := string(value)
		_ = json.Unmarshal(value, &text) // what is no text stays JSON
		switch name {
		case "time":
			l.At, _ = time.Parse(time.RFC3339Nano, text)
		case "level":
			l.Level = strings.ToUpper(text)
		case "msg":
			l.Text = text
		default:
			l.Attrs = append(l.Attrs, Attr{fmt.Sprint(name), text})
		}
	}
	return l
}

// PlainLine is a line for a terminal.
func PlainLine(line []byte) string {
	l := ParseLine(line)
	var b strings.Builder
	if !l.At.IsZero() {
		fmt.Fprintf(&b, "[%s] %-5s ", l.At.UTC().Format("2006-01-02 15:04:05.000"), l.Level)
	}
	b.WriteString(l.Text)
	for _, a := range l.Attrs {
		fmt.Fprintf(&b, " %s=%s", a.Name, a.Value)
	}
	return b.String()
}
