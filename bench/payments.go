package main

import (
	"encoding/hex"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"
)

const (
	topic      = "transactions"
	partitions = 6
)

// A payment is a record of the topic.
type payment struct {
	key, value []byte
	at         time.Time
}

var (
	paymentStatuses = []string{"PENDING", "SUCCESS", "SUCCESS", "FAILED"}
	paymentMethods  = []string{"UPI", "CARD", "NETBANKING", "WALLET"}
	paymentSellers  = []string{"groceries", "travel", "food", "utilities", "fashion", "electronics", "health"}
	paymentPlaces   = [][3]string{{"INR", "Mumbai", "IN"}, {"INR", "Bengaluru", "IN"}, {"USD", "Austin", "US"}, {"EUR", "Berlin", "DE"}, {"CHF", "Zürich", "CH"}, {"GBP", "Leeds", "GB"}}
	paymentDevices  = []string{"android", "ios", "web"}
)

// payments makes n records of about 430 bytes, always the same, over one day. Of each hundred the last repeats an earlier one byte
// for byte when repeats is set.
func payments(n int, repeats bool) iter.Seq2[int, payment] {
	return func(yield func(int, payment) bool) {
		rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // made-up data
		start := time.Date(2024, 1, 5, 0, 0, 0, 0, time.UTC)
		step := 23 * time.Hour / time.Duration(max(n, 1))
		var earlier payment
		for i := range n {
			p := onePayment(rng, start.Add(time.Duration(i)*step))
			if i%100 == 49 {
				earlier = p
			}
			if repeats && i%100 == 99 {
				earlier.at = p.at
				p = earlier
			}
			if !yield(i, p) {
				return
			}
		}
	}
}

func onePayment(rng *rand.Rand, at time.Time) payment {
	at = at.Truncate(time.Millisecond)
	id, place := randomID(rng), paymentPlaces[rng.IntN(len(paymentPlaces))]
	pick := func(from []string) string { return from[rng.IntN(len(from))] }
	const form = "2006-01-02T15:04:05.000Z07:00"
	value := fmt.Appendf(nil, `{"transaction_id":%q,"initiated_at":%q,"amount":"%d.%02d","currency":%q,"customer_id":"c%05d","merchant_id":"m%04d",`+
		`"merchant_category":%q,"payment_method":%q,"customer_email":"user%d@example.com","device_type":%q,"ip_address":"%d.%d.%d.%d",`+
		`"city":%q,"country":%q,"is_fraud":%t,"fraud_score":%.4f,"status":%q,"event_time":%q}`,
		id, at.Add(-time.Duration(rng.IntN(600_000))*time.Millisecond).Format(form), rng.IntN(5000), rng.IntN(100), place[0], rng.IntN(20_000), rng.IntN(200),
		pick(paymentSellers), pick(paymentMethods), rng.IntN(20_000), pick(paymentDevices), 1+rng.IntN(223), rng.IntN(256), rng.IntN(256), rng.IntN(256),
		place[1], place[2], rng.IntN(50) == 0, rng.Float64(), pick(paymentStatuses), at.Format(form))
	return payment{[]byte(id), value, at.Add(time.Duration(50+rng.IntN(1000)) * time.Millisecond)}
}

// randomID makes a random UUID (version 4).
func randomID(rng *rand.Rand) string {
	var b [16]byte
	for i := range b {
		b[i] = byte(rng.Uint32()) //nolint:gosec // any byte
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
