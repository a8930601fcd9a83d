package engine

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// A paramType is what a value of the params may be: its JSON and the bounds that its tags set.
type paramType struct {
	goType reflect.Type // what JSON is decoded into
	kind   paramKind
	format string       // of the JSON Schema, such as date-time; "" for none
	fields []paramField // of an object, as written
	elem   *paramType   // of a list or a map
	bounds paramBounds
	active bool // something in it has a default, is required or bounded
}

// A paramField is a field of params.
type paramField struct {
	name, doc string
	typ       *paramType
	fallback  jsontext.Value // what stands for it where it is left out; nil: nothing
	required  bool
	optional  bool // may be left out whatever its zero value is
	pointer   bool // null is a value of it: none
}

type paramKind int

const (
	paramAny paramKind = iota // whatever the type itself takes
	paramBool
	paramInteger
	paramNumber
	paramString
	paramList
	paramMap
	paramObject
)

// newParamType reads a params type and its tags. problems are what is wrong with the tags; the type is usable all the same.
func newParamType(t reflect.Type) (typ *paramType, problems []string) {
	b := &paramTypes{known: map[reflect.Type]*paramType{}}
	typ = b.of(t)
	for _, known := range b.all {
		known.active = known.matters(map[*paramType]bool{})
	}
	b.defaults()
	return typ, b.problems
}

// paramTypes are the types of one DAG's params while they are being read.
type paramTypes struct {
	known    map[reflect.Type]*paramType // without bounds
	all      []*paramType
	pending  []pendingDefault
	problems []string
}

// A pendingDefault is a default that is read once all types are known.
type pendingDefault struct {
	typ   *paramType
	index int
	text  string
	where string
}

func (b *paramTypes) add(t *paramType) *paramType {
	b.all = append(b.all, t)
	return t
}

func (b *paramTypes) of(t reflect.Type) *paramType {
	for t.Kind() == reflect.Pointer && !ownJSON(t) {
		t = t.Elem()
	}
	if known := b.known[t]; known != nil {
		return known
	}
	p := b.add(&paramType{goType: t})
	b.known[t] = p
	if t == reflect.TypeFor[time.Time]() {
		p.kind, p.format = paramString, "date-time"
		return p
	}
	if ownJSON(t) {
		if at := reflect.PointerTo(t); !at.Implements(jsonMarshaler) {
			p.kind = paramString // encodes itself as a text
		}
		return p
	}
	switch t.Kind() {
	case reflect.Bool:
		p.kind = paramBool
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		p.kind = paramInteger
	case reflect.Float32, reflect.Float64:
		p.kind = paramNumber
	case reflect.String:
		p.kind = paramString
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 && t.Kind() == reflect.Slice {
			p.kind, p.format = paramString, "byte"
			break
		}
		p.kind = paramList
		p.elem = b.of(t.Elem())
	case reflect.Map:
		p.kind = paramMap
		p.elem = b.of(t.Elem())
	case reflect.Struct:
		p.kind = paramObject
		b.structFields(p, t)
	}
	return p
}

// structFields adds what JSON sees of a struct: its own fields and those of the structs that it embeds, of which its own hide others.
func (b *paramTypes) structFields(p *paramType, t reflect.Type) {
	embedded := []reflect.Type{t}
	seen := map[reflect.Type]bool{t: true}
	for len(embedded) > 0 {
		var next []reflect.Type
		for _, at := range embedded {
			for i := range at.NumField() {
				f := at.Field(i)
				inner := f.Type
				if inner.Kind() == reflect.Pointer {
					inner = inner.Elem()
				}
				tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if f.Anonymous && tag == "" && inner.Kind() == reflect.Struct && !ownJSON(inner) {
					if !seen[inner] {
						seen[inner] = true
						next = append(next, inner)
					}
					continue
				}
				name := jsonName(f)
				if name == "" || slices.ContainsFunc(p.fields, func(other paramField) bool { return other.name == name }) {
					continue
				}
				b.field(p, at, f, name)
			}
		}
		embedded = next
	}
}

// matters tells whether something in the type has a default, is required or bounded.
func (t *paramType) matters(seen map[*paramType]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	if t.bounds.any() || t.elem != nil && t.elem.matters(seen) {
		return true
	}
	return slices.ContainsFunc(t.fields, func(f paramField) bool {
		return f.required || f.fallback != nil || f.typ.matters(seen)
	})
}

// zero is the JSON of the type's zero value, as bounds see it.
func (t *paramType) zero() jsontext.Value {
	switch t.kind {
	case paramBool:
		return jsontext.Value("false")
	case paramInteger, paramNumber:
		return jsontext.Value("0")
	case paramList:
		return jsontext.Value("[]")
	case paramMap, paramObject:
		return jsontext.Value("{}")
	case paramAny:
		return jsontext.Value("null")
	}
	return jsontext.Value(`""`)
}

// want says in words what the type takes.
func (t *paramType) want() string {
	switch t.kind {
	case paramBool:
		return "true or false"
	case paramInteger:
		return "a whole number"
	case paramNumber:
		return "a number"
	case paramString:
		switch t.format {
		case "date-time":
			return "a time such as \"2024-01-09T02:00:00Z\""
		case "byte":
			return "a text in base64"
		}
		return "a text"
	case paramList:
		return "a list"
	case paramMap, paramObject:
		return "an object"
	}
	return fmt.Sprintf("JSON that fits %s", t.goType)
}

func jsonName(f reflect.StructField) string {
	if !f.IsExported() {
		return ""
	}
	if f.Tag.Get("json") == "-" {
		return ""
	}
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" {
		return f.Name
	}
	return name
}
