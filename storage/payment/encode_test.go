package payment_test

import (
	"math"
	"reflect"
	"testing"

	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/payment/goldref"
)

// TestEncode: Decode makes the same row of what Encode writes.
func TestEncode(t *testing.T) {
	values := [][]byte{[]byte(with("event_time", `"0000-01-01T00:00:00Z"`)), []byte(with("event_time", `"9999-12-31T23:59:59.999999Z"`)),
		[]byte(with("fraud_score", `1e-7`)), []byte(with("amount", `9999999999999999.99`)), []byte(with("city", `"\u2028\ud83d\ude00\\\"<>&\u0007"`)),
		[]byte(with("new", `{"a":[1,"x"]}`)), []byte(with("n\\u0065w", `1.50`))}
	for _, e := range goldref.Hostile(7, 5000) {
		values = append(values, e.Value)
	}
	n := 0
	for _, value := range values {
		var was, is payment.Row
		if payment.Decode(value, &was) != nil {
			continue
		}
		n++
		text, err := payment.Encode(&was)
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		if err := payment.Decode(text, &is); err != nil {
			t.Errorf("%s is encoded as %s: %v", value, text, err)
		}
		is.PayloadHash = was.PayloadHash
		if !reflect.DeepEqual(was, is) {
			t.Errorf("%s is encoded as %s: %+v, it was %+v", value, text, is, was)
		}
	}
	if n < 1000 {
		t.Errorf("only %d values keep the contract", n)
	}
	no, nan := "no object", math.NaN()
	for _, row := range []payment.Row{{Extra: &no}, {FraudScore: &nan}, {City: &[]string{"\xff"}[0]}} {
		if text, err := payment.Encode(&row); err == nil {
			t.Errorf("%+v is encoded as %s", row, text)
		}
	}
}
