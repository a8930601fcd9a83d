// Dbt runs a dbt project of your own (the folder shop) as a DAG: one dbt for seeds, models and tests, each of them a task instance with its own
// log, times, rows and compiled SQL; a retry runs only what failed. The Lineage of the DAG goes from the seeds to who reads the result.
//
//	go run ./examples/dbt serve                       # with a PostgreSQL and a dbt of its own, installed at the first start; and in another terminal:
//	go run ./examples/dbt dag trigger shop --wait
//	go run ./examples/dbt task show shop RUN dbt_run_revenue    # see http://127.0.0.1:8080 as well, and /dbt/ after `dag trigger shop_docs`
//
// For a database of yours set TIDEMILL_WAREHOUSE_URL; for a dbt of yours DBT_PYTHON, the interpreter of the environment that it is installed in.
package main

import (
	"context"
	"os"
	"time"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/tasks/dbt"
)

func main() {
	project := dbt.Project{Dir: "examples/dbt/shop", Python: os.Getenv("DBT_PYTHON")} // Target, Select … : see dbt.Project
	if dir := os.Getenv("SHOP_DIR"); dir != "" {
		project.Dir = dir
	}
	cli.Main(cli.DBT(project, func(r *dbt.Runner) []engine.AnyDAG { return []engine.AnyDAG{shop(r), docs(r)} }))
}

// Params are what a run of the shop is given.
type Params struct {
	Currency string `json:"currency" default:"EUR" enum:"EUR,CHF" doc:"of the revenue"`
}

// Variables are environment variables that models read: {{ env_var('SHOP_CURRENCY') }}.
type Variables map[string]string

// DBTVariables hands them to dbt.
func (v Variables) DBTVariables() map[string]string { return v }

func shop(r *dbt.Runner) engine.AnyDAG {
	d := engine.New[Params]("shop", engine.Doc("The revenue of the shop, built and tested by dbt."),
		engine.DefaultRetry(engine.Retry{Max: 2, Initial: time.Minute, Multiplier: 2}))
	vars := engine.After(d.Run(), "variables", func(_ context.Context, run engine.Run[Params]) (Variables, error) {
		return Variables{"SHOP_CURRENCY": run.Params.Currency}, nil
	})
	built := dbt.Build(vars, r)
	engine.Sink(built, "tell", func(ctx context.Context, b dbt.Built) error {
		engine.Log(ctx).Info("built", "models", b.Models, "days", b.Rows["revenue"])
		return nil
	})
	return d
}

func docs(r *dbt.Runner) engine.AnyDAG {
	d := engine.New[engine.NoParams]("shop_docs", engine.Doc("The project's documentation, at /dbt/."))
	dbt.Docs(d.Run(), r)
	return d
}
