package goldref

import "strings"

// broken is a payment's record with one thing wrong in it, before or after a record that is right.
func (h *hostile) broken() {
	p, at := h.begin()
	record := p.then("SUCCESS", at)
	if h.one(6) {
		record = record.without(pick(h, "transaction_id", "status", "event_time", "initiated_at", "amount", "currency", "customer_id", "merchant_id", "payment_method"))
	} else {
		wrong := brokenFields[h.wrong%len(brokenFields)]
		h.wrong++
		record = record.with(wrong[0], wrong[1])
	}
	if h.one(2) {
		h.add(p, at)
	}
	h.add(record, at)
}

// brokenFields are names and the text of values that break the contract.
var brokenFields = [][2]string{
	{"transaction_id", `"313f8f5e50bc4e22a795789035d8b1ad"`}, {"transaction_id", `"{313f8f5e-50bc-4e22-a795-789035d8b1ad}"`},
	{"transaction_id", `"313f8f5e-50bc-4e22-a795-789035d8b1ag"`}, {"transaction_id", `7`}, {"transaction_id", `""`},
	{"status", `"DONE"`}, {"status", `"success"`}, {"status", `" SUCCESS"`}, {"status", `null`}, {"status", `1`},
	{"event_time", `"2024-01-02 03:04:05Z"`}, {"event_time", `"2024-01-02T3:04:05Z"`}, {"event_time", `"2024-01-02T03:04:05"`},
	{"event_time", `"2024-01-02T24:00:00Z"`}, {"event_time", `"2024-01-02T03:04:60Z"`}, {"event_time", `"2024-02-30T03:04:05Z"`},
	{"event_time", `"2024-01-02T03:04:05+24:00"`}, {"event_time", `"2024-01-02T03:04:05.1234567890Z"`}, {"event_time", `1704164645`},
	{"event_time", `"1969-12-31T23:59:59.999999Z"`}, {"event_time", `"9999-12-31T23:59:59-00:01"`}, {"event_time", `"infinity"`},
	{"initiated_at", `"yesterday"`}, {"initiated_at", `null`}, {"initiated_at", `"2023-02-29T00:00:00Z"`}, {"initiated_at", `"2024-01-02T03:04:05,5Z"`},
	{"amount", `12.345`}, {"amount", `-1`}, {"amount", `-0.01`}, {"amount", `10000000000000000`}, {"amount", `1e16`}, {"amount", `1e41`},
	{"amount", `0e-41`}, {"amount", `1e400`}, {"amount", `1e-3`}, {"amount", `"1e3"`}, {"amount", `"-0"`}, {"amount", `"12.345"`}, {"amount", `"NaN"`},
	{"amount", `""`}, {"amount", `"1,000"`}, {"amount", `" 1"`}, {"amount", `"00000000000000001"`}, {"amount", `true`}, {"amount", `[1]`}, {"amount", `01`},
	{"amount", `0.` + strings.Repeat("0", 400) + `1`}, {"amount", `1` + strings.Repeat("0", 400)},
	{"currency", `"inr"`}, {"currency", `"IN"`}, {"currency", `"RUPEE"`}, {"currency", `"ＩＮＲ"`}, {"currency", `null`},
	{"customer_id", `""`}, {"customer_id", `"` + strings.Repeat("x", 65) + `"`}, {"customer_id", `null`}, {"customer_id", `5`},
	{"merchant_id", `"` + strings.Repeat("😀", 65) + `"`}, {"merchant_id", `{}`},
	{"payment_method", `"CASH"`}, {"payment_method", `"card"`}, {"payment_method", `["CARD"]`},
	{"customer_email", `1`}, {"merchant_category", `true`}, {"device_type", `{}`}, {"ip_address", `[]`}, {"city", `0`}, {"country", `false`},
	{"is_fraud", `"true"`}, {"is_fraud", `0`}, {"fraud_score", `"0.5"`}, {"fraud_score", `1.5`}, {"fraud_score", `-0.1`}, {"fraud_score", `1e400`}, {"fraud_score", `NaN`},
	{"city", `"a\u0000b"`}, {"city", "\"\x00\""}, {"city", `"\ud800"`}, {"city", `"\udc00\ud800"`}, {"city", "\"\xff\xfe\""}, {"city", "\"\xed\xa0\x80\""}, {"city", "\"a\nb\""},
	{"note", `"\u0000"`}, {"note", `[{"\u0000":1}]`}, {"note", `{"a":"\udfff"}`}, {"note", "[\"\xc0\x80\"]"}, {"note", `{"a":1,"\u0061":2}`},
	{"note", strings.Repeat("[", 64) + strings.Repeat("]", 64)}, {"note", strings.Repeat("[", 20_000)}, {"note", strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64)},
	{"a", `1,"a":1`}, {`\u0061mount`, `1`}, {"status", `"PENDING","status":"SUCCESS"`}, {"a\x00b", `1`}, {`\ud800`, `1`}, {"bad\xff", `1`},
}

// garbage is no record of a payment at all.
func (h *hostile) garbage() {
	p, at := h.begin()
	whole := p.text()
	key := []byte(strings.Trim(p.get("transaction_id"), `"`))
	for range 2 {
		value := pick(h, []byte{}, []byte(" "), []byte("null"), []byte("hello"), []byte("[]"), []byte("{}"), []byte(`"text"`), []byte("0"), []byte("\xff\xfe\x00"),
			[]byte{0, 0, 0, 0, 7, 'x'}, whole[:len(whole)/2], append([]byte("\ufeff"), whole...), append(append([]byte{}, whole...), whole...),
			append(append([]byte{}, whole...), '}'), append(append([]byte("["), whole...), ']'), []byte(strings.Repeat("{", 100_000)),
			[]byte(strings.ReplaceAll(string(whole), `"`, `'`)), append(append([]byte{}, whole...), 0))
		h.put(Event{Partition: partitionOf(string(key)), Time: at, Key: key, Value: value})
	}
}
