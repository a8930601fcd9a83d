// Branching takes one way or another by what a task has yielded. What is not taken is skipped, not failed, and First joins the ways again.
//
//	go run ./examples/branching dag test payment --params '{"amount": 50,   "method": "card"}'
//	go run ./examples/branching dag test payment --params '{"amount": 5000, "method": "transfer"}'
package main

import (
	"context"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
)

// A Payment is what is asked for, and what goes along the edges.
type Payment struct {
	Amount int    `json:"amount"`
	Method string `json:"method"`
}

// A Receipt says who took the money.
type Receipt struct {
	Amount int    `json:"amount"`
	By     string `json:"by"`
}

func main() { cli.Main(cli.DAGs(payment())) }

func payment() engine.AnyDAG {
	d := engine.New[Payment]("payment")
	asked := engine.After(d.Run(), "ask", func(_ context.Context, r engine.Run[Payment]) (Payment, error) { return r.Params, nil })

	// If has two ways out, and both hand on what came in. Nobody has to read the second.
	large, _ := engine.If(asked, "is_large", func(p Payment) bool { return p.Amount > 1000 })
	checked := engine.After(large, "check_limit", func(_ context.Context, p Payment) (string, error) { return "approved by risk", nil })

	// Switch has a way for each key, and one for all others. Without Default, a key that has no case fails the task.
	method := engine.Switch(asked, "method", func(p Payment) string { return p.Method })
	card := engine.After(method.Case("card"), "charge_card", take("the card company"))
	transfer := engine.After(method.Case("transfer"), "await_transfer", take("the bank"))
	other := engine.After(method.Default(), "ask_for_cash", take("the till"))

	// First yields what came by the way that was taken. Optional reads what may have been skipped.
	receipt := engine.First("receipt", card, transfer, other)
	engine.After2(receipt, engine.Optional(checked), "book", book)
	return d
}

func take(by string) func(context.Context, Payment) (Receipt, error) {
	return func(_ context.Context, p Payment) (Receipt, error) { return Receipt{p.Amount, by}, nil }
}

func book(ctx context.Context, r Receipt, checked engine.Opt[string]) (Receipt, error) {
	if note, ok := checked.Get(); ok {
		engine.Log(ctx).Info("a large one", "note", note)
	}
	engine.Log(ctx).Info("booked", "amount", r.Amount, "by", r.By)
	return r, nil
}
