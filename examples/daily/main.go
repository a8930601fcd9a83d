// Daily is a DAG that bears to be run again, for any day, in any order: each run replaces its own day and nothing else. It starts once
// the stream has got past the end of that day, not merely when the clock has.
//
//	go run ./examples/daily dag test sales --logical-date 2024-01-05
//	go run ./examples/daily serve
//	go run ./examples/daily backfill create sales --from 2024-01-01 --to 2024-01-07 --reprocess completed --wait
package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
)

// Run is a run of a day.
type Run = engine.Run[engine.NoParams]

func main() { cli.Main(cli.DAGs(sales()), cli.Streams(orders())) }

func sales() engine.AnyDAG {
	d := engine.New[engine.NoParams]("sales",
		engine.Schedule("0 2 * * *", "Europe/Zurich"), // the run of the 5th is due on the 6th at two
		engine.Catchup(), // each day that was missed while nothing ran; older ones are for backfills
		engine.AfterWatermark("orders", 6*time.Hour), // and not before all orders of the day are in; else it fails, saying so
		engine.DefaultRetry(engine.Retry{Max: 2, Initial: 5 * time.Minute, Multiplier: 2}))
	total := engine.After(d.Run(), "sum", func(_ context.Context, r Run) (string, error) {
		if r.Day == "" {
			return "", engine.Permanent(errors.New("this run has no day: trigger it with a logical date"))
		}
		return "total of " + r.Day, nil // of the run's day, never of today's
	})
	engine.After2(d.Run(), total, "publish", publish)
	return d
}

// publish replaces the day's file as a whole: readers see the old one or the new one.
func publish(_ context.Context, r Run, total string) (string, error) {
	folder := filepath.Join(os.TempDir(), "tidemill-daily")
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return "", err
	}
	file := filepath.Join(folder, r.Day+".txt")
	if err := os.WriteFile(file+".part", []byte(total+"\n"), 0o600); err != nil {
		return "", err
	}
	return file, os.Rename(file+".part", file)
}

// Progress is what the stream tells of itself. All that is older than the watermark has been taken in.
type Progress struct {
	Watermark time.Time `json:"watermark"`
}

// orders stands in for a stream that reads a topic: supervised, one replica over all processes, drained when the process ends.
func orders() *engine.Stream {
	return engine.NewStream("orders", func(ctx context.Context, report func(Progress)) error {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			report(Progress{Watermark: time.Now()})
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
}
