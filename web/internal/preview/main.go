// Command preview serves the pages over made-up history, for whoever works on them:
//
//	go run ./web/internal/preview [-listen 127.0.0.1:8090] [-data usual|features|hard|crowd|none] [-docs index.html]
package main

import (
	"context"
	"flag"
	"log/slog"
	"os"
	"os/signal"

	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/web"
	"github.com/tidemill/tidemill/web/internal/showcase"
	"github.com/tidemill/tidemill/web/ui"
)

func main() {
	addr := flag.String("listen", "127.0.0.1:8090", "where to listen")
	data := flag.String("data", "usual", "what to show: usual, features, hard (much, long, failed), crowd (500 DAGs) or none")
	docs := flag.String("docs", "", "file to serve at /dbt/")
	flag.Parse()
	if err := serve(*addr, *data, *docs); err != nil {
		slog.Error("preview", "error", err)
		os.Exit(1)
	}
}

func serve(addr, data, docs string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	clock := showcase.NewClock()
	store := enginetest.NewStore(clock)
	fill := showcase.Fill
	switch data {
	case "hard":
		fill = showcase.FillHard
	case "features":
		fill = showcase.FillFeatures
	case "crowd":
		fill = showcase.FillCrowd
	case "none":
		fill = showcase.FillNone
	}
	control, err := fill(ctx, store, clock.Set)
	if err != nil {
		return err
	}
	h, err := web.New(web.Config{Control: control, Store: store, Version: "0.1.0", Clock: clock, Docs: &ui.ProjectDocs{Path: docs, DAG: "daily_transactions"}})
	if err != nil {
		return err
	}
	l, err := web.Listen(addr)
	if err != nil {
		return err
	}
	slog.Info("open http://" + l.Addr().String())
	return web.Serve(ctx, l, h, slog.Default())
}
