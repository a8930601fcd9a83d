package payment_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/payment/events"
	"github.com/tidemill/tidemill/storage/payment/goldref"
)

// agree checks that Decode and the model, which share no code, say the same of a value.
func agree(value []byte) error {
	var row payment.Row
	err := payment.Decode(value, &row)
	want, wantErr := goldref.Read(value)
	if (err == nil) != (wantErr == nil) {
		return fmt.Errorf("Decode: %v; the model: %v", err, wantErr)
	}
	if err != nil {
		var v *payment.Violation
		if !errors.As(err, &v) || v.Field == "" || v.Reason == "" {
			return fmt.Errorf("not a violation with its field and reason: %#v", err)
		}
		return nil
	}
	var extra string
	if row.Extra != nil {
		extra = *row.Extra
	}
	got := goldref.Payment{
		TransactionID: row.TransactionID, Status: row.Status, EventTime: goldref.Micros(row.EventTime),
		InitiatedAt: goldref.Micros(row.InitiatedAt), Amount: row.Amount, Currency: row.Currency, CustomerID: row.CustomerID,
		MerchantID: row.MerchantID, Method: row.PaymentMethod, Email: row.CustomerEmail, Category: row.MerchantCategory,
		Device: row.DeviceType, IP: row.IPAddress, City: row.City, Country: row.Country, IsFraud: row.IsFraud,
		FraudScore: row.FraudScore, Extra: extra,
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("Decode: %+v; the model: %+v", got, want)
	}
	return nil
}

func TestDecodeAgreesWithTheModelOnTheSample(t *testing.T) {
	r, err := events.Open("../../testdata/payments-7d/events.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for event, err := range r.All() {
		if err != nil {
			t.Fatal(err)
		}
		if err := agree(event.Value); err != nil {
			t.Errorf("line %d: %v", r.Line(), err)
		}
	}
	if r.Line() != 9756 {
		t.Errorf("%d lines, want 9756", r.Line())
	}
}

func TestDecodeAgreesWithTheModelOnHostileRecords(t *testing.T) {
	accepted, refused := 0, 0
	for _, event := range goldref.Hostile(1, 5000) {
		if event.Value == nil {
			continue
		}
		if err := agree(event.Value); err != nil {
			t.Errorf("%q: %v", event.Value, err)
		}
		var row payment.Row
		if payment.Decode(event.Value, &row) == nil {
			accepted++
		} else {
			refused++
		}
	}
	if accepted < 1000 || refused < 300 {
		t.Errorf("%d accepted, %d refused: too few to tell", accepted, refused)
	}
}

// Records put together at random from parts that stand near the contract's edges.
func TestDecodeAgreesWithTheModelOnRandomRecords(t *testing.T) {
	names := rapid.SampledFrom([]string{"transaction_id", "status", "event_time", "amount", "currency", "customer_id", "city",
		"is_fraud", "fraud_score", "note", `\u0061mount`, "x", "\\ud800", "é"})
	parts := rapid.OneOf(
		rapid.SampledFrom([]string{"null", "true", "false", `""`, "[]", "{}", `"\u0000"`, `"\ud83d\ude00"`, `"\udc00"`, `"\\u0000"`, "\"\xff\"",
			`"SUCCESS"`, `"EUR"`, `"2024-01-01T00:00:00Z"`, "0", "-0", "1e3", `{"a":1,"a":2}`, `{"a":{"a":[1,{"b":"\n"}]}}`, " 1 ", "1,", "tru", `"`}),
		rapid.StringMatching(`-?[0-9]{1,3}(\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?`),
		rapid.StringMatching(`"[0-9]{1,17}(\.[0-9]{1,3}0{0,3})?"`),
		rapid.StringMatching(`"(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9][Tt][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,10})?([Zz]|[+-][0-2][0-9]:[0-6][0-9])"`),
	)
	rapid.Check(t, func(t *rapid.T) {
		value := with(names.Draw(t, "name"), parts.Draw(t, "value"))
		if rapid.Bool().Draw(t, "two") {
			value = strings.TrimSuffix(value, "}") + `,"` + names.Draw(t, "name") + `":` + parts.Draw(t, "value") + "}"
		}
		if err := agree([]byte(value)); err != nil {
			t.Fatalf("%q: %v", value, err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(with("note", `[1, 2.50,{"\u0061" : 1e400000}], "a" : null`)))
	f.Add([]byte(with("city", `"\ud83d\ude00"`)))
	f.Add([]byte(with("amount", `120e-3`)))
	for _, event := range goldref.Hostile(2, 200) {
		f.Add(event.Value)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if err := agree(value); err != nil {
			t.Errorf("%q: %v", value, err)
		}
	})
}

func TestCheckTimestamp(t *testing.T) {
	now := time.Date(2024, 1, 5, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		at   time.Time
		want bool
	}{
		{now, true},
		{time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), true},
		{time.Date(1999, 12, 31, 23, 59, 59, 999e6, time.UTC), false},
		{time.Date(2000, 1, 1, 1, 0, 0, 0, time.FixedZone("", 2*3600)), false},
		{now.Add(24 * time.Hour), true},
		{now.Add(24*time.Hour + time.Millisecond), false},
		{time.UnixMilli(-1), false},
		{time.UnixMilli(0), false},
		{time.Time{}, false},
		{time.UnixMilli(1<<63 - 1), false},
		{time.UnixMilli(-1 << 63), false},
	} {
		err := payment.CheckTimestamp(tt.at, now)
		var v *payment.Violation
		if (err == nil) != tt.want || err != nil && (!errors.As(err, &v) || v.Field != payment.FieldTimestamp) {
			t.Errorf("%s: %v, want it accepted: %t", tt.at, err, tt.want)
		}
	}
}

func TestKeyMatches(t *testing.T) {
	row := payment.Row{TransactionID: "313f8f5e-50bc-4e22-a795-789035d8b1ad"}
	for key, want := range map[string]bool{
		"313f8f5e-50bc-4e22-a795-789035d8b1ad":  true,
		"313F8F5E-50bc-4e22-a795-789035d8b1ad":  true,
		"":                                      false,
		"313f8f5e-50bc-4e22-a795-789035d8b1ae":  false,
		"313f8f5e-50bc-4e22-a795-789035d8b1ad ": false,
		"\xff":                                  false,
	} {
		if got := payment.KeyMatches([]byte(key), &row); got != want {
			t.Errorf("%q: %t, want %t", key, got, want)
		}
	}
	if payment.KeyMatches(nil, &row) {
		t.Error("a null key matches")
	}
}

func TestStatusRank(t *testing.T) {
	rank := payment.StatusRank
	if !(rank("PENDING") < rank("SUCCESS") && rank("SUCCESS") == rank("FAILED") && rank("FAILED") < rank("REFUNDED") && rank("x") < 0) {
		t.Error("ranks are not PENDING < SUCCESS = FAILED < REFUNDED")
	}
}
