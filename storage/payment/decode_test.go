package payment_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/payment/goldref"
)

const example = `{"transaction_id":"313f8f5e-50bc-4e22-a795-789035d8b1ad","initiated_at":"2024-01-01T00:03:29.756Z","amount":"99.27","currency":"INR","customer_id":"c00525","merchant_id":"m0071","merchant_category":"travel","payment_method":"CARD","customer_email":"user17883@example.com","device_type":"web","ip_address":"147.166.123.155","city":"Mumbai","country":"IN","is_fraud":false,"fraud_score":0.2694,"status":"PENDING","event_time":"2024-01-01T05:33:29.756+05:30"}`

// with returns the example with one field's text put in the place of its own, or added at the end.
func with(field, text string) string {
	name := `"` + field + `":`
	before, after, found := strings.Cut(example, name)
	if !found {
		return strings.TrimSuffix(example, "}") + "," + name + text + "}"
	}
	end := strings.IndexAny(after, ",}")
	return before + name + text + after[end:]
}

// without returns the example without a field.
func without(field string) string {
	before, after, _ := strings.Cut(example, `"`+field+`":`)
	if _, rest, found := strings.Cut(after, ","); found {
		return before + rest
	}
	return strings.TrimSuffix(before, ",") + "}"
}

func text(s string) *string { return &s }

