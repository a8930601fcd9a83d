package goldref

import (
	"fmt"
	"strings"
	"time"
)

// late settles after one to three days, some after six.
func (h *hostile) late() {
	p, at := h.begin()
	h.add(p, at)
	settled := at.Add(24*time.Hour + h.minutes(48*60))
	if h.one(4) {
		settled = settled.Add(72 * time.Hour)
	}
	h.add(p.then("SUCCESS", settled), settled)
}

// retried comes more than once, byte for byte: at once, and once more days later.
func (h *hostile) retried() {
	p, at := h.begin()
	h.addAt(p, at)
	h.addAt(p, at)
	settled := at.Add(h.minutes(60))
	p = p.then("SUCCESS", settled)
	for range 1 + h.rng.IntN(3) {
		h.addAt(p, settled)
	}
	h.addAt(p, settled.Add(h.minutes(4*24*60)))
}

// conflicting has one event several times with different payloads; its record timestamps, partitions and offsets decide.
func (h *hostile) conflicting() {
	p, at := h.begin()
	p = p.then("SUCCESS", at)
	for range 2 + h.rng.IntN(3) {
		p = p.with("amount", fmt.Sprint(h.rng.IntN(1000))).with("city", quote(fmt.Sprint("city ", h.rng.IntN(100))))
		e := Event{Partition: int32(h.rng.IntN(HostilePartitions)), Time: at, Key: []byte("x"), Value: p.text()}
		if h.one(2) {
			e.Time = at.Add(h.minutes(3 * 24 * 60))
		}
		h.put(e)
		if h.one(2) {
			h.put(e)
		}
	}
}

// statusTie takes on several states at one instant: the rank of the status decides.
func (h *hostile) statusTie() {
	p, at := h.begin()
	states := []string{"PENDING", pick(h, "SUCCESS", "FAILED"), "REFUNDED"}
	h.rng.Shuffle(len(states), func(i, j int) { states[i], states[j] = states[j], states[i] })
	for _, status := range states[:2+h.rng.IntN(2)] {
		h.addAt(p.then(status, at), at.Add(h.minutes(24*60)))
	}
}

// rankTie succeeds and fails at one instant: record timestamp, then partition, then offset decide. A copy of the
// loser that comes later makes it the winner.
func (h *hostile) rankTie() {
	p, at := h.begin()
	recorded, partition := at.Add(time.Second), int32(h.rng.IntN(HostilePartitions))
	kind := h.rng.IntN(4)
	for i, status := range []string{"SUCCESS", "FAILED", "SUCCESS"} {
		e := Event{Partition: partition, Time: recorded, Value: p.then(status, at).text(), Key: []byte(strings.Trim(p.get("transaction_id"), `"`))}
		switch {
		case kind == 0: // the timestamp decides
			e.Time = recorded.Add(h.minutes(3 * 24 * 60))
		case kind == 1: // the partition decides
			e.Partition = int32(h.rng.IntN(HostilePartitions))
		case kind == 2 && i == 2: // no copy: the offset decides
			return
		}
		h.put(e)
	}
}

// backwards comes in reverse, days apart: what is older must not change what is newer.
func (h *hostile) backwards() {
	p, at := h.begin()
	settled, refunded := at.Add(h.minutes(60)), at.Add(time.Hour+h.minutes(60))
	h.addAt(p.then("REFUNDED", refunded), refunded)
	h.addAt(p.then("SUCCESS", settled), refunded.Add(h.minutes(24*60)))
	h.addAt(p, refunded.Add(24*time.Hour+h.minutes(24*60)))
}

