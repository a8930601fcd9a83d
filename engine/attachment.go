package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
)

// An Attachment is what a task keeps with the log of its try, apart from the lines: the SQL that it ran, the rows that a check has
// found. It has a text or a table.
type Attachment struct {
	Node  string // what it is about: of a virtual node its id or a text in its details, as for lines with the attribute node; "" for the task
	Name  string // what it is, such as compiled.sql; of two with one name and node the later counts
	Text  string // at most [MaxAttachment] bytes are kept of it
	Table *Table
}

// A Table is rows for people to look at.
type Table struct {
	Columns []string    `json:"columns"`
	Rows    [][]*string `json:"rows"`            // each as long as Columns; nil is null
	Found   int64       `json:"found,omitempty"` // how many rows there are, when those are only the first; 0: not known
}

// MaxAttachment is how many bytes of an attachment's text are kept, and about how many of a table.
const MaxAttachment = 256 << 10

// attachmentKey is the attribute of a log line that makes it an attachment.
const attachmentKey = "attachment"

var attachmentMark = []byte(`"` + attachmentKey + `":"`)

// Keep keeps an attachment with the log of the try that calls it; secrets in it are masked as in lines. Outside a task it is a line of level
// debug in the default log.
func Keep(ctx context.Context, a Attachment) {
	args := []any{slog.String(attachmentKey, a.Name), slog.String("node", a.Node)}
	switch {
	case a.Table != nil:
		text, err := json.Marshal(a.Table.bounded())
		if err != nil { // texts always encode
			return
		}
		args = append(args, slog.String("table", string(text)))
	default:
		args = append(args, slog.String("text", cutText(a.Text)))
	}
	Log(ctx).Debug("attached "+a.Name, args...)
}

func cutText(text string) string {
	if len(text) <= MaxAttachment {
		return text
	}
	return string(bytes.ToValidUTF8([]byte(text[:MaxAttachment]), nil)) + "\n… (the rest is left out)"
}

// bounded leaves out rows at the end until what is left is about MaxAttachment bytes.
func (t Table) bounded() Table {
	size := 0
	for i, row := range t.Rows {
		for _, v := range row {
			if size += 8; v != nil {
				size += len(*v)
			}
		}
		if size > MaxAttachment {
			t.Found, t.Rows = max(t.Found, int64(len(t.Rows))), t.Rows[:i]
			break
		}
	}
	return t
}

// ParseAttachment reads a line of a task's log; it is false for one that is no attachment.
func ParseAttachment(line []byte) (Attachment, bool) {
	if !bytes.Contains(line, attachmentMark) {
		return Attachment{}, false
	}
	var raw struct {
		Name  string `json:"attachment"`
		Node  string `json:"node"`
		Text  string `json:"text"`
		Table string `json:"table"`
	}
	if json.Unmarshal(line, &raw) != nil || raw.Name == "" {
		return Attachment{}, false
	}
	a := Attachment{Node: raw.Node, Name: raw.Name, Text: raw.Text}
	if raw.Table != "" {
		a.Table = &Table{}
		if json.Unmarshal([]byte(raw.Table), a.Table) != nil {
			return Attachment{}, false
		}
	}
	return a, true
}
