package laketest

import (
	"fmt"
	"time"

	"github.com/tidemill/tidemill/storage/payment/goldref"
)

// plain makes n payments of partition 0, four a second from the beginning of 2024-01-05 on.
func plain(n int) []goldref.Event {
	start := time.Date(2024, 1, 5, 0, 0, 0, 0, time.UTC)
	events := make([]goldref.Event, n)
	for i := range events {
		at := start.Add(time.Duration(i) * 250 * time.Millisecond)
		id := fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i)
		stamp := at.Format("2006-01-02T15:04:05.000Z07:00")
		events[i] = goldref.Event{Offset: int64(i), Time: at, Key: []byte(id), Value: fmt.Appendf(nil,
			`{"transaction_id":%q,"status":"SUCCESS","event_time":%q,"initiated_at":%q,"amount":"%d.25","currency":"INR",`+
				`"customer_id":"c%05d","merchant_id":"m%04d","payment_method":"CARD","is_fraud":false}`, id, stamp, stamp, i, i%50000, i%500)}
	}
	return events
}
