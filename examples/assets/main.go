// Assets schedules a DAG by what others have updated: report runs once both tables are new, whichever DAG or person updated them, and
// knows what has triggered it.
//
//	go run ./examples/assets dag test load_orders
//	go run ./examples/assets serve                       # and in another terminal:
//	go run ./examples/assets dag trigger load_orders     # orders are new, rates are not: nothing yet
//	go run ./examples/assets asset update shop.rates     # now both are: report runs
package main

import (
	"context"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
)

// Assets have any name that people know: a table, a URI, a report.
const (
	orders = engine.Asset("shop.orders")
	rates  = engine.Asset("shop.rates")
)

// Run is a run of a DAG without params.
type Run = engine.Run[engine.NoParams]

// Loaded goes with the update, for those who are triggered by it.
type Loaded struct {
	Rows int `json:"rows"`
}

func main() { cli.Main(cli.DAGs(loadOrders(), report())) }

func loadOrders() engine.AnyDAG {
	d := engine.New[engine.NoParams]("load_orders", engine.Schedule("@hourly", "UTC"))
	engine.Sink(d.Run(), "load", func(ctx context.Context, _ Run) error {
		return engine.Attach(ctx, orders, Loaded{Rows: 42})
	}, engine.Updates(orders)) // each success is an update
	return d
}

func report() engine.AnyDAG {
	// Any stands beside All, they nest, and a Schedule may come on top.
	d := engine.New[engine.NoParams]("report", engine.OnAssets(engine.All(orders, rates)))
	engine.After(d.Run(), "write", func(ctx context.Context, _ Run) (int, error) {
		events, err := engine.TriggeringEvents(ctx)
		for _, e := range events {
			engine.Log(ctx).Info("is new", "asset", e.Asset, "by", e.DAG, "with", string(e.Extra))
		}
		return len(events), err
	})
	return d
}
