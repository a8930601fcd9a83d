package lake_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
)

// sale is a row of the example's lake.
type sale struct {
	Item           string `parquet:"item,dict"`
	KafkaPartition int32  `parquet:"kafka_partition"`
	KafkaOffset    int64  `parquet:"kafka_offset"`
	KafkaTimestamp int64  `parquet:"kafka_timestamp,timestamp(microsecond:utc)"`
}

func Example() {
	ctx := context.Background()
	root, err := os.MkdirTemp("", "lake")
	check(err)
	defer func() { check(os.RemoveAll(root)) }()

	l, err := lake.Open(root, "sales")
	check(err)
	w := lake.NewWriter[sale](l)
	state, err := l.State(ctx)
	check(err)

	// A chunk of one partition, from where the log is; an empty value breaks the contract.
	const topicID = "p0De7JYCcLWu_eYemLaYjg"
	var c lake.Chunk[sale]
	c.Reset("sales", topicID, 0, state.Next(topicID, 0))
	for i, value := range []string{"tea", "salt", ""} {
		rec := lake.Record{Value: []byte(value), Offset: int64(i), Timestamp: time.Date(2024, 1, 5, 12, i, 0, 0, time.UTC)}
		_, err := c.Take(&rec, func(rec *lake.Record, into *sale) lake.Verdict {
			if len(rec.Value) == 0 {
				return lake.Verdict{Broken: true, Field: "item", Reason: "is empty"}
			}
			*into = sale{string(rec.Value), rec.Partition, rec.Offset, rec.Timestamp.UnixMicro()}
			return lake.Verdict{}
		})
		check(err)
	}

	b := w.Begin(topicID, state)
	check(b.Add(&c))
	sealed, err := b.Seal(lake.Topic{})
	check(err)
	_, err = w.Commit(ctx, sealed)
	check(err)

	files, err := l.Files(ctx, "2024-01-05")
	check(err)
	for _, f := range files {
		check(lake.Rows(ctx, l, f, func(rows []struct {
			Item string `parquet:"item"`
		}) error {
			fmt.Println(f.Day, rows)
			return nil
		}))
	}
	report, err := l.Audit(ctx)
	check(err)
	fmt.Println("dead letters:", report.DeadLetters, "sound:", report.Clean())
	// Output:
	// 2024-01-05 [{tea} {salt}]
	// dead letters: 1 sound: true
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
