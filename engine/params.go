package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// A Validator is a params type with a check of its own, made after that of the tags. To name a field it returns an [InvalidError] (or
// several, joined) whose Field is the param's name.
type Validator interface{ Validate() error }

// A RunValidator is a params type with a check that depends on the logical date of a run, nil: it has none. It is made when somebody triggers
// one, so that what cannot work is refused rather than run. Errors name fields as those of a [Validator] do.
type RunValidator interface {
	ValidateRun(logical *time.Time) error
}

// decodeParams decodes a run's params strictly: an unknown field, an ill-typed one and one out of bounds is an error that names it. What is
// left out gets its default; full is the JSON with those.
func decodeParams[P any](t *paramType, raw []byte) (p P, full []byte, err error) {
	full = raw
	if trimmed := bytes.TrimSpace(raw); len(trimmed) == 0 || string(trimmed) == "null" {
		if !t.active {
			return p, nil, validate(&p) // nothing to decode: most runs of most DAGs
		}
		full = []byte("{}")
	}
	if err := strictly(full, &p); err != nil {
		return p, nil, paramsError(err, t)
	}
	if t.active {
		var errs []error
		filled := t.complete("params", full, func(at, message string) {
			errs = append(errs, &InvalidError{Field: at, Message: message})
		})
		if err := errors.Join(errs...); err != nil {
			return p, nil, err
		}
		if !bytes.Equal(filled, full) {
			var q P
			if err := strictly(filled, &q); err != nil {
				return p, nil, paramsError(err, t)
			}
			p, full = q, filled
		}
	}
	return p, full, validate(&p)
}

// validate asks the params themselves. p points to them, and so has the methods of both.
func validate(p any) error {
	v, ok := p.(Validator)
	if !ok {
		return nil
	}
	return named(v.Validate())
}

// named makes of an error, or several that are joined, those that name the params that they are about.
func named(err error) error {
	if err == nil {
		return nil
	}
	var errs []error
	for _, err := range flattened(err) {
		bad := &InvalidError{Field: "params", Message: err.Error()}
		if named := (*InvalidError)(nil); errors.As(err, &named) {
			bad.Message = named.Message
			if bad.Field = named.Field; named.Field != "params" && !strings.HasPrefix(named.Field, "params.") {
				bad.Field = "params." + named.Field
			}
		}
		errs = append(errs, bad)
	}
	return errors.Join(errs...)
}

// flattened are the errors that were joined into one.
func flattened(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // the join itself, not one further down
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, flattened(e)...)
	}
	return out
}

// complete puts defaults where something is left out, and reports what is missing or out of bounds. v has been decoded into the type before.
// What is complete is returned as it came.
func (t *paramType) complete(at string, v jsontext.Value, report func(at, message string)) jsontext.Value {
	if !t.active && !t.bounds.any() || v.Kind() == 'n' {
		return v
	}
	t.bounds.check(t, at, v, report)
	switch t.kind {
	case paramObject:
		return t.completeObject(at, v, report)
	case paramMap:
		var members map[string]jsontext.Value
		if json.Unmarshal(v, &members) != nil {
			return v
		}
		changed := false
		for _, name := range slices.Sorted(maps.Keys(members)) {
			full := t.elem.complete(at+"."+name, members[name], report)
			changed = changed || !bytes.Equal(full, members[name])
			members[name] = full
		}
		return encodeChanged(members, v, changed)
	case paramList:
		var items []jsontext.Value
		if json.Unmarshal(v, &items) != nil {
			return v
		}
		changed := false
		for i, item := range items {
			items[i] = t.elem.complete(at+"."+strconv.Itoa(i), item, report)
			changed = changed || !bytes.Equal(items[i], item)
		}
		return encodeChanged(items, v, changed)
	}
	return v
}

