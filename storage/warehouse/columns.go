package warehouse

import "strings"

// lakeColumnNames are the columns of bronze.transactions that the lake has, in the order in which they are copied.
const lakeColumnNames = `transaction_id, status, event_time, initiated_at, amount, currency, customer_id, merchant_id, payment_method,
	customer_email, merchant_category, device_type, ip_address, city, country, is_fraud, fraud_score, extra, payload_hash,
	kafka_partition, kafka_offset, kafka_timestamp, ingestion_timestamp`

// withColumns fills a statement in: {columns} are lakeColumnNames, {overwrite} sets all columns of an event's row but its key to
// those of the row that is excluded.
func withColumns(sql string) string { return fillIn.Replace(sql) }

var fillIn = strings.NewReplacer("{columns}", lakeColumnNames, "{overwrite}", overwrite())

func overwrite() string {
	const key = 3
	var set []string
	for _, name := range append(strings.Split(lakeColumnNames, ",")[key:], "topic_id", "load_id") {
		name = strings.TrimSpace(name)
		set = append(set, name+" = excluded."+name)
	}
	return strings.Join(set, ", ")
}
