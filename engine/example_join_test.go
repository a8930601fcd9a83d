package engine_test

import (
	"context"
	"fmt"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// A task of many inputs reads a struct of ports, each with a name and a type.
func ExampleJoin() {
	type inputs struct {
		Customer engine.Port[string]
		Cents    engine.Port[int]
		Items    engine.Port[[]string]
	}
	d := engine.New[engine.NoParams]("join")
	customer := engine.After(d.Run(), "customer", func(context.Context, engine.Run[engine.NoParams]) (string, error) { return "Ada", nil })
	cents := engine.After(d.Run(), "cents", func(context.Context, engine.Run[engine.NoParams]) (int, error) { return 1200, nil })
	items := engine.After(d.Run(), "items", func(context.Context, engine.Run[engine.NoParams]) ([]string, error) {
		return []string{"pear", "plum"}, nil
	})
	engine.Join(inputs{engine.From(customer), engine.From(cents), engine.From(items)}, "invoice", func(_ context.Context, in inputs) (string, error) {
		fmt.Println(in.Customer.Value(), in.Cents.Value(), in.Items.Value())
		return "invoice.pdf", nil
	})

	if _, err := enginetest.Once(context.Background(), d, nil); err != nil {
		fmt.Println(err)
	}
	// Output: Ada 1200 [pear plum]
}

// One instance for each pair, the second list running fastest.
func ExampleCross() {
	d := engine.New[engine.NoParams]("cross")
	shops := engine.After(d.Run(), "shops", func(context.Context, engine.Run[engine.NoParams]) ([]string, error) {
		return []string{"Basel", "Chur"}, nil
	})
	years := engine.After(d.Run(), "years", func(context.Context, engine.Run[engine.NoParams]) ([]int, error) { return []int{2023, 2024}, nil })
	pages := engine.Cross(shops, years, "page", func(_ context.Context, shop string, year int) (string, error) {
		return fmt.Sprint(shop, " ", year), nil
	}, engine.ElementName(func(shop string) string { return shop }))
	engine.Sink(pages, "bind", func(_ context.Context, all []string) error { fmt.Printf("%q\n", all); return nil })

	if _, err := enginetest.Once(context.Background(), d, nil); err != nil {
		fmt.Println(err)
	}
	// Output: ["Basel 2023" "Basel 2024" "Chur 2023" "Chur 2024"]
}
