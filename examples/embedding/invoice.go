package main

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/tidemill/tidemill/engine"
)

// invoices is a table of the service.
const invoices = "CREATE TABLE IF NOT EXISTS invoices (number serial, key text PRIMARY KEY, customer text NOT NULL)"

// An Order is what the DAG is triggered with.
type Order struct {
	Customer string `json:"customer"`
}

// order is a handler of the service. The run is in the database before it answers: from then on nothing is lost.
func order(control *engine.Control) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		params, err := json.Marshal(Order{r.URL.Query().Get("customer")})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		run, err := control.Trigger(r.Context(), engine.TriggerRequest{DAG: "invoice", Params: params, By: "shop"})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte(run.RunID + "\n")) // a client that has gone needs no answer
	}
}

// invoice works with the service's own pool, as the rest of the service does.
func invoice(pool *pgxpool.Pool) engine.AnyDAG {
	d := engine.New[Order]("invoice", engine.DefaultRetry(engine.Retry{Max: 5, Initial: time.Second, Multiplier: 2}))
	number := engine.After(d.Run(), "number", func(ctx context.Context, r engine.Run[Order]) (n int, err error) {
		// A body may run twice (its worker dies after the INSERT, say). Its key is the same then, so the number is as well.
		info, _ := engine.Info(ctx)
		err = pool.QueryRow(ctx, `INSERT INTO invoices (key, customer) VALUES ($1, $2)
			ON CONFLICT (key) DO UPDATE SET customer = excluded.customer RETURNING number`, info.Key(), r.Params.Customer).Scan(&n)
		return n, err
	})
	engine.Sink(number, "send", func(ctx context.Context, n int) error {
		engine.Log(ctx).Info("sent", "invoice", n)
		return nil
	})
	return d
}
