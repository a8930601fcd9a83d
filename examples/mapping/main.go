// Mapping makes as many task instances as a list turns out to have elements. The types go along: a list of orders becomes instances
// that each read one order, and whoever reads them all again reads a slice.
//
//	go run ./examples/mapping dag test invoices
package main

import (
	"context"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
)

// An Order is one of the day.
type Order struct {
	Customer string `json:"customer"`
	Cents    int    `json:"cents"`
}

// Rates are what one CHF is worth.
type Rates map[string]float64

func main() { cli.Main(cli.DAGs(invoices())) }

func invoices() engine.AnyDAG {
	d := engine.New[engine.NoParams]("invoices")
	orders := engine.After(d.Run(), "orders", func(context.Context, engine.Run[engine.NoParams]) ([]Order, error) {
		return []Order{{"Ada", 1200}, {"Grace", 800}, {"Edsger", 4200}}, nil
	})
	rates := engine.After(d.Run(), "rates", func(context.Context, engine.Run[engine.NoParams]) (Rates, error) {
		return Rates{"EUR": 1.05, "USD": 1.12}, nil
	})

	// One instance for each order, called by its customer on screen. Each can be retried or cleared alone.
	named := engine.ElementName(func(o Order) string { return o.Customer })
	taxed := engine.Map(orders, "tax", func(_ context.Context, o Order) (Order, error) {
		o.Cents += o.Cents * 8 / 100
		return o, nil
	}, named)

	// Element by element: Ada's euros wait for Ada's tax only. Every element reads the same rates.
	euros := engine.MapWith(taxed, rates, "euros", func(_ context.Context, o Order, r Rates) (float64, error) {
		return float64(o.Cents) * r["EUR"] / 100, nil
	}, named)

	// Everyone else reads a slice, in the order of the list.
	engine.Sink(euros, "total", func(ctx context.Context, all []float64) error {
		sum := 0.0
		for _, amount := range all {
			sum += amount
		}
		engine.Log(ctx).Info("the day in EUR", "orders", len(all), "sum", sum)
		return nil
	})

	// Each order with each language: six letters.
	languages := engine.After(d.Run(), "languages", func(context.Context, engine.Run[engine.NoParams]) ([]string, error) {
		return []string{"de", "fr"}, nil
	})
	engine.Cross(orders, languages, "letter", func(_ context.Context, o Order, language string) (string, error) {
		return "letter-" + o.Customer + "-" + language + ".pdf", nil
	}, named)
	return d
}
