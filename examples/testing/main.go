// Testing shows a DAG that is easy to test, and its tests in main_test.go: whole runs in memory, on a clock that skips waits, in milliseconds.
//
//	go test ./examples/testing -v
//	go run ./examples/testing dag test restock --params '{"shop": "Basel"}'
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
)

// Params say which shop is stocked up.
type Params struct {
	Shop string `json:"shop"`
}

// Validate refuses runs for no shop.
func (p Params) Validate() error {
	if p.Shop == "" {
		return fmt.Errorf("give the shop")
	}
	return nil
}

// A Stock tells what a shop has: a warehouse's client in production, a few lines in a test.
type Stock interface {
	Missing(ctx context.Context, shop string) ([]string, error)
}

func main() { cli.Main(cli.DAGs(restock(fixed{"apples", "pears"}))) }

// restock takes what it depends on as arguments, as any Go function does.
func restock(stock Stock) *engine.DAG[Params] {
	d := engine.New[Params]("restock", engine.DefaultRetry(engine.Retry{Max: 3, Initial: time.Hour}))
	missing := engine.After(d.Run(), "look", func(ctx context.Context, r engine.Run[Params]) ([]string, error) {
		return stock.Missing(ctx, r.Params.Shop)
	})
	ordered := engine.Map(missing, "order", func(_ context.Context, item string) (string, error) {
		if item == "durian" {
			return "", engine.Permanent(fmt.Errorf("we do not sell %s", item))
		}
		return "10 " + item, nil
	})
	engine.After(ordered, "summarise", summarise)
	return d
}

func summarise(_ context.Context, orders []string) (string, error) {
	return fmt.Sprintf("%d orders: %q", len(orders), orders), nil
}

type fixed []string

func (f fixed) Missing(context.Context, string) ([]string, error) { return f, nil }