// keys come null, empty, of another payment, in upper case, with a blank before them, and with U+0000.
func (h *hostile) keys() {
	p, at := h.begin()
	id := strings.Trim(p.get("transaction_id"), `"`)
	keys := [][]byte{nil, {}, []byte("another"), []byte(strings.ToUpper(id)), []byte(" " + id), []byte("\x00é")}
	for i, status := range []string{"PENDING", "SUCCESS", "REFUNDED"} {
		changed := at.Add(time.Duration(i) * time.Hour)
		h.put(Event{Partition: int32(h.rng.IntN(HostilePartitions)), Time: changed, Key: pick(h, keys...), Value: p.then(status, changed).text()})
	}
}

// tombstone has no value; it takes nothing away from its payment.
func (h *hostile) tombstone() {
	p, at := h.begin()
	h.add(p, at)
	key := []byte(strings.Trim(p.get("transaction_id"), `"`))
	h.put(Event{Partition: partitionOf(string(key)), Time: at.Add(time.Minute), Key: key})
	if h.one(2) {
		h.put(Event{Partition: int32(h.rng.IntN(HostilePartitions)), Time: at})
	}
}

// unknown fields are kept as they are.
func (h *hostile) unknown() {
	p, at := h.begin()
	h.add(p.with("schema", "3").with("note", quote("a\tb\\N\"")).with("deep", strings.Repeat("[", 63)+strings.Repeat("]", 63)), at)
	settled := at.Add(h.minutes(60))
	p = p.then("SUCCESS", settled)
	p = append(payload{{"first", `{"b" : 1e400000, "a":[ 1.50 ,null,{"x":"\ud83d\ude00"}]}`}}, p...)
	h.add(p.with(`\u00fcml`, "true").with("STATUS", `"FAILED"`).with("", "0").with("raw", `"\\u0000"`), settled)
}

// zones writes one instant in several ways: the same event with different payloads, decided by where they lie.
func (h *hostile) zones() {
	p, at := h.begin()
	at = at.Truncate(time.Second)
	for _, form := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02t15:04:05.000000999Z07:00", "2006-01-02T15:04:05.0Z07:00"} {
		zone := time.FixedZone("", 60*pick(h, 0, 330, -570, 23*60+59, -23*60-59, 60))
		h.add(p.with("event_time", quote(at.In(zone).Format(form))).with("initiated_at", quote(at.In(zone).Format(form))), at)
	}
	settled := at.Add(time.Minute)
	h.add(p.then("SUCCESS", settled).with("event_time", quote(settled.In(time.FixedZone("", -3600)).Format("2006-01-02T15:04:05.999999999-07:00"))), settled)
}

// amounts stand at the limits.
func (h *hostile) amounts() {
	p, at := h.begin()
	h.add(p.then("SUCCESS", at).with("amount", pick(h, `0`, `-0`, `-0.00`, `0.00`, `0e40`, `1e3`, `1E+3`, `12.30`, `1.230`, `0.07`, `1e-2`,
		`9999999999999999.99`, `9999999999999999.99000`, `999999999999999999e-2`, `1e15`, `0.000000000000000000000000000001e32`,
		`"0"`, `"0000000000000001.5"`, `"9999999999999999.99"`, `"7.1000000000"`, `100000000000000000000000000000000000000e-38`)), at)
}

// borders lie at the first and last millisecond of a day, and at those of a transaction date.
func (h *hostile) borders() {
	p, _ := h.begin()
	midnight := HostileStart.AddDate(0, 0, 1+h.rng.IntN(HostileDays-2))
	before, after := midnight.Add(-time.Microsecond), midnight.Add(time.Minute)
	h.addAt(p.with("initiated_at", quoteTime(before)).with("event_time", quoteTime(before)), midnight.Add(-time.Millisecond))
	p = p.then("SUCCESS", after).with("initiated_at", quoteTime(midnight.In(time.FixedZone("", 14*3600))))
	h.addAt(p, midnight)
}

