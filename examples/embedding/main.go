// Embedding puts the engine into a service that is there already: its own http.Server, its own pgxpool, its own main. The service triggers
// runs from its handlers, and the UI hangs beside them. Run as many of these processes as you like on one database.
//
//	DATABASE_URL=postgres://localhost/shop go run ./examples/embedding
//	curl -X POST 'http://127.0.0.1:8080/orders?customer=Ada'                 # and see http://127.0.0.1:8080
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/postgres"
	"github.com/tidemill/tidemill/web"
	"golang.org/x/sync/errgroup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := net.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		log.Fatal(err)
	}
	if err := serve(ctx, os.Getenv("DATABASE_URL"), l); err != nil {
		log.Fatal(err)
	}
}

// serve is the service. It returns when ctx has ended and what ran has been drained.
func serve(ctx context.Context, url string, l net.Listener) error {
	pool, err := pgxpool.New(ctx, url) // the service's
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, invoices); err != nil {
		return err
	}
	if _, err := migrations.Up(ctx, url, migrations.Engine); err != nil { // the engine's tables, in a schema of their own
		return err
	}
	store, err := postgres.Open(ctx, url, postgres.Options{MaxConns: 4})
	if err != nil {
		return err
	}
	defer store.Close()

	catalog, err := engine.Compile(invoice(pool))
	if err != nil {
		return err // all that is wrong with the DAGs, with file and line
	}
	runtime, err := engine.NewRuntime(engine.Config{Store: store, Catalog: catalog, Name: "shop", Slots: 8})
	if err != nil {
		return err
	}
	ui, err := web.New(web.Config{Control: runtime.Control(), Store: store})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /orders", order(runtime.Control()))
	mux.Handle("/", ui)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return runtime.Run(ctx) }) // until ctx ends; then it drains
	g.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		return server.Shutdown(last)
	})
	return g.Wait()
}