func (t *paramType) completeObject(at string, v jsontext.Value, report func(at, message string)) jsontext.Value {
	var members map[string]jsontext.Value
	if json.Unmarshal(v, &members) != nil {
		return v
	}
	changed := false
	set := func(name string, value jsontext.Value) {
		changed = true
		members[name] = value
	}
	for _, f := range t.fields {
		got, given := members[f.name]
		in := at + "." + f.name
		if given && got.Kind() == 'n' && (!f.pointer || f.required) {
			given = false // as Go decodes it: null leaves what is there
		}
		switch {
		case given:
			if full := f.typ.complete(in, got, report); !bytes.Equal(full, got) {
				set(f.name, full)
			}
		case f.fallback != nil:
			set(f.name, f.typ.complete(in, f.fallback, report))
		case f.required:
			report(in, "is missing; give "+f.typ.want()+f.typ.bounds.words())
		case f.typ.kind == paramObject && !f.optional:
			if full := f.typ.complete(in, jsontext.Value("{}"), report); string(full) != "{}" {
				set(f.name, full)
			}
		}
	}
	return encodeChanged(members, v, changed)
}

func encodeChanged(now any, before jsontext.Value, changed bool) jsontext.Value {
	if !changed {
		return before
	}
	raw, err := jsonv2.Marshal(now, jsonv2.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return before // parts of JSON that was valid: cannot happen
	}
	return raw
}

// omitZeros leaves out of encoded params what is zero and has a default: a Go value cannot say that a field was not set.
func (t *paramType) omitZeros(v jsontext.Value) jsontext.Value {
	var members map[string]jsontext.Value
	if t.kind != paramObject || json.Unmarshal(v, &members) != nil {
		return v
	}
	changed := false
	for _, f := range t.fields {
		got, given := members[f.name]
		switch {
		case !given:
		case f.fallback != nil && (got.Kind() == 'n' || !f.pointer && f.isZero(got)):
			delete(members, f.name)
			changed = true
		default:
			if less := f.typ.omitZeros(got); !f.pointer && !bytes.Equal(less, got) {
				members[f.name] = less
				changed = true
			}
		}
	}
	return encodeChanged(members, v, changed)
}

func (f *paramField) isZero(v jsontext.Value) bool {
	if f.typ.kind == paramList || f.typ.kind == paramMap || f.typ.kind == paramObject {
		return false // empty is something else than nothing
	}
	into := reflect.New(f.typ.goType)
	return strictly(v, into.Interface()) == nil && into.Elem().IsZero()
}

// strictly decodes JSON as encoding/json does, but refuses unknown names, names of another case and names given twice.
func strictly(raw []byte, v any) error {
	return jsonv2.Unmarshal(raw, v, jsonv1.DefaultOptionsV1(), jsonv1.ReportErrorsWithLegacySemantics(false), jsonv2.MatchCaseInsensitiveNames(false), jsontext.AllowDuplicateNames(false), jsonv2.RejectUnknownMembers(true))
}

func paramsError(err error, t *paramType) error {
	field := func(p jsontext.Pointer) string {
		return strings.ReplaceAll("params"+string(p), "/", ".")
	}
	if typ, ok := errors.AsType[*jsonv2.SemanticError](err); ok {
		switch {
		case errors.Is(err, jsonv2.ErrUnknownName):
			return &InvalidError{Field: field(typ.JSONPointer), Message: "this DAG has no such param; it has " + t.names()}
		case typ.GoType != nil && typ.JSONKind != 0:
			why := ""
			if typ.Err != nil {
				why = ": " + typ.Err.Error()
			}
			return &InvalidError{Field: field(typ.JSONPointer), Message: fmt.Sprintf("is a JSON %s; it must fit %s%s", kindName(typ.JSONKind), typ.GoType, why)}
		}
		return &InvalidError{Field: field(typ.JSONPointer), Message: err.Error()}
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return &InvalidError{Field: field(syntax.JSONPointer), Message: "is given twice"}
		}
		return &InvalidError{Field: field(syntax.JSONPointer), Message: "one JSON object is expected: " + syntax.Error()}
	}
	return &InvalidError{Field: "params", Message: err.Error()}
}

// kindName is what people call a kind of JSON value.
func kindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "bool"
	}
	return k.String()
}

