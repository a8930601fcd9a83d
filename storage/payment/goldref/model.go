package goldref

import (
	"bytes"
	"cmp"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
)

// Event is one record of the topic.
type Event struct {
	Partition int32
	Offset    int64
	// Time is the record's timestamp, in whole milliseconds.
	Time time.Time
	// Key is nil for a null key.
	Key []byte
	// Value is nil for a tombstone; zero bytes that are not nil are a broken record.
	Value []byte
}

// Accepted is a record that keeps the contract.
type Accepted struct {
	Event
	Payment
}

// Day returns the record's lake day, as 2024-01-05.
func (a Accepted) Day() string { return a.Time.UTC().Format(time.DateOnly) }

// DeadLetter is a record that breaks the contract.
type DeadLetter struct {
	Event
	Reason string
}

// Topic is what the contract makes of a list of records.
type Topic struct {
	// Accepted and DeadLetters are in the order given.
	Accepted    []Accepted
	DeadLetters []DeadLetter
	Tombstones  int
	// KeyMismatches counts accepted records whose key is not their transaction_id.
	KeyMismatches int
	// OKByDay counts accepted records by lake day.
	OKByDay map[string]int
	// Bronze has the winner of each event (transaction_id, status, event_time), in the order of transaction_id and then
	// of a payment's records.
	Bronze []Accepted
	// Duplicates counts the accepted records whose payload is the same as their event's winner's, Conflicting those
	// whose payload is another. Together they are the accepted records that are not in Bronze.
	Duplicates, Conflicting int
	// Transactions is gold.fct_transactions: the winner of each payment, by transaction_id.
	Transactions []Accepted
	// Daily is gold.fct_daily_revenue, by date and currency.
	Daily []Revenue
}

// Revenue is a row of gold.fct_daily_revenue.
type Revenue struct {
	Date, Currency                                            string
	Transactions, Pending, Succeeded, Failed, Refunded, Fraud int
	// Gross and RefundedAmount are sums as text with two decimals: they may go beyond an int64.
	Gross, RefundedAmount string
}

// Of works out a topic. now is the clock against which record timestamps are held.
func Of(events []Event, now time.Time) Topic {
	topic := Topic{OKByDay: map[string]int{}}
	for _, e := range events {
		if e.Value == nil {
			topic.Tombstones++
			continue
		}
		payment, err := Read(e.Value)
		switch reason := timestampReason(e.Time, now); {
		case reason != "":
			topic.DeadLetters = append(topic.DeadLetters, DeadLetter{e, reason})
			continue
		case err != nil:
			topic.DeadLetters = append(topic.DeadLetters, DeadLetter{e, err.Error()})
			continue
		}
		a := Accepted{e, payment}
		topic.Accepted = append(topic.Accepted, a)
		topic.OKByDay[a.Day()]++
		if e.Key == nil || strings.ToLower(string(e.Key)) != payment.TransactionID {
			topic.KeyMismatches++
		}
	}
	topic.settle()
	return topic
}

func timestampReason(at, now time.Time) string {
	switch {
	case at.Before(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)):
		return "kafka_timestamp: before 2000"
	case at.After(now.Add(24 * time.Hour)):
		return "kafka_timestamp: more than 24 hours ahead"
	}
	return ""
}

// Compare orders records: by transaction_id, then as the contract orders a payment's records. The last is the winner.
func Compare(a, b Accepted) int {
	rank := map[string]int{"PENDING": 0, "SUCCESS": 1, "FAILED": 1, "REFUNDED": 2}
	return cmp.Or(
		strings.Compare(a.TransactionID, b.TransactionID),
		cmp.Compare(a.EventTime, b.EventTime),
		cmp.Compare(rank[a.Status], rank[b.Status]),
		a.Time.Compare(b.Time),
		cmp.Compare(a.Partition, b.Partition),
		cmp.Compare(a.Offset, b.Offset),
	)
}

// settle fills in everything that follows from the accepted records.
func (t *Topic) settle() {
	sorted := slices.SortedFunc(slices.Values(t.Accepted), Compare)
	type eventKey struct {
		id, status string
		at         Micros
	}
	keyOf := func(a Accepted) eventKey { return eventKey{a.TransactionID, a.Status, a.EventTime} }
	events, payments := map[eventKey]Accepted{}, map[string]Accepted{}
	for _, a := range sorted {
		events[keyOf(a)] = a
		payments[a.TransactionID] = a
	}
	for _, a := range sorted {
		winner := events[keyOf(a)]
		switch {
		case winner.Partition == a.Partition && winner.Offset == a.Offset:
		case bytes.Equal(winner.Value, a.Value):
			t.Duplicates++
		default:
			t.Conflicting++
		}
	}
	t.Bronze = slices.SortedFunc(maps.Values(events), Compare)
	t.Transactions = slices.SortedFunc(maps.Values(payments), Compare)
	t.revenue()
}

// TransactionDate returns the date of initiated_at in UTC, as 2024-01-05.
func (a Accepted) TransactionDate() string {
	return time.UnixMicro(int64(a.InitiatedAt)).UTC().Format(time.DateOnly)
}

func (t *Topic) revenue() {
	type group struct{ date, currency string }
	type sums struct {
		row             Revenue
		gross, refunded big.Int
	}
	groups := map[group]*sums{}
	for _, a := range t.Transactions {
		g := group{a.TransactionDate(), a.Currency}
		s := groups[g]
		if s == nil {
			s = &sums{row: Revenue{Date: g.date, Currency: g.currency}}
			groups[g] = s
		}
		s.row.Transactions++
		switch a.Status {
		case "PENDING":
			s.row.Pending++
		case "SUCCESS":
			s.row.Succeeded++
			s.gross.Add(&s.gross, big.NewInt(a.Amount))
		case "FAILED":
			s.row.Failed++
		case "REFUNDED":
			s.row.Refunded++
			s.refunded.Add(&s.refunded, big.NewInt(a.Amount))
		}
		if a.IsFraud {
			s.row.Fraud++
		}
	}
	for _, s := range groups {
		s.row.Gross, s.row.RefundedAmount = money(&s.gross), money(&s.refunded)
		t.Daily = append(t.Daily, s.row)
	}
	slices.SortFunc(t.Daily, func(a, b Revenue) int {
		return cmp.Or(strings.Compare(a.Date, b.Date), strings.Compare(a.Currency, b.Currency))
	})
}

// Money returns hundredths as text with two decimals.
func Money(hundredths int64) string { return money(big.NewInt(hundredths)) }

func money(hundredths *big.Int) string {
	return new(big.Rat).SetFrac(hundredths, big.NewInt(100)).FloatString(2)
}
