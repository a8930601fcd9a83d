package engine_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"
)

// What the types of handles refuse does not compile: an edge that does not fit, and a cycle, which no handle can express.
func TestWhatDoesNotCompile(t *testing.T) {
	fset := token.NewFileSet()
	conf := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	check := func(body string) error {
		src := `package p
import ("context"; "github.com/tidemill/tidemill/engine")
type run = engine.Run[engine.NoParams]
func number(context.Context, run) (int, error) { return 0, nil }
func list(context.Context, run) ([]int, error) { return nil, nil }
func inc(_ context.Context, n int) (int, error) { return n, nil }
func text(_ context.Context, s string) (string, error) { return s, nil }
func quiet(context.Context, int) error { return nil }
func write() {
	d := engine.New[engine.NoParams]("d")
	a, l := engine.After(d.Run(), "a", number), engine.After(d.Run(), "l", list)
	e := engine.Map(l, "e", inc)
	_, _ = a, e
	` + body + "\n}\n"
		file, err := parser.ParseFile(fset, "p.go", src, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = conf.Check("p", fset, []*ast.File{file}, nil)
		return err
	}
	if err := check(`engine.After(a, "b", inc)`); err != nil {
		t.Fatal("what fits does not compile: ", err)
	}
	for name, c := range map[string]struct{ body, want string }{
		"an edge of another type":  {`engine.After(a, "b", text)`, "does not match"},
		"SettledEach of a Node":    {`engine.SettledEach(a)`, "engine.Node[int]"},
		"a map over what is none":  {`engine.Map(a, "b", inc)`, "does not match"},
		"a body without an output": {`engine.After(a, "b", quiet)`, "does not match"},
		"a group as a value":       {`engine.After(engine.NewGroup(d.Run(), "g"), "b", inc)`, "engine.Group"},
		"a handle before its task": {`b := engine.After(a, "b", inc, engine.Waits(b)); _ = b`, "undefined: b"},
	} {
		if err := check(c.body); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant it to say %q", name, err, c.want)
		}
	}
}
