package settings

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// An Error says what is wrong with one setting and how to mend it. It never holds a value.
type Error struct {
	Name    string // of the setting; "" when the struct itself is wrong
	Field   string // where it goes, such as Warehouse.Password
	Message string
	Err     error // of the provider, or nil
}

// Error implements error.
func (e *Error) Error() string {
	if e.Name == "" {
		return "settings: " + e.Field + ": " + e.Message
	}
	return "setting " + e.Name + " (" + e.Field + "): " + e.Message
}

// Unwrap returns what the provider said.
func (e *Error) Unwrap() error { return e.Err }

// Load decodes settings into a struct T, by its fields' tags:
//
//   - setting:"NAME" names the setting; setting:"NAME,required" says that there must be one; setting:"-" leaves the field as it is
//   - default:"30s" is the value when there is none
//   - doc:"…" says what it is for, in messages
//
// A field is a string, bool, number, [time.Duration], [url.URL] without a password, [Secret], what has UnmarshalText, a slice of those
// (but of secrets) with commas between its items, or a pointer to one of them, nil when it is not set. In a field that is a struct of
// settings, the tag is what its settings' names begin with; an embedded struct needs none. Every exported field has a tag.
//
// A setting that is empty counts as not given. What has a method Validate() error is asked for it, innermost first. The error holds an [Error]
// for each thing that is wrong, all at once, and no values; the struct is the zero T then. Every secret is known to the source from then on.
func Load[T any](ctx context.Context, s *Source) (T, error) {
	var v, none T
	t := reflect.TypeFor[T]()
	fields, err := fieldsOf(t)
	if err != nil {
		return none, err
	}
	root := reflect.ValueOf(&v).Elem()
	var errs []error
	for _, f := range fields {
		if err := s.set(ctx, f, root.FieldByIndex(f.index)); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) == 0 {
		errs = validate(root, rootOf(t))
	}
	if len(errs) > 0 {
		return none, s.masked(errs)
	}
	return v, nil
}

// masked joins errors, without the secrets that others have put into them.
func (s *Source) masked(errs []error) error {
	for _, err := range errs {
		if e, ok := errors.AsType[*Error](err); ok {
			e.Message = s.secrets.Mask(e.Message)
			if e.Err != nil && s.secrets.Mask(e.Err.Error()) != e.Err.Error() {
				e.Err = nil // it is told, masked, but not handed on
			}
		}
	}
	return errors.Join(errs...)
}

// set gives a field its value.
func (s *Source) set(ctx context.Context, f field, to reflect.Value) error {
	fail := func(err error, format string, args ...any) error {
		return &Error{Name: f.name, Field: f.path, Message: fmt.Sprintf(format, args...) + f.about(), Err: err}
	}
	text, found, err := s.provider.Lookup(ctx, f.name)
	switch {
	case err != nil:
		return fail(err, "it could not be looked up: %v", err)
	case found && text != "":
	case f.required:
		return fail(nil, "it is required and not set; set %s", placeOf(s.provider, f.name))
	case f.fallback == "":
		return nil
	default:
		text = f.fallback
	}
	if f.typ == secretType {
		kept, err := s.secrets.Keep(f.name, text)
		if err != nil {
			return fail(nil, "%v", err)
		}
		to.Set(reflect.ValueOf(kept))
		return nil
	}
	if problem := decode(text, to); problem != "" {
		return fail(nil, "%s; mend %s", problem, placeOf(s.provider, f.name))
	}
	return nil
}

// about is what a setting is for, in brackets.
func (f field) about() string {
	if f.doc == "" {
		return ""
	}
	return " (" + f.doc + ")"
}

// validate asks a struct and those in it what they think of themselves.
func validate(v reflect.Value, path string) []error {
	if v.Kind() != reflect.Struct || isValue(v.Type()) {
		return nil
	}
	var errs []error
	for i := range v.NumField() {
		if f := v.Type().Field(i); (f.IsExported() || f.Anonymous) && f.Tag.Get("setting") != "-" {
			errs = append(errs, validate(v.Field(i), path+"."+f.Name)...)
		}
	}
	if len(errs) > 0 {
		return errs
	}
	if !v.Addr().CanInterface() {
		return nil // embedded and unexported: its methods are those of the struct around it
	}
	if c, ok := v.Addr().Interface().(interface{ Validate() error }); ok {
		if err := c.Validate(); err != nil {
			return []error{&Error{Field: path, Message: err.Error(), Err: err}}
		}
	}
	return nil
}
