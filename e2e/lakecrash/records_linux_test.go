package lakecrash

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// broken is a value that breaks the contract.
const broken = "{broken"

// payments makes n records of three days, from number from on, spread over the partitions. One in fifty is a dead letter and one a tombstone.
func payments(partitions int32, from, n int) []*kgo.Record {
	start := time.Date(2024, 1, 5, 0, 0, 0, 0, time.UTC)
	recs := make([]*kgo.Record, n)
	for i := range recs {
		no := from + i
		at := start.AddDate(0, 0, no/int(partitions)%3).Add(time.Duration(no) * time.Second)
		id := fmt.Sprintf("%08x-0000-4000-8000-%012x", no, no)
		stamp := at.Format(time.RFC3339)
		value := fmt.Sprintf(`{"transaction_id":%q,"status":"PENDING","event_time":%q,"initiated_at":%q,"amount":"%d.25","currency":"INR",`+
			`"customer_id":"c%05d","merchant_id":"m%04d","payment_method":"CARD","is_fraud":false}`, id, stamp, stamp, no, no%50000, no%500)
		recs[i] = &kgo.Record{Key: []byte(id), Value: []byte(value), Partition: int32(no) % partitions, Timestamp: at} //nolint:gosec // small
		switch no % 50 {
		case 17:
			recs[i].Value = []byte(broken)
		case 40:
			recs[i].Value = nil
		}
	}
	return recs
}

// cents is the amount of a payment.
func cents(r *kgo.Record) int64 {
	var no int64
	if _, err := fmt.Sscanf(string(r.Key[:8]), "%x", &no); err != nil {
		panic(err) // payments made it
	}
	return no*100 + 25
}
