package engine

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// checkJSON notes an error when a T does not come back from JSON as it went in.
func checkJSON[T any](g *graph, what string) {
	if where, found := secretIn(reflect.TypeFor[T](), map[reflect.Type]bool{}); found {
		if where != "" {
			where = " (field " + where + ")"
		}
		g.fail(caller(), "%s: type %s holds a secret%s, which is neither kept nor handed on; load it with package settings in the task that needs it", what, reflect.TypeFor[T](), where)
		return
	}
	if problem := jsonProblem(reflect.TypeFor[T](), map[reflect.Type]bool{}); problem != "" {
		g.fail(caller(), "%s: type %s does not survive JSON: %s", what, reflect.TypeFor[T](), problem)
	}
}

var (
	jsonMarshaler   = reflect.TypeFor[json.Marshaler]()
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func ownJSON(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(jsonMarshaler) && p.Implements(jsonUnmarshaler) || p.Implements(textMarshaler) && p.Implements(textUnmarshaler)
}

func jsonProblem(t reflect.Type, seen map[reflect.Type]bool) string {
	if seen[t] || ownJSON(t) {
		return ""
	}
	seen[t] = true
	if p := reflect.PointerTo(t); p.Implements(jsonMarshaler) || p.Implements(textMarshaler) {
		return fmt.Sprintf("%s encodes itself but does not decode itself; give it the matching Unmarshal method", t)
	}
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return fmt.Sprintf("%s has no JSON form", t)
	case reflect.Interface:
		return fmt.Sprintf("%s does not say what to decode into; use a concrete type, or json.RawMessage", t)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return jsonProblem(t.Elem(), seen)
	case reflect.Map:
		k := t.Key()
		switch k.Kind() {
		case reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
			reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		default:
			if !ownJSON(k) {
				return fmt.Sprintf("map key %s has no JSON form", k)
			}
		}
		return jsonProblem(t.Elem(), seen)
	case reflect.Struct:
		names := map[string]string{}
		for i := range t.NumField() {
			f := t.Field(i)
			if name := jsonName(f); name != "" && !f.Anonymous {
				if other, taken := names[name]; taken {
					return fmt.Sprintf("fields %s and %s of %s are both %q and one would be lost; name it otherwise", other, f.Name, t, name)
				}
				names[name] = f.Name
			}
			if f.Tag.Get("json") == "-" {
				continue
			}
			if !f.IsExported() && !f.Anonymous {
				return fmt.Sprintf("field %s of %s is unexported and would be lost; export it or tag it json:\"-\"", f.Name, t)
			}
			if p := jsonProblem(f.Type, seen); p != "" {
				return fmt.Sprintf("field %s: %s", f.Name, p)
			}
		}
	}
	return ""
}

// schemaOf is the JSON Schema of a params struct, for forms.
func schemaOf[P any]() []byte {
	raw, err := json.Marshal(typeSchema(reflect.TypeFor[P](), 0))
	if err != nil {
		return nil
	}
	return raw
}

// withoutDocs takes the descriptions out of a schema.
func withoutDocs(schema []byte) []byte {
	var s any
	if json.Unmarshal(schema, &s) != nil {
		return schema
	}
	stripDocs(s)
	raw, err := json.Marshal(s)
	if err != nil {
		return schema
	}
	return raw
}

func stripDocs(schema any) {
	m, ok := schema.(map[string]any)
	if !ok {
		return
	}
	if _, text := m["description"].(string); text {
		delete(m, "description")
	}
	for _, v := range m {
		stripDocs(v)
	}
}

func typeSchema(t reflect.Type, depth int) map[string]any {
	if t.Kind() == reflect.Pointer {
		return typeSchema(t.Elem(), depth)
	}
	if depth > 8 {
		return map[string]any{}
	}
	if t.PkgPath() == "time" && t.Name() == "Time" {
		return map[string]any{"type": "string", "format": "date-time"}
	}
	if ownJSON(t) {
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice, reflect.Array:
		return map[string]any{"type": "array", "items": typeSchema(t.Elem(), depth+1)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": typeSchema(t.Elem(), depth+1)}
	case reflect.Struct:
		props := map[string]any{}
		for _, f := range reflect.VisibleFields(t) {
			name := jsonName(f)
			if name == "" || f.Anonymous {
				continue
			}
			s := typeSchema(f.Type, depth+1)
			if doc := f.Tag.Get("doc"); doc != "" {
				s["description"] = doc
			}
			props[name] = s
		}
		return map[string]any{"type": "object", "properties": props, "additionalProperties": false}
	}
	return map[string]any{"type": "integer"}
}

func jsonName(f reflect.StructField) string {
	if !f.IsExported() {
		return ""
	}
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	switch name {
	case "-":
		return ""
	case "":
		return f.Name
	}
	return name
}

func fieldNames(t reflect.Type) string {
	var names []string
	if t.Kind() == reflect.Struct {
		for _, f := range reflect.VisibleFields(t) {
			if n := jsonName(f); n != "" && !f.Anonymous {
				names = append(names, n)
			}
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
