package warehouse_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/warehouse"
)

// TestACompactedDayIsNotLoadedAgain: files that were loaded and then merged bring nothing; one that was merged before it
// was loaded brings its rows; the day's counts are those of the rows.
func TestACompactedDayIsNotLoadedAgain(t *testing.T) {
	const topicID, day = "p0De7JYCcLWu_eYemLaYjg", lake.Day("2024-01-05")
	db := newDatabase(t)
	l, err := lake.Open(t.TempDir(), "transactions")
	if err != nil {
		t.Fatal(err)
	}
	w, files := db.warehouse(warehouse.FromLake(l), warehouse.WithBatch(7)), lake.NewWriter[payment.Row](l)
	commit := func(n int64) {
		t.Helper()
		state, err := l.State(background)
		if err != nil {
			t.Fatal(err)
		}
		var c lake.Chunk[payment.Row]
		c.Reset("transactions", topicID, 0, state.Next(topicID, 0))
		for range n {
			rec := lake.Record{Offset: c.End(), Timestamp: time.Date(2024, 1, 5, 12, 0, 0, 0, time.UTC), Value: []byte("x")}
			if _, err := c.Take(&rec, func(rec *lake.Record, into *payment.Row) lake.Verdict {
				at := rec.Timestamp.UnixMicro()
				*into = payment.Row{TransactionID: fmt.Sprintf("00000000-0000-4000-8000-%012d", rec.Offset), Status: "PENDING", EventTime: at, InitiatedAt: at,
					Amount: rec.Offset, Currency: "INR", CustomerID: "c", MerchantID: "m", PaymentMethod: "UPI", KafkaOffset: rec.Offset, KafkaTimestamp: at}
				return lake.Verdict{}
			}); err != nil {
				t.Fatal(err)
			}
		}
		b := files.Begin(topicID, state)
		if err := b.Add(&c); err != nil {
			t.Fatal(err)
		}
		sealed, err := b.Seal(lake.Topic{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := files.Commit(background, sealed); err != nil {
			t.Fatal(err)
		}
	}
	compact := func() {
		t.Helper()
		if done, err := files.Compact(background, day, lake.DefaultTarget); err != nil || done.Entry == 0 {
			t.Fatalf("compacted: %+v, %v", done, err)
		}
	}
	attempt := 0
	expect := func(read int64) {
		t.Helper()
		attempt++
		r := request(day, 1)
		r.RunID = fmt.Sprint("run ", attempt)
		got, err := w.Load(background, r)
		if err != nil {
			t.Fatal(err)
		}
		if got.Attempt.Read != read || got.Attempt.Loaded != read || got.Day.Duplicates != 0 || got.Day.Rows != got.Day.LakeRows {
			t.Errorf("load %d: %+v, want %d rows, all of them new", attempt, got, read)
		}
	}
	commit(20)
	commit(30)
	expect(50)
	compact()
	expect(0)
	commit(10)
	commit(5)
	compact()
	expect(15)
	expect(0)
	if n := db.count(`SELECT count(*) FROM bronze.transactions WHERE amount = kafka_offset::numeric / 100`); n != 65 {
		t.Errorf("bronze has %d rows as they were sent, want 65", n)
	}
}
