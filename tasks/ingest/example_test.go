package ingest_test

import (
	"context"
	"fmt"
	"log"
	"os/signal"
	"syscall"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// An ingester runs until it is told to stop, and commits what it has read.
func ExampleNew() {
	l, err := lake.Open("/var/lib/tidemill/lake", "transactions")
	if err != nil {
		log.Fatal(err)
	}
	in, err := ingest.New(ingest.Config[payment.Row]{
		Brokers: []string{"localhost:9092"}, Topic: "transactions", Group: "tidemill-bronze",
		Lake: l, Transform: ingest.Payments,
		Progress: func(p ingest.Progress) { fmt.Println("lag", p.Lag, "rows", p.Rows, "watermark", p.Watermark) },
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := in.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
