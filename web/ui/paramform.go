package ui

import (
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
)

// A paramForm is the params of a run as people give them: field by field, or as JSON.
type paramForm struct {
	Fields []paramField
	JSON   string // given instead of the fields, when it is not empty
}

// A paramField is a param in the form, made from its JSON Schema.
type paramField struct {
	Name, Doc string
	Type      string // text, number, integer, boolean, choice, date-time, list or json
	Value     string
	Problem   string
	Options   []string // of a choice; of a boolean that may be null
	Nullable  bool
	Required  bool
	Bounds    template.HTMLAttr // of the input, checked by the browser before the server does
	Limits    string            // the same in words
	items     string            // type of a list's elements
	fallback  json.RawMessage
}

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

// newParamForm is the form for a JSON Schema of an object, with its defaults filled in.
func newParamForm(schema []byte) paramForm {
	var object struct {
		Properties json.RawMessage `json:"properties"`
		Required   []string        `json:"required"`
	}
	if json.Unmarshal(schema, &object) != nil {
		return paramForm{}
	}
	var form paramForm
	for _, property := range fields(object.Properties) {
		var s paramSchema
		if json.Unmarshal(property.value, &s) != nil {
			s = paramSchema{}
		}
		f := s.field(property.name, slices.Contains(object.Required, property.name))
		f.fill(s.example())
		form.Fields = append(form.Fields, f)
	}
	return form
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

// Hint says what the param is for and what it takes.
func (f *paramField) Hint() string {
	kind := map[string]string{"integer": "A whole number", "number": "A number", "list": "Several, one a line", "json": "JSON", "date-time": "A time in UTC"}[f.Type]
	if f.Type == "text" && f.Limits != "" {
		kind = "A text"
	}
	if kind != "" && f.Limits != "" {
		kind += ": " + f.Limits
	}
	if f.Doc != "" && kind != "" {
		return f.Doc + ". " + kind
	}
	return f.Doc + kind
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

// fill shows a value in the field.
func (f *paramField) fill(v json.RawMessage) {
	if len(v) == 0 || string(v) == "null" {
		f.Value = ""
		return
	}
	f.Value = plain(v)
	switch f.Type {
	case "date-time":
		if at, err := time.Parse(time.RFC3339Nano, f.Value); err == nil {
			f.Value = at.UTC().Format("2006-01-02T15:04:05")
		}
	case "list":
		var items []json.RawMessage
		if json.Unmarshal(v, &items) != nil {
			return
		}
		var lines []string
		for _, item := range items {
			text := plain(item)
			if text == "" || strings.ContainsAny(text, ",\n") || strings.HasPrefix(text, "[") || strings.TrimSpace(text) != text {
				return // as JSON
			}
			lines = append(lines, text)
		}
		f.Value = strings.Join(lines, "\n")
	case "json":
		f.Value = pretty(v)
	}
}

// plain is a text without its quotes, and all else as JSON.
func plain(v json.RawMessage) string {
	var text string
	if json.Unmarshal(v, &text) == nil {
		return text
	}
	return string(v)
}

// read makes the params of what was filled in. What does not fit is noted at its field, and false is returned.
func (form *paramForm) read(r *http.Request) (params []byte, ok bool) {
	if form.JSON = strings.TrimSpace(r.PostFormValue("params")); form.JSON != "" {
		form.show(r)
		return []byte(form.JSON), true
	}
	form.show(r)
	given := map[string]any{}
	ok = true
	for i := range form.Fields {
		f := &form.Fields[i]
		v, err := f.decode()
		switch {
		case err != nil:
			f.Problem, ok = err.Error(), false
		case v != nil:
			given[f.Name] = v
		}
	}
	raw, err := json.Marshal(given)
	return raw, ok && err == nil
}

// show keeps what was typed.
func (form *paramForm) show(r *http.Request) {
	for i := range form.Fields {
		f := &form.Fields[i]
		f.Value = r.PostFormValue("param." + f.Name)
		if f.Type != "text" {
			f.Value = strings.TrimSpace(f.Value)
		}
		if f.Type == "boolean" && !f.Nullable {
			f.Value = strconv.FormatBool(f.Value == "true")
		}
	}
}

// decode is the param that the field gives; nil: it is left out. What is cleared of a field with a default is given as empty, or null.
func (f *paramField) decode() (any, error) {
	if f.Value == "" && f.Type != "boolean" {
		switch {
		case len(f.fallback) == 0:
			return nil, nil
		case f.Nullable:
			return json.RawMessage("null"), nil
		case f.Type == "text":
			return "", nil
		case f.Type == "list":
			return []string{}, nil
		}
		return nil, nil
	}
	switch f.Type {
	case "boolean":
		if f.Value == "" && len(f.fallback) > 0 {
			return json.RawMessage("null"), nil
		} else if f.Value == "" {
			return nil, nil
		}
		return f.Value == "true", nil
	case "choice":
		return element(f.Value, f.items)
	case "integer", "number":
		return element(f.Value, f.Type)
	case "list":
		return f.list()
	case "date-time":
		at, _, err := engine.ParseDate(f.Name, f.Value, time.UTC)
		if bad := (*engine.InvalidError)(nil); errors.As(err, &bad) {
			return nil, errors.New(bad.Message) // the field's name is said already
		}
		return at, err
	case "json":
		if !json.Valid([]byte(f.Value)) {
			return nil, errors.New("is no JSON")
		}
		return json.RawMessage(f.Value), nil
	}
	return f.Value, nil
}

func (f *paramField) list() (any, error) {
	if strings.HasPrefix(f.Value, "[") {
		if !json.Valid([]byte(f.Value)) {
			return nil, errors.New("begins as JSON and is none; give one a line otherwise")
		}
		return json.RawMessage(f.Value), nil
	}
	list := []any{}
	for _, part := range strings.FieldsFunc(f.Value, func(r rune) bool { return r == ',' || r == '\n' }) {
		if part = strings.TrimSpace(part); part != "" {
			v, err := element(part, f.items)
			if err != nil {
				return nil, errors.New(strconv.Quote(part) + " " + err.Error())
			}
			list = append(list, v)
		}
	}
	return list, nil
}

// element is a single value of a JSON type.
func element(text, of string) (any, error) {
	switch of {
	case "integer":
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			if _, err := strconv.ParseUint(text, 10, 64); err != nil {
				return nil, errors.New("is no whole number, such as 7")
			}
		}
		return json.RawMessage(strings.TrimPrefix(text, "+")), nil
	case "number":
		if _, err := strconv.ParseFloat(text, 64); err != nil || !json.Valid([]byte(text)) {
			return nil, errors.New("is no number, such as 0.5")
		}
		return json.RawMessage(text), nil
	}
	return text, nil
}

// refused shows what a request was refused for at the fields that it is about. own are the names of those that are no params. What is left
// is about the request as a whole.
func (form *paramForm) refused(detail any, own map[string]string) (rest string) {
	problems, ok := detail.([]api.Problem)
	if !ok {
		return textOf(detail)
	}
	var left []api.Problem
	for _, p := range problems {
		if len(p.Loc) == 2 {
			if name, _ := p.Loc[1].(string); name != "conf" {
				if _, known := own[name]; known {
					own[name] = p.Msg
					continue
				}
			}
		}
		if form.JSON != "" || !form.at(p) {
			left = append(left, p)
		}
	}
	if len(left) == 0 {
		return "Something does not fit: see below."
	}
	return textOf(left)
}

// at shows a problem at its param.
func (form *paramForm) at(p api.Problem) bool {
	if len(p.Loc) < 3 {
		return false
	}
	name, _ := p.Loc[2].(string)
	for i := range form.Fields {
		if f := &form.Fields[i]; f.Name == name {
			where := ""
			for _, part := range p.Loc[3:] {
				switch part := part.(type) {
				case int:
					where += "element " + strconv.Itoa(part+1) + " "
				case string:
					where += part + " "
				}
			}
			if f.Problem != "" {
				f.Problem += "; "
			}
			f.Problem += where + p.Msg
			return true
		}
	}
	return false
}
