package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// OptFloat is a number in a query that may be missing.
type OptFloat struct {
	Value float64
	Set   bool
}

// Schema says that it is a number.
func (OptFloat) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[float64]())
}

// Receiver is where huma puts the value.
func (o *OptFloat) Receiver() reflect.Value { return reflect.ValueOf(o).Elem().Field(0) }

// OnParamSet is called by huma when the request was read.
func (o *OptFloat) OnParamSet(set bool, _ any) { o.Set = set }

// OptInt is a whole number in a query that may be missing.
type OptInt struct {
	Value int
	Set   bool
}

// Schema says that it is a whole number.
func (OptInt) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[int]())
}

// Receiver is where huma puts the value.
func (o *OptInt) Receiver() reflect.Value { return reflect.ValueOf(o).Elem().Field(0) }

// OnParamSet is called by huma when the request was read.
func (o *OptInt) OnParamSet(set bool, _ any) { o.Set = set }
