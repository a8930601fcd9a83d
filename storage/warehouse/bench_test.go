package warehouse_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/warehouse"
)

const benchRows = 50_000

// manyRows makes up rows of a day; of each hundred the last is a copy, byte for byte, of one before it.
func manyRows(day lake.Day, n int) []payment.Row {
	rows := make([]payment.Row, n)
	text := func(s string) *string { return &s }
	score, start := 0.2694, day.Start().UnixMicro()
	for i := range rows {
		at := start + int64(i)*1000
		rows[i] = payment.Row{
			TransactionID: uuid.NewString(), Status: payment.StatusSuccess, EventTime: at, InitiatedAt: at - 60_000_000, Amount: int64(i) * 37,
			Currency: "INR", CustomerID: fmt.Sprintf("c%05d", i%10_000), MerchantID: fmt.Sprintf("m%04d", i%500), PaymentMethod: "CARD",
			CustomerEmail: text(fmt.Sprintf("user%d@example.com", i)), MerchantCategory: text("travel"), DeviceType: text("web"),
			IPAddress: text("147.166.123.155"), City: text("Mumbai"), Country: text("IN"), FraudScore: &score,
			KafkaPartition: int32(i % 6), KafkaTimestamp: at, IngestionTimestamp: at, //nolint:gosec // below 6
		}
		if i%100 == 99 {
			rows[i] = rows[i-50]
			rows[i].KafkaTimestamp = at
		}
		rows[i].KafkaOffset = int64(i)
		hash := sha256.Sum256([]byte(rows[i].TransactionID))
		copy(rows[i].PayloadHash[:], hash[:])
	}
	return rows
}

// BenchmarkLoad loads a file of 50,000 rows, 1 % of which are copies.
func BenchmarkLoad(b *testing.B) {
	db, m := newDatabase(b), &memory{}
	w := db.warehouse(m)
	total := 0
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		m.put(itoa(i), dayNumber(0), manyRows(dayNumber(0), benchRows))
		db.exec(`TRUNCATE bronze.transactions`)
		b.StartTimer()
		result, err := w.Load(background, request(dayNumber(0), i+1))
		if err != nil {
			b.Fatal(err)
		}
		if result.Attempt.Loaded != benchRows/100*99 {
			b.Fatalf("%+v", result)
		}
		total += benchRows
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkCopy is the scale for BenchmarkLoad: one raw COPY of the same rows into the same table with the same keys,
// the copies left out, which COPY could not take.
func BenchmarkCopy(b *testing.B) {
	db, m := newDatabase(b), &memory{}
	m.put("first", dayNumber(0), manyRows(dayNumber(0), 1))
	load(b, db.warehouse(m), dayNumber(0)) // makes the month's table
	total := 0
	for b.Loop() {
		b.StopTimer()
		rows := manyRows(dayNumber(0), benchRows)
		rows = slices.DeleteFunc(rows, func(r payment.Row) bool { return r.KafkaOffset%100 == 99 })
		db.exec(`TRUNCATE bronze.transactions`)
		wire := warehouse.EncodeForCopy(rows)
		b.StartTimer()
		conn, err := db.pool.Acquire(background)
		if err != nil {
			b.Fatal(err)
		}
		tag, err := conn.Conn().PgConn().CopyFrom(background, wire, warehouse.CopyBronze)
		conn.Release()
		if err != nil || tag.RowsAffected() != benchRows/100*99 {
			b.Fatal(tag, err)
		}
		total += int(tag.RowsAffected())
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "rows/s")
}
