package sqltask_test

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/tasks/sqltask"
)

// A day is loaded, again if need be, and summed up into a typed slice.
func Example() {
	tb := &exampleTB{}
	defer tb.end()
	db := pool(tb) // in a program: pgxpool.New(ctx, url)
	must(tb, db, "CREATE TABLE sales (day date, region text, amount int)")

	type Params struct {
		Day string `json:"day"`
	}
	type Total struct {
		Region string
		Amount int64
	}
	d := engine.New[Params]("sales")
	load := engine.After(d.Run(), "load", sqltask.Exec(db, func(r engine.Run[Params]) []sqltask.Statement {
		day := pgx.StrictNamedArgs{"day": r.Params.Day}
		return []sqltask.Statement{
			{SQL: "DELETE FROM sales WHERE day = @day::date", Args: []any{day}},
			{SQL: "INSERT INTO sales VALUES (@day::date, 'EU', 3), (@day::date, 'EU', 4), (@day::date, 'US', 5)", Args: []any{day}},
		}
	}))
	engine.After(d.Run(), "totals", sqltask.Rows[Total](db, func(r engine.Run[Params]) sqltask.Statement {
		return sqltask.Statement{SQL: "SELECT region, sum(amount) AS amount FROM sales WHERE day = $1::date GROUP BY 1 ORDER BY 1", Args: []any{r.Params.Day}}
	}), engine.Waits(load))

	o, err := enginetest.Once(context.Background(), d, Params{Day: "2024-01-05"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var totals []Total
	if err := o.Output("totals", &totals); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(o.Run.State, totals)
	// Output: success [{EU 7} {US 5}]
}