// names are those of the params, for people.
func (t *paramType) names() string {
	var names []string
	for _, f := range t.fields {
		names = append(names, f.name)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// paramBounds are what a value must keep to, beside its type.
type paramBounds struct {
	min, max             string // JSON numbers; "": none
	minLength, maxLength *int   // of a text in characters, of a list or a map in elements
	enum                 []jsontext.Value
	pattern              *regexp.Regexp
}

func (b *paramBounds) any() bool {
	return b.min != "" || b.max != "" || b.minLength != nil || b.maxLength != nil || b.enum != nil || b.pattern != nil
}

// words tell the bounds, after what the type wants.
func (b *paramBounds) words() string {
	var w []string
	add := func(yes bool, format string, args ...any) {
		if yes {
			w = append(w, fmt.Sprintf(format, args...))
		}
	}
	add(b.enum != nil, "one of %s", listed(b.enum))
	add(b.min != "", "at least %s", b.min)
	add(b.max != "", "at most %s", b.max)
	if b.minLength != nil {
		add(true, "of length %d or more", *b.minLength)
	}
	if b.maxLength != nil {
		add(true, "of length %d or less", *b.maxLength)
	}
	if b.pattern != nil {
		add(true, "that matches %s", b.pattern)
	}
	if len(w) == 0 {
		return ""
	}
	return ", " + strings.Join(w, ", ")
}

func (b *paramBounds) check(t *paramType, at string, v jsontext.Value, report func(at, message string)) {
	if b.min != "" && compareNumbers(t.kind, string(v), b.min) < 0 {
		report(at, fmt.Sprintf("is %s; it must be at least %s", shown(v), b.min))
	}
	if b.max != "" && compareNumbers(t.kind, string(v), b.max) > 0 {
		report(at, fmt.Sprintf("is %s; it must be at most %s", shown(v), b.max))
	}
	if n, of := t.length(v); b.minLength != nil && n < *b.minLength {
		report(at, fmt.Sprintf("has %d %s; it must have at least %d", n, of, *b.minLength))
	} else if b.maxLength != nil && n > *b.maxLength {
		report(at, fmt.Sprintf("has %d %s; it must have at most %d", n, of, *b.maxLength))
	}
	if b.enum != nil && !slices.ContainsFunc(b.enum, func(o jsontext.Value) bool { return t.equal(o, v) }) {
		report(at, fmt.Sprintf("is %s; it must be one of %s", shown(v), listed(b.enum)))
	}
	if b.pattern != nil && !b.pattern.MatchString(textOf(v)) {
		report(at, fmt.Sprintf("is %s; it must match %s", shown(v), b.pattern))
	}
}

func (t *paramType) length(v jsontext.Value) (n int, of string) {
	switch t.kind {
	case paramString:
		return utf8.RuneCountInString(textOf(v)), "characters"
	case paramList:
		n, err := listLen(v)
		if err != nil {
			n = 0
		}
		return n, "elements"
	case paramMap:
		var members map[string]jsontext.Value
		_ = json.Unmarshal(v, &members) // decoded before
		return len(members), "entries"
	}
	return 0, ""
}

// equal compares values of the type.
func (t *paramType) equal(a, b jsontext.Value) bool {
	switch t.kind {
	case paramInteger, paramNumber:
		return compareNumbers(t.kind, string(a), string(b)) == 0
	case paramString:
		return textOf(a) == textOf(b)
	}
	return bytes.Equal(a, b)
}

// textOf is the text that is encoded as a JSON string.
func textOf(v jsontext.Value) string {
	var text string
	_ = json.Unmarshal(v, &text) // a JSON string: decoded before
	return text
}

// shown is a value in a message, cut.
func shown(v jsontext.Value) string {
	const most = 80
	if r := []rune(string(v)); len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(v)
}

func listed(values []jsontext.Value) string {
	var out []string
	for _, v := range values {
		out = append(out, string(v))
	}
	return strings.Join(out, ", ")
}

// checkUnattended refuses a schedule for a DAG whose params somebody has to give.
func (g *graph) checkUnattended() {
	how := ""
	switch {
	case g.spec.Schedule != "":
		how = "a schedule"
	case g.spec.Assets != nil:
		how = "assets that start it"
	default:
		return
	}
	g.params.complete("params", jsontext.Value("{}"), func(at, message string) {
		g.fail(g.where, "%s %s, and with %s nobody gives it: give it a default, or omitempty", at, message, how)
	})
}
