package engine

import (
	"bytes"
	"encoding/json"
	"reflect"

	"github.com/go-json-experiment/json/jsontext"
)

// schemaOf is the JSON Schema of a params struct, for forms and clients.
func schemaOf[P any]() []byte {
	t, _ := newParamType(reflect.TypeFor[P]())
	return t.jsonSchema()
}

// jsonSchema is the type as JSON Schema. Properties stand as they are written in Go, which is how forms show them.
func (t *paramType) jsonSchema() []byte {
	raw, err := json.Marshal(t.schema(0))
	if err != nil {
		return nil
	}
	return raw
}

// A schemaObject is a JSON object whose members keep their order.
type schemaObject []schemaMember

type schemaMember struct {
	name  string
	value any
}

func (o *schemaObject) set(name string, value any) { *o = append(*o, schemaMember{name, value}) }

// orNull lets the schema take null as well.
func (o schemaObject) orNull() {
	for i, m := range o {
		switch v := m.value.(type) {
		case string:
			if m.name == "type" {
				o[i].value = []string{v, "null"}
			}
		case []json.RawMessage:
			o[i].value = append(v, json.RawMessage("null"))
		}
	}
}

// MarshalJSON implements json.Marshaler.
func (o schemaObject) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		b.Write(quoted(m.name))
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// maxSchemaDepth ends the schema of a type that holds itself.
const maxSchemaDepth = 8

var schemaTypes = map[paramKind]string{
	paramBool: "boolean", paramInteger: "integer", paramNumber: "number", paramString: "string", paramList: "array", paramMap: "object", paramObject: "object",
}

func (t *paramType) schema(depth int) schemaObject {
	out := schemaObject{}
	if depth > maxSchemaDepth {
		return out
	}
	switch {
	case t.format == "quoted":
		out.set("type", "string")
	case t.kind != paramAny:
		out.set("type", schemaTypes[t.kind])
	}
	switch t.format {
	case "byte":
		out.set("contentEncoding", "base64")
	case "date-time":
		out.set("format", t.format)
	}
	t.bounds.schema(&out, t.kind)
	switch t.kind {
	case paramList:
		out.set("items", t.elem.schema(depth+1))
	case paramMap:
		out.set("additionalProperties", t.elem.schema(depth+1))
	case paramObject:
		props, required := schemaObject{}, []string(nil)
		for _, f := range t.fields {
			s := f.typ.schema(depth + 1)
			if f.pointer && !f.required {
				s.orNull()
			}
			if f.fallback != nil {
				s.set("default", json.RawMessage(f.fallback))
			}
			if f.doc != "" {
				s.set("description", f.doc)
			}
			props.set(f.name, s)
			if f.required {
				required = append(required, f.name)
			}
		}
		out.set("properties", props)
		if required != nil {
			out.set("required", required)
		}
		out.set("additionalProperties", false)
	}
	return out
}

func (b *paramBounds) schema(out *schemaObject, kind paramKind) {
	if b.min != "" {
		out.set("minimum", json.RawMessage(b.min))
	}
	if b.max != "" {
		out.set("maximum", json.RawMessage(b.max))
	}
	of := map[paramKind]string{paramList: "Items", paramMap: "Properties"}[kind]
	if of == "" {
		of = "Length"
	}
	if b.minLength != nil {
		out.set("min"+of, *b.minLength)
	}
	if b.maxLength != nil {
		out.set("max"+of, *b.maxLength)
	}
	if b.enum != nil {
		var values []json.RawMessage
		for _, v := range b.enum {
			values = append(values, json.RawMessage(v))
		}
		out.set("enum", values)
	}
	if b.pattern != nil {
		out.set("pattern", b.pattern.String())
	}
}

// withoutDocs takes the descriptions out of a schema, and the order of its properties: neither changes what a DAG does.
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

// stripDocs goes down to where schemas stand; what is a value, such as a default, is left alone.
func stripDocs(schema any) {
	m, ok := schema.(map[string]any)
	if !ok {
		return
	}
	delete(m, "description")
	stripDocs(m["items"])
	stripDocs(m["additionalProperties"])
	if props, ok := m["properties"].(map[string]any); ok {
		for _, p := range props {
			stripDocs(p)
		}
	}
}

// encode is a value as the JSON that a trigger gives. Of a value of the params' own type fields that are zero and have a default are left
// out: a Go value cannot tell what was not set.
func (t *paramType) encode(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if typ := reflect.TypeOf(v); typ == t.goType || typ == reflect.PointerTo(t.goType) {
		return t.omitZeros(jsontext.Value(raw)), nil
	}
	return raw, nil
}
