// Clicks carries a Kafka topic of one's own into a Parquet lake, each offset once, and counts each day of it when the day is whole. The rows are
// a struct, the contract is one function; what breaks it becomes a dead letter with its reason.
//
//	CLICKS_BROKERS=localhost:9092 CLICKS_LAKE=/tmp/clicks go run ./examples/clicks serve
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/tidemill/tidemill/cli"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// Click is a row: its tags are the files' schema. The three columns of Kafka say where it lay, and are what audits go by.
type Click struct {
	User      string  `parquet:"user"`
	Page      string  `parquet:"page,dict"`
	Referrer  *string `parquet:"referrer,optional,dict"` // since version 2: files from before have nulls
	At        int64   `parquet:"at,timestamp(microsecond:utc)"`
	Partition int32   `parquet:"kafka_partition"`
	Offset    int64   `parquet:"kafka_offset,delta"`
	Timestamp int64   `parquet:"kafka_timestamp,timestamp(microsecond:utc)"`
}

// contract is the version of Click. Files tell it; a program whose rows do not go with them is refused at its start.
const contract = 2

// decode is the contract of a record: one verdict for each, so that none is lost.
func decode(rec *lake.Record, into *Click) lake.Verdict {
	var v struct {
		User, Page string
		Referrer   *string
		At         time.Time
	}
	if err := json.Unmarshal(rec.Value, &v); err != nil {
		return lake.Verdict{Broken: true, Field: "value", Reason: err.Error()}
	}
	if v.User == "" || v.At.IsZero() {
		return lake.Verdict{Broken: true, Field: "user or at", Reason: "is missing"}
	}
	*into = Click{v.User, v.Page, v.Referrer, v.At.UnixMicro(), rec.Partition, rec.Offset, rec.Timestamp.UnixMicro()}
	return lake.Verdict{EventTime: v.At}
}

func main() {
	l, err := lake.Open(cmp.Or(os.Getenv("CLICKS_LAKE"), "clicks"), "clicks")
	if err != nil {
		log.Fatal(err)
	}
	broker := cmp.Or(os.Getenv("CLICKS_BROKERS"), "localhost:9092")
	cli.Main(cli.Streams(stream(l, broker)), cli.DAGs(pages(l)))
}

// stream runs as long as the process does; it is restarted when it fails, and paused and resumed by hand.
func stream(l *lake.Lake, broker string) *engine.Stream {
	return engine.NewStream("clicks", func(ctx context.Context, report func(ingest.Progress)) error {
		in, err := ingest.New(ingest.Config[Click]{Brokers: []string{broker}, Topic: "clicks", Group: "clicks", WaitForTopic: true,
			Lake: l, Transform: decode, Contract: contract, FlushAge: time.Second, Progress: report})
		if err != nil {
			return err
		}
		return in.Run(ctx)
	})
}

// pages counts the clicks of a day by page, once the stream has passed the day's end.
func pages(l *lake.Lake) engine.AnyDAG {
	d := engine.New[engine.NoParams]("pages", engine.Schedule("@daily", "UTC"), engine.AfterWatermark("clicks", 6*time.Hour))
	engine.After(d.Run(), "count", func(ctx context.Context, r engine.Run[engine.NoParams]) (map[string]int, error) {
		state, err := l.State(ctx)
		if err != nil {
			return nil, err
		}
		files, err := state.FilesOf(lake.DayOf(r.Logical))
		counts := map[string]int{}
		for _, f := range files {
			err = lake.Rows(ctx, l, f, func(rows []struct { // only the columns that are asked for are read
				Page string `parquet:"page"`
			}) error {
				for _, c := range rows {
					counts[c.Page]++
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
		return counts, err
	})
	return d
}
