package dbt_test

import (
	"context"
	"fmt"
	"log"

	"github.com/jackc/pgx/v5"
	"github.com/tidemill/tidemill/tasks/dbt"
)

// A project is built for one day; what failed is tried once more, by itself.
func ExampleRunner_Run() {
	ctx := context.Background()
	runner, err := dbt.NewRunner(dbt.Project{
		Dir: "shop", Python: "/srv/dbt/bin/python", Env: []string{"PGPASSWORD=…"},
	}, dbt.Options{
		Guard: dbt.Postgres{Connect: func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, "postgres://db/shop") }},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer runner.Close() //nolint:errcheck // at the end of the program

	day := map[string]string{"TIDEMILL_DBT_DAY": "2024-01-05"}
	result, err := runner.Run(ctx, dbt.Invocation{
		Command: dbt.CommandRun, Env: day,
		Observe: func(n dbt.NodeEvent) { fmt.Println(n.TaskID, n.State, n.Message) },
	})
	if failed := dbt.RetryNodes(result.Nodes); err != nil && len(failed) > 0 {
		_, err = runner.Run(ctx, dbt.Invocation{Command: dbt.CommandRun, Nodes: failed, Env: day})
	}
	if err != nil {
		log.Print(err)
	}
}