// outOfTime has record timestamps that the contract refuses, and the first that it takes.
func (h *hostile) outOfTime() {
	p, at := h.begin()
	h.addAt(p.then("SUCCESS", at), pick(h, time.UnixMilli(0), time.UnixMilli(1), time.Date(1999, 12, 31, 23, 59, 59, 999e6, time.UTC),
		time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2100, 6, 1, 0, 0, 0, 1e6, time.UTC)))
	if h.one(2) {
		h.add(p, at)
	}
}

// changed takes another currency, beginning, amount and verdict between its records: the winner's count.
func (h *hostile) changed() {
	p, at := h.begin()
	h.add(p, at)
	p = p.with("currency", `"JPY"`)
	if h.one(2) {
		p = p.with("initiated_at", quoteTime(at.Add(-h.minutes(3*24*60))))
	}
	settled := at.Add(h.minutes(2 * 24 * 60))
	h.add(p.then("SUCCESS", settled).with("amount", `"17.00"`).with("is_fraud", "true"), settled)
	if h.one(2) {
		h.add(p.then("REFUNDED", settled.Add(time.Hour)).with("currency", `"KRW"`), settled.Add(time.Hour))
	}
}

// upperCase writes its UUID in another case each time: it is one payment.
func (h *hostile) upperCase() {
	p, at := h.begin()
	h.add(p.with("transaction_id", strings.ToUpper(p.get("transaction_id"))), at)
	settled := at.Add(h.minutes(60))
	p = p.then("SUCCESS", settled)
	h.add(p, settled)
	h.add(p.with("transaction_id", strings.ToUpper(p.get("transaction_id"))), settled)
}

// strings are awkward for SQL, CSV, COPY and HTML, but allowed.
func (h *hostile) strings() {
	p, at := h.begin()
	odd := []string{`"\\N"`, `"\\."`, `"'; DROP TABLE gold.fct_transactions; --"`, `"a,b\"c\nd\te\rf"`, `"\u0001\u001f\u007f"`, `"\uffff\ufffe\ufeff"`,
		`"\u2028\u2029"`, `"NULL"`, `" "`, `"<script>&amp;{{ this }}%s$1"`, `"\ud83d\ude00\ud83c\udff3"`, `"e\u0301 é"`, `"\/\b\f"`, quote(strings.Repeat("x", 64)), quote(strings.Repeat("😀", 64))}
	for _, name := range []string{"customer_id", "merchant_id", "merchant_category", "customer_email", "device_type", "ip_address", "city", "country"} {
		p = p.with(name, pick(h, odd...))
	}
	h.add(p, at)
	if h.one(4) {
		h.add(p.then("SUCCESS", at.Add(time.Hour)).with("note", quote(strings.Repeat("long ", 20_000))), at.Add(time.Hour))
	}
}

// optional fields are null, absent or empty.
func (h *hostile) optional() {
	p, at := h.begin()
	for _, name := range []string{"customer_email", "merchant_category", "device_type", "ip_address", "city", "country", "is_fraud", "fraud_score"} {
		switch h.rng.IntN(4) {
		case 0:
			p = p.with(name, "null")
		case 1:
			p = p.without(name)
		case 2:
			if name != "is_fraud" && name != "fraud_score" {
				p = p.with(name, `""`)
			}
		}
	}
	if h.one(2) {
		p = p.with("fraud_score", pick(h, "0", "1", "-0.0", "1.000", "5e-1", "1e-300"))
	}
	h.rng.Shuffle(len(p), func(i, j int) { p[i], p[j] = p[j], p[i] })
	h.add(p, at)
}

// extremes lie at the first and last microsecond that the contract takes.
func (h *hostile) extremes() {
	p, at := h.begin()
	first, last := `"1970-01-01T00:00:00Z"`, pick(h, `"9999-12-31T23:59:59.999999999Z"`, `"9999-12-31T00:00:00-23:59"`)
	h.add(p.with("event_time", first), at)
	if h.one(2) {
		h.add(p.with("status", `"SUCCESS"`).with("event_time", last).with("initiated_at", pick(h, first, last)), at)
	}
}
