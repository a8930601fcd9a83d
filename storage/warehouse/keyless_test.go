package warehouse_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/payment/goldref"
)

// loadWithoutKey puts every row into a bronze that has no key, under one load.
func (p *pipeline) loadWithoutKey(t *testing.T, rows []payment.Row) {
	t.Helper()
	id := p.count(`
		WITH a AS (
			INSERT INTO metadata.load_audit (dag_id, run_id, task_id, try_number, day, status) VALUES ('d', 'r', 't', 1, '2024-01-01', 'RUNNING') RETURNING id
		), f AS (
			INSERT INTO metadata.lake_files (lake, path, topic_id, day, generation, rows, checksum) VALUES ('keyless', gen_random_uuid()::text, '', '2024-01-01', 0, 0, '') RETURNING id
		)
		INSERT INTO metadata.loads (audit_id, file_id, first_row, rows_loaded, rows_duplicate, rows_conflicting, rows_replaced, rows_rejected)
		SELECT a.id, f.id, 0, 0, 0, 0, 0, 0 FROM a, f RETURNING id`)
	p.exec(`CREATE TABLE IF NOT EXISTS bronze.transactions_of_the_test PARTITION OF bronze.transactions FOR VALUES FROM ('2000-01-01 00:00:00+00') TO ('2100-01-01 00:00:00+00')`)
	_, err := p.pool.CopyFrom(background, pgx.Identifier{"bronze", "transactions"}, copyColumns, copySource(rows, id))
	if err != nil {
		t.Fatal(err)
	}
}

var copyColumns = []string{"transaction_id", "status", "event_time", "initiated_at", "amount", "currency", "customer_id", "merchant_id",
	"payment_method", "customer_email", "merchant_category", "device_type", "ip_address", "city", "country", "is_fraud", "fraud_score", "extra",
	"payload_hash", "topic_id", "kafka_partition", "kafka_offset", "kafka_timestamp", "ingestion_timestamp", "load_id"}

func copySource(rows []payment.Row, loadID int64) pgx.CopyFromSource {
	return pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) {
		r := &rows[i]
		return []any{r.TransactionID, r.Status, utc(r.EventTime), utc(r.InitiatedAt), goldref.Money(r.Amount), r.Currency, r.CustomerID, r.MerchantID,
			r.PaymentMethod, r.CustomerEmail, r.MerchantCategory, r.DeviceType, r.IPAddress, r.City, r.Country, r.IsFraud, r.FraudScore, r.Extra,
			r.PayloadHash[:], "topic", r.KafkaPartition, r.KafkaOffset, utc(r.KafkaTimestamp), utc(r.IngestionTimestamp), loadID}, nil
	})
}
