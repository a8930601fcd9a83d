package ui

import (
	"encoding/json"
	"html/template"
	"slices"
	"strconv"
	"strings"
)

// A paramSchema is what forms read of the JSON Schema of a param.
type paramSchema struct {
	Type        schemaType        `json:"type"`
	Format      string            `json:"format"`
	Description string            `json:"description"`
	Default     json.RawMessage   `json:"default"`
	Enum        []json.RawMessage `json:"enum"`
	Minimum     json.Number       `json:"minimum"`
	Maximum     json.Number       `json:"maximum"`
	MinLength   *int              `json:"minLength"`
	MaxLength   *int              `json:"maxLength"`
	MinItems    *int              `json:"minItems"`
	MaxItems    *int              `json:"maxItems"`
	Pattern     string            `json:"pattern"`
	Items       *paramSchema      `json:"items"`
	Properties  json.RawMessage   `json:"properties"`
}

// A schemaType is one type, or one and null.
type schemaType struct {
	name string
	null bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *schemaType) UnmarshalJSON(b []byte) error {
	var names []string
	if json.Unmarshal(b, &names) != nil {
		return json.Unmarshal(b, &t.name)
	}
	for _, n := range names {
		if t.null = t.null || n == "null"; n != "null" {
			t.name = n
		}
	}
	return nil
}

func (s paramSchema) field(name string, required bool) paramField {
	f := paramField{Name: name, Doc: s.Description, Type: "json", Nullable: s.Type.null, Required: required, fallback: s.Default}
	switch {
	case len(s.Enum) > 0:
		f.Type = "choice"
		for _, v := range s.Enum {
			if string(v) != "null" {
				f.Options = append(f.Options, plain(v))
			}
		}
		f.items = s.Type.name
	case s.Format == "date-time":
		f.Type = "date-time"
	case s.Type.name == "string":
		f.Type = "text"
	case s.Type.name == "number", s.Type.name == "integer", s.Type.name == "boolean":
		f.Type = s.Type.name
	case s.Type.name == "array" && s.Items != nil && slices.Contains([]string{"string", "integer", "number"}, s.Items.Type.name) && s.Items.Format == "":
		f.Type, f.items = "list", s.Items.Type.name
	}
	f.bound(s)
	return f
}

// example is the default, of an object made of those of its members; nil when there is none.
func (s paramSchema) example() json.RawMessage {
	if len(s.Default) > 0 || s.Type.null {
		return s.Default
	}
	members := map[string]json.RawMessage{}
	for _, property := range fields(s.Properties) {
		var inner paramSchema
		if json.Unmarshal(property.value, &inner) == nil && len(inner.example()) > 0 {
			members[property.name] = inner.example()
		}
	}
	raw, err := json.Marshal(members)
	if err != nil || len(members) == 0 {
		return nil
	}
	return raw
}

// bound sets the input's attributes and what they say in words.
func (f *paramField) bound(s paramSchema) {
	var attrs, words []string
	set := func(name, value string) { attrs = append(attrs, name+`="`+template.HTMLEscapeString(value)+`"`) }
	length := func(lo, hi *int, of string) {
		switch {
		case lo != nil && hi != nil:
			words = append(words, strconv.Itoa(*lo)+" to "+strconv.Itoa(*hi)+" "+of)
		case lo != nil:
			words = append(words, "at least "+strconv.Itoa(*lo)+" "+of)
		case hi != nil:
			words = append(words, "at most "+strconv.Itoa(*hi)+" "+of)
		}
	}
	of := s
	if f.Type == "list" {
		of = *s.Items
	}
	switch lo, hi := of.Minimum.String(), of.Maximum.String(); {
	case lo != "" && hi != "":
		words = append(words, lo+" to "+hi)
	case lo != "":
		words = append(words, "at least "+lo)
	case hi != "":
		words = append(words, "at most "+hi)
	}
	length(s.MinLength, s.MaxLength, "characters")
	length(s.MinItems, s.MaxItems, "elements")
	if of.Pattern != "" {
		words = append(words, "matches "+of.Pattern)
	}
	switch f.Type {
	case "integer", "number":
		step := "any"
		if f.Type == "integer" {
			step = "1"
		}
		set("step", step)
		if s.Minimum != "" {
			set("min", s.Minimum.String())
		}
		if s.Maximum != "" {
			set("max", s.Maximum.String())
		}
	case "text":
		if s.MinLength != nil {
			set("minlength", strconv.Itoa(*s.MinLength))
		}
		if s.MaxLength != nil {
			set("maxlength", strconv.Itoa(*s.MaxLength))
		}
		if p, ok := browserPattern(s.Pattern); ok {
			set("pattern", p)
			set("title", "It must match "+s.Pattern)
		}
	}
	f.Bounds, f.Limits = template.HTMLAttr(strings.Join(attrs, " ")), strings.Join(words, ", ") //nolint:gosec // names of ours, values escaped
}

// browserPattern is a Go pattern as browsers take it: they ask that it matches the whole. false for what only Go understands.
func browserPattern(p string) (string, bool) {
	for _, ours := range []string{`(?i`, `(?s`, `(?m`, `(?U`, `(?P`, `\A`, `\z`, `\Q`, `[[:`, `\C`, `\p`, `\P`} {
		if strings.Contains(p, ours) {
			return "", false
		}
	}
	return "[\\s\\S]*(?:" + p + ")[\\s\\S]*", p != ""
}
