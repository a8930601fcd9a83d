package settings

import (
	"encoding"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// A field is where one setting goes.
type field struct {
	name     string
	path     string // such as Sales.Warehouse.Password
	index    []int
	typ      reflect.Type
	required bool
	fallback string
	doc      string
}

var (
	secretType      = reflect.TypeFor[Secret]()
	urlType         = reflect.TypeFor[url.URL]()
	durationType    = reflect.TypeFor[time.Duration]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	namePattern     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.\-]*$`)
)

// rootOf is what messages call a struct of settings.
func rootOf(t reflect.Type) string {
	if t.Name() == "" {
		return "settings"
	}
	return t.Name()
}

// isValue tells whether a type takes one setting, rather than being a struct of them.
func isValue(t reflect.Type) bool {
	return t == urlType || t == secretType || t.Kind() != reflect.Struct || reflect.PointerTo(t).Implements(textUnmarshaler)
}

// fieldsOf lists the settings of a struct. Its errors are of the program, not of its settings: all of them at once.
func fieldsOf(t reflect.Type) ([]field, error) {
	if t.Kind() != reflect.Struct || isValue(t) {
		return nil, &Error{Field: rootOf(t), Message: "settings are a struct with a field for each"}
	}
	p := planner{names: map[string]string{}}
	p.walk(t, "", rootOf(t), nil)
	return p.fields, errors.Join(p.errs...)
}

type planner struct {
	fields []field
	names  map[string]string // where each is used
	errs   []error
}

func (p *planner) fail(path, format string, args ...any) {
	p.errs = append(p.errs, &Error{Field: path, Message: fmt.Sprintf(format, args...)})
}

func (p *planner) walk(t reflect.Type, prefix, path string, index []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		f := field{path: path + "." + sf.Name, index: append(index[:len(index):len(index)], i), typ: sf.Type, fallback: sf.Tag.Get("default"), doc: sf.Tag.Get("doc")}
		tag, tagged := sf.Tag.Lookup("setting")
		switch nested := !isValue(sf.Type); {
		case tag == "-":
		case sf.Anonymous && nested:
			p.walk(sf.Type, prefix+tag, f.path, f.index)
		case !sf.IsExported() && !tagged:
		case !sf.IsExported():
			p.fail(f.path, "it is unexported and cannot be set; export it")
		case !tagged:
			p.fail(f.path, `it has no tag; give it setting:"NAME", or setting:"-" to leave it out`)
		case nested:
			p.walk(sf.Type, prefix+tag, f.path, f.index)
		default:
			p.value(f, prefix, tag)
		}
	}
}

func (p *planner) value(f field, prefix, tag string) {
	name, options, _ := strings.Cut(tag, ",")
	f.name, f.required = prefix+name, options == "required"
	if options != "" && !f.required {
		p.fail(f.path, "its tag has the option %q; there is only \"required\"", options)
	}
	if name == "" || !namePattern.MatchString(f.name) {
		p.fail(f.path, "its name is %q; use letters, digits, \"_\", \"-\" and \".\", a letter or \"_\" first", f.name)
	}
	if other, taken := p.names[f.name]; taken {
		p.fail(f.path, "%s sets %s already", f.name, other)
	}
	p.names[f.name] = f.path
	if f.required && f.fallback != "" {
		p.fail(f.path, "it is required and has a default: leave one out")
	}
	if f.typ == secretType && f.fallback != "" {
		p.fail(f.path, "a secret has no default: everyone who reads the program would know it")
	}
	if problem := unfit(f.typ); problem != "" {
		p.fail(f.path, "%s", problem)
	} else if f.fallback != "" && f.typ != secretType {
		if problem := decode(f.fallback, reflect.New(f.typ).Elem()); problem != "" {
			p.fail(f.path, "its default %q: %s", f.fallback, problem)
		}
	}
	p.fields = append(p.fields, f)
}

// unfit says why a type cannot take a setting; "" when it can.
func unfit(t reflect.Type) string {
	switch {
	case t == secretType || t == urlType || reflect.PointerTo(t).Implements(textUnmarshaler):
		return ""
	case t == reflect.TypeFor[[]byte]():
		return "[]byte takes no setting; use a string, or a settings.Secret"
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice:
		switch e := t.Elem(); {
		case e == secretType:
			return "secrets cannot be " + t.String() + ": give each a field of its own, a settings.Secret"
		case t.Kind() == reflect.Pointer && e.Kind() == reflect.Struct && !isValue(e):
			return "a struct of settings is no pointer: use " + e.String()
		case e.Kind() != reflect.Slice && e.Kind() != reflect.Pointer:
			return unfit(e)
		}
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return ""
	}
	return t.String() + " takes no setting; use a string, bool, number, time.Duration, url.URL, settings.Secret, a type with UnmarshalText or a slice of them"
}
