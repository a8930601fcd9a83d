package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// misnamedTags are what other libraries call our tags: they would be ignored in silence.
var misnamedTags = map[string]string{
	"minimum": "min", "maximum": "max", "minItems": "minLength", "maxItems": "maxLength", "minProperties": "minLength", "maxProperties": "maxLength",
	"minlength": "minLength", "maxlength": "maxLength", "description": "doc", "regexp": "pattern",
}

// field adds a field with what its tags say.
func (b *paramTypes) field(p *paramType, owner reflect.Type, f reflect.StructField, name string) {
	where := fmt.Sprintf("field %s of %s", f.Name, owner)
	fail := func(format string, args ...any) {
		b.problems = append(b.problems, where+": "+fmt.Sprintf(format, args...))
	}
	for other, ours := range misnamedTags {
		if _, given := f.Tag.Lookup(other); given {
			fail("tag %s has no meaning here; write %s", other, ours)
		}
	}
	_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	opts := strings.Split(options, ",")
	out := paramField{name: name, doc: f.Tag.Get("doc"), pointer: f.Type.Kind() == reflect.Pointer && !ownJSON(f.Type)}
	out.optional = out.pointer || slices.Contains(opts, "omitempty") || slices.Contains(opts, "omitzero")
	shared := b.of(f.Type)
	typ := *shared // the bounds are the field's own
	if typ.elem == nil && (typ.kind == paramList || typ.kind == paramMap) {
		typ.elem = b.of(typ.goType.Elem()) // a list of what holds this field is not complete yet
	}
	if slices.Contains(opts, "string") && typ.kind != paramString {
		typ.kind, typ.format = paramAny, "quoted"
	}
	b.bounds(&typ, f.Tag, fail)
	if out.typ = shared; typ.bounds.any() || typ.kind != shared.kind || typ.elem != shared.elem {
		out.typ = b.add(&typ)
	}
	text, hasDefault := f.Tag.Lookup("default")
	switch want, given := f.Tag.Lookup("required"); {
	case given && want == "true" && hasDefault:
		fail("it has a default and is required; a default is for when it is left out: take one away")
	case given && want == "true":
		out.required = true
	case given && want == "false":
		out.optional = true
	case given:
		fail("required:%q must be true or false", want)
	}
	if !hasDefault && !out.required && !out.optional && typ.bounds.any() {
		typ.complete("", typ.zero(), func(string, string) { out.required = true })
	}
	p.fields = append(p.fields, out)
	if hasDefault {
		b.pending = append(b.pending, pendingDefault{p, len(p.fields) - 1, text, where})
	}
}

// bounds reads min, max, minLength, maxLength, enum and pattern. On a list those but the lengths are of each element.
func (b *paramTypes) bounds(t *paramType, tag reflect.StructTag, fail func(string, ...any)) {
	target := t
	if t.kind == paramList && t.elem.kind != paramObject && t.elem.kind != paramList && t.elem.kind != paramMap {
		elem := *t.elem
		target = &elem
	}
	number := target.kind == paramInteger || target.kind == paramNumber
	for _, name := range []string{"min", "max"} {
		text, given := tag.Lookup(name)
		if !given {
			continue
		}
		value, err := target.parse(text)
		switch {
		case !number && (target.kind == paramString || target.kind == paramMap || t.kind == paramList):
			fail("%s:%q is for numbers, and this is %s; for its length write %sLength", name, text, t.want(), name)
			continue
		case !number:
			fail("%s:%q is for numbers, and this takes %s", name, text, t.want())
			continue
		case err != nil:
			fail("%s:%q does not fit %s", name, text, target.goType)
			continue
		}
		if name == "min" {
			target.bounds.min = string(value)
		} else {
			target.bounds.max = string(value)
		}
	}
	if target.bounds.min != "" && target.bounds.max != "" && compareNumbers(target.kind, target.bounds.min, target.bounds.max) > 0 {
		fail("min:%q is above max:%q", tag.Get("min"), tag.Get("max"))
	}
	t.bounds.minLength, t.bounds.maxLength = b.length(t, "minLength", tag, fail), b.length(t, "maxLength", tag, fail)
	if lo, hi := t.bounds.minLength, t.bounds.maxLength; lo != nil && hi != nil && *lo > *hi {
		fail("minLength:\"%d\" is above maxLength:\"%d\"", *lo, *hi)
	}
	if text, given := tag.Lookup("pattern"); given {
		re, err := regexp.Compile(text)
		switch {
		case target.kind != paramString || target.format == "date-time" || target.format == "byte":
			fail("pattern is for texts, and this takes %s", t.want())
		case err != nil:
			fail("pattern:%q is no regular expression: %s", text, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		default:
			target.bounds.pattern = re
		}
	}
	if text, given := tag.Lookup("enum"); given {
		target.bounds.enum = target.parseEnum(text, fail)
	}
	if target != t && target.bounds.any() {
		t.elem = b.add(target)
	}
}

func (b *paramTypes) length(t *paramType, name string, tag reflect.StructTag, fail func(string, ...any)) *int {
	text, given := tag.Lookup(name)
	if !given {
		return nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case !slices.Contains([]paramKind{paramString, paramList, paramMap}, t.kind) || t.format != "":
		fail("%s:%q is for texts, lists and maps, and this takes %s", name, text, t.want())
		return nil
	case err != nil || n < 0:
		fail("%s:%q is no whole number of 0 or more", name, text)
		return nil
	}
	return &n
}

// parseEnum reads the values that a field may have: with commas between them, or as a JSON list where one has a comma in it.
func (t *paramType) parseEnum(text string, fail func(string, ...any)) []jsontext.Value {
	if t.kind == paramList || t.kind == paramMap || t.kind == paramObject || t.kind == paramBool {
		fail("enum:%q is for texts and numbers, and this takes %s", text, t.want())
		return nil
	}
	parts := strings.Split(text, ",")
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		var list []jsontext.Value
		if err := json.Unmarshal([]byte(text), &list); err == nil {
			parts = parts[:0]
			for _, v := range list {
				parts = append(parts, string(v))
			}
		}
	}
	var out []jsontext.Value
	for _, part := range parts {
		part = strings.TrimSpace(part)
		v, err := t.parse(part)
		if t.kind == paramString && strings.HasPrefix(part, `"`) && json.Valid([]byte(part)) {
			v = jsontext.Value(part)
		}
		switch {
		case part == "":
			fail("enum:%q has an empty value; give values with commas between them", text)
		case err != nil:
			fail("enum:%q: %s does not fit %s", text, part, t.goType)
		case slices.ContainsFunc(out, func(o jsontext.Value) bool { return t.equal(o, v) }):
			fail("enum:%q has %s twice", text, part)
		default:
			out = append(out, v)
		}
	}
	return out
}