func exampleRow() payment.Row {
	score := 0.2694
	row := payment.Row{
		TransactionID: "313f8f5e-50bc-4e22-a795-789035d8b1ad", Status: payment.StatusPending,
		EventTime:   time.Date(2024, 1, 1, 0, 3, 29, 756e6, time.UTC).UnixMicro(),
		InitiatedAt: time.Date(2024, 1, 1, 0, 3, 29, 756e6, time.UTC).UnixMicro(),
		Amount:      9927, Currency: "INR", CustomerID: "c00525", MerchantID: "m0071", PaymentMethod: "CARD",
		CustomerEmail: text("user17883@example.com"), MerchantCategory: text("travel"), DeviceType: text("web"),
		IPAddress: text("147.166.123.155"), City: text("Mumbai"), Country: text("IN"), FraudScore: &score,
	}
	hash := sha256.Sum256([]byte(example))
	copy(row.PayloadHash[:], hash[:])
	return row
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		change      func(*payment.Row)
	}{
		{"example", example, func(*payment.Row) {}},
		{"white space", " \t\r\n" + strings.ReplaceAll(example, ",", " ,\n\t") + "\r\n ", func(*payment.Row) {}},
		{"UUID in upper case", with("transaction_id", `"313F8F5E-50BC-4E22-A795-789035D8B1AD"`), func(*payment.Row) {}},
		{"names and values escaped", strings.NewReplacer(`"status"`, `"st\u0061tus"`, `"INR"`, `"\u0049NR"`, `"99.27"`, `"99\u002e27"`).Replace(example), func(*payment.Row) {}},
		{"T and Z in lower case, nanoseconds cut", with("initiated_at", `"2024-01-01t00:03:29.756000999z"`), func(*payment.Row) {}},
		{"amount as a number", with("amount", `9927e-2`), func(*payment.Row) {}},
		{"amount with zeros", with("amount", `"000099.27000"`), func(*payment.Row) {}},
		{"greatest amount", with("amount", `9999999999999999.99`), func(r *payment.Row) { r.Amount = 999_999_999_999_999_999 }},
		{"minus zero", with("amount", `-0.0`), func(r *payment.Row) { r.Amount = 0 }},
		{"no optional field", `{"transaction_id":"313f8f5e-50bc-4e22-a795-789035d8b1ad","initiated_at":"2024-01-01T00:03:29.756Z","amount":99.27,"currency":"INR","customer_id":"c00525","merchant_id":"m0071","payment_method":"CARD","status":"PENDING","event_time":"2024-01-01T00:03:29.756Z"}`,
			func(r *payment.Row) {
				r.CustomerEmail, r.MerchantCategory, r.DeviceType, r.IPAddress, r.City, r.Country, r.FraudScore = nil, nil, nil, nil, nil, nil, nil
			}},
		{"optional null", with("city", "null"), func(r *payment.Row) { r.City = nil }},
		{"is_fraud null", with("is_fraud", "null"), func(*payment.Row) {}},
		{"fraud_score null", with("fraud_score", "null"), func(r *payment.Row) { r.FraudScore = nil }},
		{"is_fraud", with("is_fraud", "true"), func(r *payment.Row) { r.IsFraud = true }},
		{"fraud_score 0", with("fraud_score", "-0.0"), func(r *payment.Row) { *r.FraudScore = 0 }},
		{"fraud_score 1", with("fraud_score", "10e-1"), func(r *payment.Row) { *r.FraudScore = 1 }},
		{"empty is not null", with("city", `""`), func(r *payment.Row) { r.City = text("") }},
		{"not trimmed", with("city", `" Zürich\n"`), func(r *payment.Row) { r.City = text(" Zürich\n") }},
		{"surrogate pair", with("city", `"\ud83d\ude00"`), func(r *payment.Row) { r.City = text("😀") }},
		{"64 code points", with("customer_id", `"`+strings.Repeat("😀", 64)+`"`), func(r *payment.Row) { r.CustomerID = strings.Repeat("😀", 64) }},
		{"refunded", with("status", `"REFUNDED"`), func(r *payment.Row) { r.Status = payment.StatusRefunded }},
		{"unknown field", with("note", `"x"`), func(r *payment.Row) { r.Extra = text(`{"note":"x"}`) }},
		{"unknown fields, as sent", with("b", `[1, 2.50,{"\u0061" : 1e400000}], "a" : null`), func(r *payment.Row) {
			r.Extra = text(`{"b":[1, 2.50,{"\u0061" : 1e400000}],"a":null}`)
		}},
		{"many unknown fields", with("x0", `0,"x1":1,"x2":2,"x3":3,"x4":4,"x5":5,"x6":6,"x7":7,"x8":8,"x9":9`), func(r *payment.Row) {
			r.Extra = text(`{"x0":0,"x1":1,"x2":2,"x3":3,"x4":4,"x5":5,"x6":6,"x7":7,"x8":8,"x9":9}`)
		}},
		{"a name of another case is unknown", with("STATUS", `"x"`), func(r *payment.Row) { r.Extra = text(`{"STATUS":"x"}`) }},
		{"an unknown name without characters", with("", `1`), func(r *payment.Row) { r.Extra = text(`{"":1}`) }},
		{"a backslash before u0000", with("note", `"\\u0000 \\\\u0000"`), func(r *payment.Row) { r.Extra = text(`{"note":"\\u0000 \\\\u0000"}`) }},
		{"64 levels", with("note", strings.Repeat("[", 63)+strings.Repeat("]", 63)), func(r *payment.Row) {
			r.Extra = text(`{"note":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}`)
		}},
		{"brackets in strings do not nest", with("note", `["\"`+strings.Repeat("[", 100)+`"]`), func(r *payment.Row) {
			r.Extra = text(`{"note":["\"` + strings.Repeat("[", 100) + `"]}`)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got payment.Row
			if err := payment.Decode([]byte(tt.value), &got); err != nil {
				t.Fatalf("error %v of %s", err, tt.value)
			}
			want := exampleRow()
			tt.change(&want)
			hash := sha256.Sum256([]byte(tt.value))
			copy(want.PayloadHash[:], hash[:])
			if !reflect.DeepEqual(got, want) {
				g, _ := json.Marshal(got)
				w, _ := json.Marshal(want)
				t.Errorf("got  %s\nwant %s", g, w)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	deep := strings.Repeat("[", 64) + strings.Repeat("]", 64)
	for _, tt := range []struct{ name, value, field, reason string }{
		{"zero bytes", "", "value", "zero bytes"},
		{"white space", " \n", "value", "ends too early"},
		{"no JSON", "hello", "value", "not JSON"},
		{"cut short", example[:100], "", "ends too early"},
		{"an array", "[" + example + "]", "value", "not an object"},
		{"null", "null", "value", "not an object"},
		{"a string", `"x"`, "value", "not an object"},
		{"two objects", example + example, "value", "after the object"},
		{"something after", example + "x", "value", "after the object"},
		{"a byte order mark", "\ufeff" + example, "value", "not JSON"},
		{"UTF-16", "\x00{\x00}", "value", "not JSON"},
		{"trailing comma", strings.TrimSuffix(example, "}") + ",}", "value", "not JSON"},
		{"comment", "/**/" + example, "value", "not JSON"},
		{"single quotes", `{'a':1}`, "value", "not JSON"},
		{"NaN", with("fraud_score", "NaN"), "fraud_score", "not JSON"},
		{"leading zero", with("amount", "01"), "", "not JSON"},
		{"leading point", with("amount", ".5"), "amount", "not JSON"},
		{"plus", with("amount", "+1"), "amount", "not JSON"},
		{"line feed in a string", with("city", "\"a\nb\""), "city", "not JSON"},
		{"bad UTF-8", with("city", "\"a\xff\""), "city", "not JSON"},
		{"bad UTF-8 in an unknown field", with("note", "[\"\xed\xa0\x80\"]"), "note", "not JSON"},
		{"bad UTF-8 in a name", with("no\xc0\xafte", "1"), "", "not JSON"},
		{"overlong UTF-8", with("city", "\"\xc0\x80\""), "city", "not JSON"},
		{"bad UTF-8 after the object", example + "\xff", "value", "after the object"},
		{"lone high surrogate", with("city", `"\ud800"`), "city", "not JSON"},
		{"lone low surrogate", with("city", `"\udc00x"`), "city", "not JSON"},
		{"surrogates in the wrong order", with("city", `"\udc00\ud800"`), "city", "not JSON"},
		{"lone surrogate in an unknown field", with("note", `{"a":["\ud83dx"]}`), "note", "not JSON"},
		{"lone surrogate in an unknown name", with(`\ud800`, `1`), "", "not JSON"},
		{"U+0000", with("city", `"a\u0000b"`), "city", "U+0000"},
		{"U+0000 as a raw byte", with("city", "\"\x00\""), "city", "not JSON"},
		{"U+0000 in an unknown field", with("note", `"\u0000"`), "note", "U+0000"},
		{"U+0000 in an unknown nested field", with("note", `[{"a":"\\\u0000"}]`), "note", "U+0000"},
		{"U+0000 in an unknown nested name", with("note", `[{"\u0000":1}]`), "note", "U+0000"},
		{"U+0000 in an unknown name", with(`x\u0000`, `1`), "value", "U+0000"},
		{"U+0000 in a known field of the wrong type", with("is_fraud", `"\u0000"`), "is_fraud", "not a boolean"},
		{"65 levels", with("note", deep), "note", "deeper than 64"},
		{"65 levels of objects", with("note", strings.Repeat(`{"a":`, 64)+"1"+strings.Repeat("}", 64)), "note", "deeper than 64"},
		{"100,000 levels", with("note", strings.Repeat("[", 100_000)), "note", ""},
		{"a name twice", with("amount", `1,"amount":2`), "amount", "twice"},
		{"a name twice, once escaped", with("amount", `1,"\u0061mount":2`), "amount", "twice"},
		{"an unknown name twice", with("note", `1,"note":1`), "note", "twice"},
		{"an unknown name twice, far apart", with("x0", `0,"x1":1,"x2":2,"x3":3,"x4":4,"x5":5,"x6":6,"x7":7,"x8":8,"x9":9,"x0":1`), "x0", "twice"},
		{"a nested name twice", with("note", `[{"a":1,"b":2,"a":3}]`), "note", "twice"},

		{"transaction_id missing", without("transaction_id"), "transaction_id", "missing"},
		{"status missing", without("status"), "status", "missing"},
		{"event_time missing", without("event_time"), "event_time", "missing"},
		{"initiated_at missing", without("initiated_at"), "initiated_at", "missing"},
		{"amount missing", without("amount"), "amount", "missing"},
		{"currency missing", without("currency"), "currency", "missing"},
		{"customer_id missing", without("customer_id"), "customer_id", "missing"},
		{"merchant_id missing", without("merchant_id"), "merchant_id", "missing"},
		{"payment_method missing", without("payment_method"), "payment_method", "missing"},
		{"nothing there", "{}", "transaction_id", "missing"},
		{"amount null", with("amount", "null"), "amount", "null"},
		{"status null", with("status", "null"), "status", "null"},

		{"UUID without hyphens", with("transaction_id", `"313f8f5e50bc4e22a795789035d8b1ad"`), "transaction_id", "UUID"},
		{"UUID in braces", with("transaction_id", `"{313f8f5e-50bc-4e22-a795-789035d8b1ad}"`), "transaction_id", "UUID"},
		{"UUID with a wrong digit", with("transaction_id", `"313g8f5e-50bc-4e22-a795-789035d8b1ad"`), "transaction_id", "UUID"},
		{"UUID with hyphens elsewhere", with("transaction_id", `"313f8f5-e50bc-4e22-a795-789035d8b1ad"`), "transaction_id", "UUID"},
		{"UUID with a line feed", with("transaction_id", `"313f8f5e-50bc-4e22-a795-789035d8b1ad\n"`), "transaction_id", "UUID"},
		{"transaction_id a number", with("transaction_id", "1"), "transaction_id", "not a string"},
		{"status in lower case", with("status", `"success"`), "status", "PENDING"},
		{"status unknown", with("status", `"DONE"`), "status", `"DONE"`},
		{"status an object", with("status", `{}`), "status", "not a string"},
		{"event_time without offset", with("event_time", `"2024-01-01T05:33:29"`), "event_time", "time with offset"},
		{"event_time of no day", with("event_time", `"2023-02-29T05:33:29Z"`), "event_time", "does not exist"},
		{"event_time a number", with("event_time", `1704067409`), "event_time", "not a string"},
		{"initiated_at before 1970", with("initiated_at", `"1969-12-31T23:59:59Z"`), "initiated_at", "1970"},
		{"amount negative", with("amount", "-0.01"), "amount", "negative"},
		{"amount with a third decimal", with("amount", "12.345"), "amount", "third decimal"},
		{"amount too large", with("amount", "1e16"), "amount", "16 digits"},
		{"amount beyond floats", with("amount", "1e400"), "amount", "exponent"},
		{"amount text with an exponent", with("amount", `"1e3"`), "amount", "decimal"},
		{"amount text of nothing", with("amount", `""`), "amount", "decimal"},
		{"amount text with sign", with("amount", `"-0"`), "amount", "decimal"},
		{"amount a boolean", with("amount", "true"), "amount", "neither"},
		{"amount an array", with("amount", "[1]"), "amount", "neither"},
		{"currency in lower case", with("currency", `"inr"`), "currency", "three letters"},
		{"currency of four", with("currency", `"INRX"`), "currency", "three letters"},
		{"currency not ASCII", with("currency", `"IÑR"`), "currency", "three letters"},
		{"customer_id empty", with("customer_id", `""`), "customer_id", "empty"},
		{"customer_id of 65", with("customer_id", `"`+strings.Repeat("x", 65)+`"`), "customer_id", "64"},
		{"merchant_id of 65 code points", with("merchant_id", `"`+strings.Repeat("é", 65)+`"`), "merchant_id", "64"},
		{"merchant_id a number", with("merchant_id", "7"), "merchant_id", "not a string"},
		{"payment_method unknown", with("payment_method", `"CASH"`), "payment_method", "UPI"},
		{"city a number", with("city", "1"), "city", "not a string"},
		{"is_fraud text", with("is_fraud", `"true"`), "is_fraud", "boolean"},
		{"is_fraud a number", with("is_fraud", `0`), "is_fraud", "boolean"},
		{"fraud_score above 1", with("fraud_score", "1.0001"), "fraud_score", "between 0 and 1"},
		{"fraud_score below 0", with("fraud_score", "-0.0001"), "fraud_score", "between 0 and 1"},
		{"fraud_score beyond floats", with("fraud_score", "1e400"), "fraud_score", "between 0 and 1"},
		{"fraud_score text", with("fraud_score", `"0.5"`), "fraud_score", "not a number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var row payment.Row
			err := payment.Decode([]byte(tt.value), &row)
			var v *payment.Violation
			if !errors.As(err, &v) {
				t.Fatalf("error %v, want a violation", err)
			}
			if tt.field != "" && v.Field != tt.field {
				t.Errorf("field %q, want %q (%v)", v.Field, tt.field, err)
			}
			if !strings.Contains(v.Reason, tt.reason) {
				t.Errorf("reason %q, want %q in it", v.Reason, tt.reason)
			}
			checkStorable(t, err)
		})
	}
}

// checkStorable checks that a violation's text can be stored anywhere and is short.
func checkStorable(t *testing.T, err error) {
	t.Helper()
	if s := err.Error(); !utf8.ValidString(s) || strings.ContainsRune(s, 0) || len(s) > 600 {
		t.Errorf("cannot be stored: %q", s)
	}
}

func TestViolationsDoNotRepeatPersonalData(t *testing.T) {
	for _, value := range []string{
		with("customer_email", `"jane@example.com\u0000"`), with("ip_address", `"10.1.2.3\ud800"`), with("ip_address", `["10.1.2.3"]`),
		with("customer_email", `{"jane@example.com":1,"jane@example.com":2}`), with("customer_id", `["jane"]`),
	} {
		var row payment.Row
		err := payment.Decode([]byte(value), &row)
		if err == nil || strings.Contains(err.Error(), "jane") || strings.Contains(err.Error(), "10.1") {
			t.Errorf("error %v of %s", err, value)
		}
	}
}

func TestDecodeOverwritesTheRow(t *testing.T) {
	var row payment.Row
	if err := payment.Decode([]byte(with("note", "1")), &row); err != nil {
		t.Fatal(err)
	}
	row.KafkaOffset, row.KafkaPartition = 7, 3
	if err := payment.Decode([]byte(example), &row); err != nil {
		t.Fatal(err)
	}
	if want := exampleRow(); !reflect.DeepEqual(row, want) {
		t.Errorf("got %+v, want %+v", row, want)
	}
}

func TestTheRowKeepsNoReferenceToTheValue(t *testing.T) {
	value := []byte(with("note", `"a"`))
	var row, before payment.Row
	if err := payment.Decode(value, &row); err != nil {
		t.Fatal(err)
	}
	if err := payment.Decode([]byte(with("note", `"a"`)), &before); err != nil {
		t.Fatal(err)
	}
	for i := range value {
		value[i] = 'x'
	}
	if !reflect.DeepEqual(row, before) {
		t.Errorf("the row changed with the value: %+v", row)
	}
}

// The row is the same whether its strings are parts of the value or of a copy of it.
func TestDecodeShared(t *testing.T) {
	for _, event := range goldref.Hostile(4, 3000) {
		var shared, copied payment.Row
		err1, err2 := payment.DecodeShared(event.Value, &shared), payment.Decode(event.Value, &copied)
		if fmt.Sprint(err1) != fmt.Sprint(err2) || err1 == nil && !reflect.DeepEqual(shared, copied) {
			t.Errorf("%q: %+v, %v; copied %+v, %v", event.Value, shared, err1, copied, err2)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, bm := range []struct{ name, value string }{
		{"plain", example},
		{"escaped", strings.Replace(example, "Mumbai", `Z\u00fcrich`, 1)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			value := []byte(bm.value)
			b.SetBytes(int64(len(value)))
			b.ReportAllocs()
			var row payment.Row
			for b.Loop() {
				if err := payment.DecodeShared(value, &row); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
