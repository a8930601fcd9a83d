package ui

import (
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

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
