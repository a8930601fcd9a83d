package payment

// ContractVersion is the version of the topic's contract that this package decodes. Whoever changes the contract raises it here and in
// docs/contract/transaction.schema.json ("x-version"); a change that adds optional columns goes with the lake's files from before.
const ContractVersion = 1

// Row is one accepted record: the contract's columns, then where the record lay in the topic. It is the schema of the
// lake's bronze files (parquet-go tags). Times are microseconds since 1970-01-01 UTC, Amount is in hundredths.
// A nil pointer is null; an empty string is not.
//
// A copied Row shares its strings and pointers with the original; nothing writes through them.
type Row struct {
	// TransactionID is a UUID in lower case.
	TransactionID string `parquet:"transaction_id,uncompressed"`
	// Status is one of the Status constants.
	Status string `parquet:"status,dict"`
	// EventTime is when the payment took on this status.
	EventTime int64 `parquet:"event_time,timestamp(microsecond:utc),delta"`
	// InitiatedAt is when the payment began.
	InitiatedAt int64 `parquet:"initiated_at,timestamp(microsecond:utc),delta"`
	// Amount is in hundredths of the currency's unit, ≥ 0 and < 10^18.
	Amount           int64    `parquet:"amount,decimal(2:18),delta"`
	Currency         string   `parquet:"currency,dict"`
	CustomerID       string   `parquet:"customer_id"`
	MerchantID       string   `parquet:"merchant_id,dict"`
	PaymentMethod    string   `parquet:"payment_method,dict"`
	CustomerEmail    *string  `parquet:"customer_email,optional"`
	MerchantCategory *string  `parquet:"merchant_category,optional,dict"`
	DeviceType       *string  `parquet:"device_type,optional,dict"`
	IPAddress        *string  `parquet:"ip_address,optional"`
	City             *string  `parquet:"city,optional,dict"`
	Country          *string  `parquet:"country,optional,dict"`
	IsFraud          bool     `parquet:"is_fraud"`
	FraudScore       *float64 `parquet:"fraud_score,optional"`
	// Extra holds the fields that the contract does not know as the text of one JSON object: names and values as
	// they were sent, in the order they were sent. Nil when there is none.
	Extra *string `parquet:"extra,optional"`
	// PayloadHash is the first half of the SHA-256 of the record's value. Records with equal hashes are copies.
	PayloadHash [16]byte `parquet:"payload_hash,uncompressed"`

	KafkaPartition int32 `parquet:"kafka_partition,delta"`
	KafkaOffset    int64 `parquet:"kafka_offset,delta"`
	// KafkaTimestamp is the record's timestamp, which Kafka keeps in milliseconds.
	KafkaTimestamp int64 `parquet:"kafka_timestamp,timestamp(microsecond:utc),delta"`
	// IngestionTimestamp is when the ingestion read the record.
	IngestionTimestamp int64 `parquet:"ingestion_timestamp,timestamp(microsecond:utc),delta"`
}

// The states of a payment.
const (
	StatusPending  = "PENDING"
	StatusSuccess  = "SUCCESS"
	StatusFailed   = "FAILED"
	StatusRefunded = "REFUNDED"
)

// StatusRank orders the states that a payment takes on at the same event_time: PENDING < SUCCESS = FAILED < REFUNDED.
// It returns -1 for a status that the contract does not know.
func StatusRank(status string) int {
	switch status {
	case StatusPending:
		return 0
	case StatusSuccess, StatusFailed:
		return 1
	case StatusRefunded:
		return 2
	}
	return -1
}
