package warehouse

import (
	"encoding/binary"
	"math"

	"github.com/tidemill/tidemill/storage/payment"
)

// The temporary table that rows are copied into, in the binary format of COPY. Its columns are those of
// bronze.transactions that the lake has, after the row's place in the batch.
const stagedTable = `CREATE TEMPORARY TABLE IF NOT EXISTS staged (
	n integer, transaction_id text, status text, event_time timestamptz, initiated_at timestamptz, amount numeric,
	currency text, customer_id text, merchant_id text, payment_method text, customer_email text, merchant_category text,
	device_type text, ip_address text, city text, country text, is_fraud boolean, fraud_score double precision,
	extra text, payload_hash bytea, kafka_partition integer, kafka_offset bigint, kafka_timestamp timestamptz,
	ingestion_timestamp timestamptz) ON COMMIT DELETE ROWS`

const (
	lakeColumns = 23
	copyStaged  = `COPY pg_temp.staged FROM STDIN (FORMAT binary)`
	// copyBronze copies into the table that %s names: bronze.transactions or one of its months.
	copyBronze = `COPY %s (` + lakeColumnNames + `, topic_id, load_id) FROM STDIN (FORMAT binary)`
	// pgEpoch is 2000-01-01 in microseconds since 1970: where PostgreSQL counts from.
	pgEpoch = 946_684_800_000_000
)

var (
	copyHeader  = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	copyTrailer = []byte{0xff, 0xff}
)

// earliestTime is PostgreSQL's, 4714-11-24 BC, in microseconds since 1970.
const earliestTime = -210_866_803_200_000_000

// appendCopy appends rows to dst as the data of copyStaged: header, a tuple each, trailer.
func appendCopy(dst []byte, rows []*payment.Row) []byte {
	dst = append(dst, copyHeader...)
	for n, r := range rows {
		dst = appendTuple(dst, n, r)
	}
	return append(dst, copyTrailer...)
}

func appendTuple(dst []byte, n int, r *payment.Row) []byte {
	dst = binary.BigEndian.AppendUint16(dst, lakeColumns+1)
	dst = appendInt4(dst, int32(n)) //nolint:gosec // a batch is far smaller
	return appendColumns(dst, r)
}

// appendBronze appends rows to dst as the data of copyBronze, as the rows of one load.
func appendBronze(dst []byte, rows []*payment.Row, topicID string, loadID int64) []byte {
	dst = append(dst, copyHeader...)
	for _, r := range rows {
		dst = binary.BigEndian.AppendUint16(dst, lakeColumns+2)
		dst = appendColumns(dst, r)
		dst = appendText(dst, topicID)
		dst = appendInt8(dst, loadID)
	}
	return append(dst, copyTrailer...)
}

// appendColumns appends the columns that the lake has.
func appendColumns(dst []byte, r *payment.Row) []byte {
	dst = appendText(dst, r.TransactionID)
	dst = appendText(dst, r.Status)
	dst = appendTime(dst, r.EventTime)
	dst = appendTime(dst, r.InitiatedAt)
	dst = appendMoney(dst, r.Amount)
	dst = appendText(dst, r.Currency)
	dst = appendText(dst, r.CustomerID)
	dst = appendText(dst, r.MerchantID)
	dst = appendText(dst, r.PaymentMethod)
	dst = appendOptional(dst, r.CustomerEmail)
	dst = appendOptional(dst, r.MerchantCategory)
	dst = appendOptional(dst, r.DeviceType)
	dst = appendOptional(dst, r.IPAddress)
	dst = appendOptional(dst, r.City)
	dst = appendOptional(dst, r.Country)
	dst = append(dst, 0, 0, 0, 1, 0)
	if r.IsFraud {
		dst[len(dst)-1] = 1
	}
	if r.FraudScore == nil {
		dst = appendNull(dst)
	} else {
		dst = appendInt8(dst, int64(math.Float64bits(*r.FraudScore))) //nolint:gosec // the same bits
	}
	dst = appendOptional(dst, r.Extra)
	dst = appendText(dst, string(r.PayloadHash[:]))
	dst = appendInt4(dst, r.KafkaPartition)
	dst = appendInt8(dst, r.KafkaOffset)
	dst = appendTime(dst, r.KafkaTimestamp)
	return appendTime(dst, r.IngestionTimestamp)
}

func appendNull(dst []byte) []byte { return append(dst, 0xff, 0xff, 0xff, 0xff) }

func appendText(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(s))) //nolint:gosec // a record is smaller than 2 GB
	return append(dst, s...)
}

func appendOptional(dst []byte, s *string) []byte {
	if s == nil {
		return appendNull(dst)
	}
	return appendText(dst, *s)
}

func appendInt4(dst []byte, v int32) []byte {
	dst = append(dst, 0, 0, 0, 4)
	return binary.BigEndian.AppendUint32(dst, uint32(v)) //nolint:gosec // the same bits
}

func appendInt8(dst []byte, v int64) []byte {
	dst = append(dst, 0, 0, 0, 8)
	return binary.BigEndian.AppendUint64(dst, uint64(v)) //nolint:gosec // the same bits
}

// appendTime appends a time in microseconds since 1970. One that is too early for an int64 since 2000 becomes the
// earliest, which PostgreSQL refuses too.
func appendTime(dst []byte, micros int64) []byte {
	if micros < math.MinInt64+pgEpoch+1 {
		return appendInt8(dst, math.MinInt64+1)
	}
	return appendInt8(dst, micros-pgEpoch)
}

// appendMoney appends hundredths as a numeric with two decimals: digits to the base of 10,000, the last of which holds
// the decimals.
func appendMoney(dst []byte, hundredths int64) []byte {
	sign, rest := uint16(0), uint64(hundredths) //nolint:gosec // negative ones are turned next
	if hundredths < 0 {
		sign, rest = 0x4000, -rest
	}
	digits := [8]uint16{}
	at := len(digits) - 1
	digits[at] = uint16(rest % 100 * 100) //nolint:gosec // below 10,000
	for rest /= 100; rest > 0; rest /= 10_000 {
		at--
		digits[at] = uint16(rest % 10_000) //nolint:gosec // below 10,000
	}
	used := digits[at:]
	dst = binary.BigEndian.AppendUint32(dst, uint32(8+2*len(used))) //nolint:gosec // at most 24
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(used)))     //nolint:gosec // at most 8
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(used)-2))   //nolint:gosec // the weight of the first digit; -1 for decimals alone
	dst = binary.BigEndian.AppendUint16(dst, sign)
	dst = binary.BigEndian.AppendUint16(dst, 2)
	for _, d := range used {
		dst = binary.BigEndian.AppendUint16(dst, d)
	}
	return dst
}
