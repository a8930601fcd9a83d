package warehouse

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/tidemill/tidemill/storage/payment"
)

// CopyColumns are the columns of bronze.transactions that EncodeForCopy gives.
const CopyColumns = `transaction_id, status, event_time, initiated_at, amount, currency, customer_id, merchant_id, payment_method, customer_email,
	merchant_category, device_type, ip_address, city, country, is_fraud, fraud_score, extra, payload_hash, kafka_partition, kafka_offset,
	kafka_timestamp, ingestion_timestamp, topic_id, load_id`

// EncodeForCopy is rows as the data of a COPY in binary format.
func EncodeForCopy(rows []payment.Row) io.Reader {
	wire := append([]byte(nil), copyHeader...)
	for i := range rows {
		at := len(wire)
		wire = appendTuple(wire, 0, &rows[i])
		wire = append(wire[:at+2], wire[at+10:]...) // without the place in the batch
		binary.BigEndian.PutUint16(wire[at:], stagedColumns-1+2)
		wire = appendInt8(appendText(wire, "topic"), 1)
	}
	return bytes.NewReader(append(wire, 0xff, 0xff))
}