// parse reads a value as a tag has it: a text as it stands, a list also with commas, a time.Duration also as 1h30m, all else as JSON.
func (t *paramType) parse(text string) (jsontext.Value, error) {
	v := jsontext.Value(text)
	switch t.kind {
	case paramString:
		v = quoted(text)
	case paramAny:
		if !json.Valid(v) || !t.fits(v) {
			v = quoted(text)
		}
	case paramInteger:
		if d, err := time.ParseDuration(text); err == nil && t.goType == reflect.TypeFor[time.Duration]() {
			v = strconv.AppendInt(nil, int64(d), 10)
		}
	case paramList:
		if !strings.HasPrefix(strings.TrimSpace(text), "[") {
			v = jsontext.Value("[")
			for i, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
				item, err := t.elem.parse(strings.TrimSpace(part))
				if err != nil {
					return nil, err
				}
				if i > 0 {
					v = append(v, ',')
				}
				v = append(v, item...)
			}
			v = append(v, ']')
		}
	}
	v = slices.Clone(v)
	if err := v.Compact(); err != nil {
		return nil, fmt.Errorf("%q is not %s", text, t.want())
	}
	if v.Kind() == 'n' {
		return nil, errors.New("null is no value")
	}
	if !t.fits(v) {
		return nil, fmt.Errorf("%q does not fit %s", text, t.goType)
	}
	return v, nil
}

// fits tells whether JSON decodes into the type.
func (t *paramType) fits(v jsontext.Value) bool {
	if t.format == "quoted" && v.Kind() != '"' {
		return false
	}
	if t.format == "quoted" { // json:",string"
		text, err := strconv.Unquote(string(v))
		return err == nil && strictly([]byte(text), reflect.New(t.goType).Interface()) == nil
	}
	return strictly(v, reflect.New(t.goType).Interface()) == nil
}

// defaults reads the defaults, which may be of types that were not complete before.
func (b *paramTypes) defaults() {
	for _, d := range b.pending {
		f := &d.typ.fields[d.index]
		v, err := f.typ.parse(d.text)
		if err != nil {
			b.problems = append(b.problems, fmt.Sprintf("%s: default:%q does not fit %s; it takes %s", d.where, d.text, f.typ.goType, f.typ.want()))
			continue
		}
		f.typ.complete("", v, func(at, message string) {
			b.problems = append(b.problems, fmt.Sprintf("%s: default:%q is out of its own bounds: %s", d.where, d.text, strings.TrimSpace(strings.TrimPrefix(at, ".")+" "+message)))
		})
		f.fallback = v
	}
	for _, t := range b.all {
		t.active = t.matters(map[*paramType]bool{})
	}
}

func quoted(text string) jsontext.Value {
	v, err := jsonv2.Marshal(strings.ToValidUTF8(text, "\uFFFD"))
	if err != nil {
		return jsontext.Value(`""`) // a text always encodes
	}
	return v
}

// compareNumbers compares JSON numbers as Go reads them.
func compareNumbers(kind paramKind, a, b string) int {
	if kind == paramInteger {
		x, okX := new(big.Int).SetString(a, 10)
		y, okY := new(big.Int).SetString(b, 10)
		if okX && okY {
			return x.Cmp(y)
		}
	}
	x, _ := strconv.ParseFloat(a, 64) //nolint:errcheck // JSON numbers that have been decoded as float64
	y, _ := strconv.ParseFloat(b, 64) //nolint:errcheck // the same
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}
