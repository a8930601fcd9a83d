// Tasktype makes a task type of our own: a generic function that takes a handle and returns one. There is no operator class to derive from
// and nothing to register; what fits is for the compiler to say.
//
//	go run ./examples/tasktype dag test import
package main

import (
	"context"
	"fmt"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
)

// A Check is something that each row of a table must hold.
type Check[T any] struct {
	Name string
	OK   func(T) bool
}

// Checked is the task type: it lets rows through that hold all checks, and fails for good, without retries, naming those that do not.
// It goes after any task that yields a slice.
func Checked[T any](rows engine.In[[]T], id string, checks ...Check[T]) engine.Node[[]T] {
	return engine.After(rows, id, func(ctx context.Context, rows []T) ([]T, error) {
		for _, check := range checks {
			for i, row := range rows {
				if !check.OK(row) {
					return nil, engine.Permanent(fmt.Errorf("row %d is not %s: %+v", i, check.Name, row))
				}
			}
			engine.Log(ctx).Info("checked", "that it is", check.Name, "rows", len(rows))
		}
		return rows, nil
	}, engine.Doc(fmt.Sprintf("Fails unless every row holds %d checks.", len(checks))))
}

// A Sale is a row.
type Sale struct {
	Shop  string `json:"shop"`
	Cents int    `json:"cents"`
}

func main() { cli.Main(cli.DAGs(imports())) }

func imports() engine.AnyDAG {
	d := engine.New[engine.NoParams]("import", engine.DefaultRetry(engine.Retry{Max: 3}))
	sales := engine.After(d.Run(), "read", func(context.Context, engine.Run[engine.NoParams]) ([]Sale, error) {
		return []Sale{{"Basel", 1200}, {"Chur", 800}}, nil
	})
	good := Checked(sales, "check", // T is inferred: Sale
		Check[Sale]{"of a shop", func(s Sale) bool { return s.Shop != "" }},
		Check[Sale]{"above zero", func(s Sale) bool { return s.Cents > 0 }},
	)
	engine.Sink(good, "load", func(ctx context.Context, sales []Sale) error {
		engine.Log(ctx).Info("loaded", "rows", len(sales))
		return nil
	})
	return d
}
