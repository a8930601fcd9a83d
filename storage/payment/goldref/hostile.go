package goldref

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

const (
	// HostilePartitions is how many partitions the events of Hostile are spread over.
	HostilePartitions = 6
	// HostileDays is how many days, from HostileStart, most of them fall on.
	HostileDays = 10
)

// HostileStart is the beginning of the first of these days.
var HostileStart = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// Hostile makes n records that, from 2,000 on, hold every edge of the contract, the same for the same seed:
// late settlements and refunds, disorder, byte-for-byte retries, one event with different payloads, ties on event_time
// decided by status, record timestamp, partition and offset, tombstones, null and other keys, unknown fields, offsets in
// time zones, amounts at the limits, broken and hostile bytes, record timestamps at the borders of days, before 2000 and
// far ahead (2100), payments that change their currency and their beginning, UUIDs in upper case, and text that is
// awkward for SQL, CSV and shells.
//
// The records come in the order in which they are to be produced to an empty topic of HostilePartitions partitions, each
// to its Partition: they then get the Offset that stands in them.
func Hostile(seed uint64, n int) []Event {
	h := &hostile{rng: rand.New(rand.NewPCG(seed, 0x7469646d696c6c))}
	for i := 0; len(h.events) < n; i++ {
		h.scenario(i)
	}
	h.disorder()
	var offsets [HostilePartitions]int64
	events := h.events[:n]
	for i := range events {
		events[i].Offset = offsets[events[i].Partition]
		offsets[events[i].Partition]++
	}
	return events
}

// hostile gathers records; each scenario adds those of one payment, or one record that is none.
type hostile struct {
	rng    *rand.Rand
	events []Event
	wrong  int // how many of brokenFields were used
}

// scenarios are taken in turn, so that none is left out; every third payment is an ordinary one.
var scenarios = []func(*hostile){
	(*hostile).late, (*hostile).retried, (*hostile).conflicting, (*hostile).statusTie, (*hostile).rankTie, (*hostile).backwards,
	(*hostile).keys, (*hostile).tombstone, (*hostile).unknown, (*hostile).zones, (*hostile).amounts, (*hostile).broken,
	(*hostile).broken, (*hostile).broken, (*hostile).broken, (*hostile).borders, (*hostile).outOfTime, (*hostile).changed, (*hostile).upperCase, (*hostile).strings,
	(*hostile).optional, (*hostile).extremes, (*hostile).garbage,
}

func (h *hostile) scenario(i int) {
	if i%3 == 0 {
		h.ordinary()
		return
	}
	scenarios[i*2/3%len(scenarios)](h)
}

// disorder sorts the records by their time, roughly: most a little, some far from their place.
func (h *hostile) disorder() {
	type placed struct {
		event Event
		at    int64
	}
	all := make([]placed, len(h.events))
	for i, e := range h.events {
		late := h.rng.Int64N(int64(2 * time.Minute))
		if h.one(20) {
			late = h.rng.Int64N(int64(48 * time.Hour))
		}
		all[i] = placed{e, e.Time.UnixMilli() + late/int64(time.Millisecond)}
	}
	slices.SortStableFunc(all, func(a, b placed) int { return cmp.Compare(a.at, b.at) })
	// What lies outside the usual days would otherwise come first or last.
	for i := range all {
		if y := all[i].event.Time.Year(); y != HostileStart.Year() {
			j := h.rng.IntN(len(all))
			all[i], all[j] = all[j], all[i]
		}
	}
	for i := range all {
		h.events[i] = all[i].event
	}
}

func (h *hostile) one(in int) bool { return h.rng.IntN(in) == 0 }

func pick[T any](h *hostile, from ...T) T { return from[h.rng.IntN(len(from))] }

// begin returns the first record of a new payment, PENDING, and when it happened.
func (h *hostile) begin() (payload, time.Time) {
	at := HostileStart.Add(time.Duration(h.rng.Int64N(int64((HostileDays - 1) * 24 * time.Hour)))).Truncate(time.Microsecond)
	id := fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", h.rng.Uint32(), h.rng.IntN(1<<16), h.rng.IntN(1<<12),
		0x8000|h.rng.IntN(1<<14), h.rng.Int64N(1<<48))
	p := payload{
		{"transaction_id", quote(id)}, {"initiated_at", quoteTime(at)},
		{"amount", fmt.Sprintf("%d.%02d", h.rng.IntN(2000), h.rng.IntN(100))},
		{"currency", quote(pick(h, "INR", "USD", "EUR", "CHF", "BRL"))},
		{"customer_id", quote(fmt.Sprintf("c%05d", h.rng.IntN(300)))}, {"merchant_id", quote(fmt.Sprintf("m%04d", h.rng.IntN(50)))},
		{"merchant_category", quote(pick(h, "travel", "food", "utilities"))},
		{"payment_method", quote(pick(h, "UPI", "CARD", "NETBANKING", "WALLET"))},
		{"customer_email", quote(fmt.Sprintf("user%d@example.com", h.rng.IntN(1000)))}, {"device_type", quote(pick(h, "web", "ios", "android"))},
		{"ip_address", quote(fmt.Sprintf("10.%d.%d.%d", h.rng.IntN(256), h.rng.IntN(256), h.rng.IntN(256)))},
		{"city", quote(pick(h, "Mumbai", "Zürich", "São Paulo"))}, {"country", quote(pick(h, "IN", "CH", "BR"))},
		{"is_fraud", pick(h, "false", "false", "false", "true")}, {"fraud_score", fmt.Sprintf("0.%04d", h.rng.IntN(10000))},
		{"status", `"PENDING"`}, {"event_time", quoteTime(at)},
	}
	if h.one(2) {
		p = p.with("amount", quote(p.get("amount")))
	}
	return p, at
}

// then returns the payment's record of a later change of state.
func (p payload) then(status string, at time.Time) payload {
	return p.with("status", quote(status)).with("event_time", quoteTime(at))
}

// add takes a record as it usually comes: soon after it happened, under its key, in its key's partition.
func (h *hostile) add(p payload, at time.Time) {
	h.addAt(p, at.Add(time.Duration(h.rng.IntN(3000))*time.Millisecond))
}

// addAt takes a record with a timestamp of its own.
func (h *hostile) addAt(p payload, recorded time.Time) {
	key := strings.Trim(p.get("transaction_id"), `"`)
	h.put(Event{Partition: partitionOf(key), Time: recorded, Key: []byte(key), Value: p.text()})
}

func (h *hostile) put(e Event) {
	e.Time = e.Time.UTC().Truncate(time.Millisecond)
	h.events = append(h.events, e)
}

func partitionOf(key string) int32 {
	hash := fnv.New32a()
	hash.Write([]byte(strings.ToLower(key)))
	return int32(hash.Sum32() % HostilePartitions)
}

func (h *hostile) minutes(most int) time.Duration {
	return time.Duration(h.rng.Int64N(int64(most)*int64(time.Minute))) + time.Second
}

// ordinary is a payment that settles within the hour, mostly.
func (h *hostile) ordinary() {
	p, at := h.begin()
	h.add(p, at)
	if h.one(12) {
		return // it stays pending
	}
	settled := at.Add(h.minutes(60))
	p = p.then(pick(h, "SUCCESS", "SUCCESS", "SUCCESS", "FAILED"), settled)
	h.add(p, settled)
	if h.one(12) {
		refunded := settled.Add(h.minutes(60 * 24))
		h.add(p.then("REFUNDED", refunded), refunded)
	}
}
