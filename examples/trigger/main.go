// Trigger starts runs of another DAG, with params of its type, and waits for their ends without holding a slot.
//
//	go run ./examples/trigger dag test month --params '{"month": "2024-01"}'
package main

import (
	"context"
	"fmt"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
)

// Month is what the outer DAG takes.
type Month struct {
	Month string `json:"month"`
}

// Statement is what the inner one takes. A field more or less, and this program would not compile.
type Statement struct {
	Customer string `json:"customer"`
	Month    string `json:"month"`
}

func main() {
	inner := statement()
	cli.Main(cli.DAGs(inner, month(inner)))
}

func month(target *engine.DAG[Statement]) engine.AnyDAG {
	d := engine.New[Month]("month")
	closed := engine.After(d.Run(), "close_books", func(_ context.Context, r engine.Run[Month]) (string, error) { return r.Params.Month, nil })

	// For each of two customers: a run of the other DAG. A retry finds the run that the try before has made.
	for _, customer := range []string{"Ada", "Grace"} {
		run := engine.TriggerDAG(closed, "statement_"+customer, target,
			func(month string) Statement { return Statement{Customer: customer, Month: month} },
			engine.AwaitRun(0)) // fails when that run does; without AwaitRun it goes on at once
		engine.Sink(run, "file_"+customer, func(ctx context.Context, r engine.Run[Statement]) error {
			engine.Log(ctx).Info("filed", "statement of", r.Params.Customer, "run", r.ID)
			return nil
		})
	}
	return d
}

func statement() *engine.DAG[Statement] {
	d := engine.New[Statement]("statement")
	engine.After(d.Run(), "print", func(_ context.Context, r engine.Run[Statement]) (string, error) {
		return fmt.Sprintf("%s-%s.pdf", r.Params.Customer, r.Params.Month), nil
	})
	return d
}
