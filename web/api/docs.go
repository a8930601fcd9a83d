package api

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs.html
var docsHTML string

var docsPage = template.Must(template.New("docs").Parse(docsHTML))

// docs is the API's documentation as one page, made from its OpenAPI document, with nothing from elsewhere.
func docs(o *huma.OpenAPI) http.HandlerFunc {
	page := sync.OnceValues(func() ([]byte, error) {
		var b bytes.Buffer
		err := docsPage.Execute(&b, docsOf(o))
		return b.Bytes(), err
	})
	return func(w http.ResponseWriter, _ *http.Request) {
		b, err := page()
		if err != nil {
			WriteError(w, fail(http.StatusInternalServerError, "the page could not be made: %v", err))
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(b) // a client that is gone needs no answer
	}
}

type docsData struct {
	Title, Version, About string
	Groups                []docsGroup
	Schemas               []docsSchema
}

type docsGroup struct {
	Name  string
	Calls []docsCall
}

type docsCall struct {
	Method, Path, ID, Summary string
	Params                    []docsField
	Body, Answer              string
}

type docsSchema struct {
	Name   string
	Fields []docsField
}

type docsField struct {
	Name, Type, About string
	Required          bool
}

func docsOf(o *huma.OpenAPI) docsData {
	d := docsData{Title: o.Info.Title, Version: o.Info.Version, About: o.Info.Description}
	groups := map[string]int{}
	paths := make([]string, 0, len(o.Paths))
	for p := range o.Paths {
		paths = append(paths, p)
	}
	sort.Strings(paths)
	for _, path := range paths {
		item := o.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil || len(op.Tags) == 0 {
				continue
			}
			i, ok := groups[op.Tags[0]]
			if !ok {
				i = len(d.Groups)
				groups[op.Tags[0]] = i
				d.Groups = append(d.Groups, docsGroup{Name: op.Tags[0]})
			}
			d.Groups[i].Calls = append(d.Groups[i].Calls, docsCallOf(op))
		}
	}
	schemas := o.Components.Schemas.Map()
	for _, name := range slices.Sorted(keys(schemas)) {
		d.Schemas = append(d.Schemas, docsSchema{name, docsFields(schemas[name])})
	}
	return d
}

func keys(m map[string]*huma.Schema) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func docsCallOf(op *huma.Operation) docsCall {
	c := docsCall{Method: op.Method, Path: op.Path, ID: op.OperationID, Summary: op.Summary}
	for _, p := range op.Parameters {
		if p.In != "path" {
			c.Params = append(c.Params, docsField{p.Name, typeName(p.Schema), p.Description, p.Required})
		}
	}
	if op.RequestBody != nil {
		for _, m := range op.RequestBody.Content {
			c.Body = typeName(m.Schema)
		}
	}
	for _, status := range []string{"200", "201"} {
		if r := op.Responses[status]; r != nil && c.Answer == "" {
			for kind, m := range r.Content {
				if c.Answer = typeName(m.Schema); c.Answer == "string" {
					c.Answer = kind
				}
			}
		}
	}
	return c
}

func docsFields(s *huma.Schema) []docsField {
	names := make([]string, 0, len(s.Properties))
	for n := range s.Properties {
		names = append(names, n)
	}
	sort.Strings(names)
	fields := make([]docsField, 0, len(names))
	for _, n := range names {
		p := s.Properties[n]
		fields = append(fields, docsField{n, typeName(p), p.Description, slices.Contains(s.Required, n)})
	}
	return fields
}

func typeName(s *huma.Schema) string {
	switch {
	case s == nil:
		return "any"
	case s.Ref != "":
		return s.Ref[strings.LastIndex(s.Ref, "/")+1:]
	case s.Type == huma.TypeArray:
		return "[" + typeName(s.Items) + "]"
	case len(s.Enum) > 0:
		return strings.Trim(strings.ReplaceAll(fmt.Sprint(s.Enum), " ", " | "), "[]")
	case s.Format != "" && s.Type == huma.TypeString:
		return s.Format
	case s.Type == "":
		return "any"
	}
	return s.Type
}
