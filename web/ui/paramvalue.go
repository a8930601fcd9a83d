package ui

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
)

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
