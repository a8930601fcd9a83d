package payment

import (
	"testing"
)

const example = `{"transaction_id":"313f8f5e-50bc-4e22-a795-789035d8b1ad","initiated_at":"2024-01-01T00:03:29.756Z","amount":"99.27","currency":"INR","customer_id":"c00525","merchant_id":"m0071","merchant_category":"travel","payment_method":"CARD","customer_email":"user17883@example.com","device_type":"web","ip_address":"147.166.123.155","city":"Mumbai","country":"IN","is_fraud":false,"fraud_score":0.2694,"status":"PENDING","event_time":"2024-01-01T05:33:29.756+05:30"}`

func BenchmarkDecode(b *testing.B) {
	value := []byte(example)
	b.SetBytes(int64(len(value)))
	b.ReportAllocs()
	var row Row
	for b.Loop() {
		if err := Decode(value, &row); err != nil {
			b.Fatal(err)
		}
	}
}
