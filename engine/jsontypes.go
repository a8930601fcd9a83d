package engine

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
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
