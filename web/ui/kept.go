package ui

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/engine"
)

// A keptPart is an attachment as the page of a task shows it.
type keptPart struct {
	Title string
	Text  string
	Table *keptTable
}

type keptTable struct {
	Columns []string
	Rows    [][]keptCell
	Note    string // how many of how many rows are shown
}

type keptCell struct {
	Text string
	Null bool
}

// keptParts are attachments with what is personal hidden, tables first: they say what is wrong.
func keptParts(all []engine.Attachment) []keptPart {
	var tables, texts []keptPart
	for _, a := range all {
		p := keptPart{Title: titleOf(a.Name)}
		if a.Table == nil {
			p.Text = maskText(a.Text)
			texts = append(texts, p)
			continue
		}
		p.Table = keptTableOf(*a.Table)
		tables = append(tables, p)
	}
	return append(tables, texts...)
}

// titleOf makes words of a name such as compiled.sql or failing_rows.
func titleOf(name string) string {
	name = strings.ReplaceAll(name, "_", " ")
	if base, ok := strings.CutSuffix(name, ".sql"); ok {
		name = base + " SQL"
	}
	if name == "" {
		return ""
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

func keptTableOf(t engine.Table) *keptTable {
	out := &keptTable{Columns: t.Columns}
	for _, row := range t.Rows {
		cells := make([]keptCell, len(row))
		for i, v := range row {
			switch {
			case v == nil:
				cells[i] = keptCell{"null", true}
			case i < len(t.Columns):
				cells[i] = keptCell{maskValue(t.Columns[i], *v), false}
			}
		}
		out.Rows = append(out.Rows, cells)
	}
	shown := int64(len(t.Rows))
	switch {
	case t.Found > shown:
		out.Note = fmt.Sprintf("the first %s of %s", count(shown), count(t.Found))
	default:
		out.Note = plural(len(t.Rows), "row")
	}
	return out
}

// A factLine is a name and a value.
type factLine struct{ Name, Value string }

// factsIn are the fields of details that are an object of plain values, in the order in which they stand there; nil where they are anything else.
func factsIn(details []byte) []factLine {
	dec := json.NewDecoder(strings.NewReader(string(details)))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil
	}
	var out []factLine
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil
		}
		var value any
		if dec.Decode(&value) != nil {
			return nil
		}
		f := factLine{Name: titleOf(fmt.Sprint(name))}
		switch v := value.(type) {
		case string:
			f.Value = maskValue(fmt.Sprint(name), v)
		case json.Number:
			f.Value = numberText(v)
		case bool:
			f.Value = map[bool]string{true: "yes", false: "no"}[v]
		case nil:
			continue
		default:
			return nil
		}
		out = append(out, f)
	}
	return out
}

func numberText(n json.Number) string {
	if i, err := n.Int64(); err == nil {
		return count(i)
	}
	if f, err := n.Float64(); err == nil {
		return count(f)
	}
	return n.String()
}
