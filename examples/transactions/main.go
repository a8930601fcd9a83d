// Transactions writes through the transaction that records the task's success. Effect and success are one commit: a process that dies, a
// worker that was taken for dead, a run that is cleared meanwhile, none of them leaves one without the other, and nothing is done twice.
//
//	export TIDEMILL_DATABASE_URL=postgres://localhost/shop   # the transaction is of the database that keeps run history
//	psql "$TIDEMILL_DATABASE_URL" -c 'CREATE TABLE ledger (account text, cents bigint, at timestamptz DEFAULT now())'
//	go run ./examples/transactions serve                     # and in another terminal:
//	go run ./examples/transactions dag trigger transfer --params '{"from": "Ada", "to": "Grace", "cents": 1200}' --wait
package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
)

// A Transfer is what is asked for.
type Transfer struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Cents int64  `json:"cents"`
}

// Validate is called when a run is triggered: what it refuses becomes no run.
func (t Transfer) Validate() error {
	if t.Cents <= 0 || t.From == "" || t.To == "" {
		return fmt.Errorf("give from, to, and cents above 0")
	}
	return nil
}

func main() { cli.Main(cli.DAGs(transfer())) }

func transfer() engine.AnyDAG {
	d := engine.New[Transfer]("transfer", engine.DefaultRetry(engine.Retry{Max: 3}))
	engine.After(d.Run(), "book", book)
	return d
}

func book(ctx context.Context, r engine.Run[Transfer]) (balance int64, err error) {
	tx, err := engine.Tx[pgx.Tx](ctx) // begins here; the engine commits it when this body has returned without an error
	if err != nil {
		return 0, err
	}
	t := r.Params
	_, err = tx.Exec(ctx, "INSERT INTO ledger (account, cents) VALUES ($1, $2), ($3, $4)", t.From, -t.Cents, t.To, t.Cents)
	if err != nil {
		return 0, err // rolls back
	}
	err = tx.QueryRow(ctx, "SELECT sum(cents)::bigint FROM ledger WHERE account = $1", t.From).Scan(&balance)
	return balance, err
}
