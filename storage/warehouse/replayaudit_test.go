package warehouse_test

import (
	"context"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/payment/goldref"
	"github.com/tidemill/tidemill/storage/warehouse"
)

// tooMuch is a decoder that stores 1230.00 for 12.30, and makes a payment of what is none.
func tooMuch(rec *lake.Record, into *payment.Row) lake.Verdict {
	if v := decode(rec, into); v.Broken {
		at := rec.Timestamp.UnixMicro()
		*into = payment.Row{TransactionID: "00000000-0000-4000-8000-000000000000", Status: "PENDING", EventTime: at, InitiatedAt: at, Currency: "INR",
			CustomerID: "c", MerchantID: "m", PaymentMethod: "UPI", KafkaPartition: rec.Partition, KafkaOffset: rec.Offset, KafkaTimestamp: at, IngestionTimestamp: rec.IngestedAt.UnixMicro()}
		return lake.Verdict{EventTime: rec.Timestamp}
	}
	if into.Amount < 1e15 {
		into.Amount *= 100
	}
	return lake.Verdict{EventTime: time.UnixMicro(into.EventTime)}
}

// sentAgain has the rows of a replay made of the records that were sent.
func sentAgain(events []goldref.Event) lake.Decoder[payment.Row] {
	type at struct {
		partition int32
		offset    int64
	}
	sent := map[at]goldref.Event{}
	for _, e := range events {
		sent[at{e.Partition, e.Offset}] = e
	}
	return lake.Decoder[payment.Row]{Transform: decode, Rows: func(_ context.Context, _ string, _ []payment.Row, places []lake.Place, take func(*lake.Record, *payment.Row, lake.Verdict) error) error {
		for _, p := range places {
			e := sent[at{p.Partition, p.Offset}]
			rec := lake.Record{Value: e.Value, Partition: e.Partition, Offset: e.Offset, Timestamp: e.Time, IngestedAt: time.UnixMicro(p.IngestedAt)}
			var row payment.Row
			v := decode(&rec, &row)
			if err := take(&rec, &row, v); err != nil {
				return err
			}
		}
		return nil
	}}
}

// TestAuditOfAReplayedDay follows a day through its replay: what is to be loaded, taken out and built waits, and is wrong where
// it must be done by now; in the end every step has what the records say.
func TestAuditOfAReplayedDay(t *testing.T) {
	const days = 3
	events := topic(33, 150, days)
	for i := range events {
		if i%31 == 0 {
			events[i].Value = []byte("no JSON")
		}
	}
	l, err := lake.Open(t.TempDir(), "transactions")
	if err != nil {
		t.Fatal(err)
	}
	commitAs(t, l, events, 40, tooMuch)
	p := newPipeline(t, nil)
	w := p.warehouse(warehouse.FromLake(l), warehouse.WithBatch(50))
	load(t, w, dayNumber(days-1))
	p.run(dayNumber(days - 1))
	audit := func(day lake.Day, req warehouse.AuditRequest) warehouse.DayAudit {
		t.Helper()
		req.Day = day
		a, err := w.AuditDay(background, req)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	check := func(when string, waits func(warehouse.DayAudit) bool) {
		t.Helper()
		some := false
		for d := range days {
			a := audit(dayNumber(d), warehouse.AuditRequest{})
			if !a.Sound() {
				t.Errorf("%s, %s: %s", when, dayNumber(d), asJSON(t, a))
			}
			some = some || waits(a)
		}
		if !some {
			t.Errorf("%s: nothing waits as it should", when)
		}
	}
	clean := func(when string) {
		t.Helper()
		for d := range days {
			if a := audit(dayNumber(d), warehouse.AuditRequest{DAGID: "daily_transactions", Through: 1 << 40}); !a.Clean() {
				t.Errorf("%s, %s: %s", when, dayNumber(d), asJSON(t, a))
			}
		}
	}
	clean("before")
	files := lake.NewWriter[payment.Row](l)
	if _, err := files.Compact(background, auditedDay, lake.DefaultTarget); err != nil {
		t.Fatal(err)
	}
	decoder := sentAgain(events)
	for _, day := range []lake.Day{auditedDay, dayNumber(0)} {
		done, err := files.Replay(background, day, decoder)
		if err != nil {
			t.Fatal(err)
		}
		if done.ToDeadLetter == 0 {
			t.Fatalf("replayed: %+v", done)
		}
	}
	check("replayed", func(a warehouse.DayAudit) bool { return a.Unloaded.Records > 0 && a.Unremoved.Records > 0 })
	if a := audit(auditedDay, warehouse.AuditRequest{Through: 1 << 40}); a.Sound() {
		t.Errorf("replayed, and to be loaded by now: %s", asJSON(t, a))
	}
	through := int64(0)
	for try, req := range []warehouse.Request{request(auditedDay, 1), request(auditedDay, 2)} {
		req.RunID = "after the replay"
		got, err := w.Load(background, req)
		if err != nil {
			t.Fatal(err)
		}
		through = got.Through
		if c := got.Attempt; try == 0 && (c.Replaced == 0 || c.Removed == 0 || c.Loaded+c.Duplicate+c.Conflicting > 0) || try == 1 && (c.Replaced+c.Removed > 0 || c.Skipped == 0) {
			t.Errorf("try %d: %+v", try+1, c)
		}
		if got.Day.Rows+got.Day.Duplicates != got.Day.LakeRows {
			t.Errorf("try %d: the day's counts are %+v", try+1, got.Day)
		}
	}
	check("loaded", func(a warehouse.DayAudit) bool {
		return a.Unbuilt.Records > 0 && a.Unloaded.Records+a.Unremoved.Records == 0
	})
	if a := audit(auditedDay, warehouse.AuditRequest{DAGID: "daily_transactions", RunID: "after the replay", Through: through}); a.Sound() {
		t.Errorf("loaded, and to be built by now: %s", asJSON(t, a))
	}
	p.run(dayNumber(days - 1))
	clean("built")
	if n := p.count(`SELECT count(*) FROM gold.fct_transactions WHERE transaction_id LIKE '00000000-%' AND processing_date <= $1`, auditedDay.Start()); n != 0 {
		t.Errorf("%d payments that are none", n)
	}
	if _, err := files.Replay(background, dayNumber(2), decoder); err != nil {
		t.Fatal(err)
	}
	load(t, w, dayNumber(days-1))
	p.run(dayNumber(days - 1))
	clean("all")
	p.checkGold(events)

	// A person who is erased from the lake is erased from bronze, from what stands behind it, and from Gold.
	const ofPerson = `SELECT (SELECT count(*) FROM bronze.transactions WHERE customer_id = $1) + (SELECT count(*) FROM bronze.superseded WHERE customer_id = $1)
		+ (SELECT count(*) FROM gold.fct_transactions WHERE customer_id = $1) + (SELECT count(*) FROM gold_build.fct_transactions WHERE customer_id = $1)`
	const person = "c7"
	payments := `SELECT transaction_id, status, amount, currency, event_time, kafka_partition, kafka_offset FROM gold.fct_transactions ORDER BY transaction_id`
	before := p.text(payments)
	if p.count(ofPerson, person) == 0 {
		t.Fatalf("nothing is of %s", person)
	}
	if done, err := files.Erase(background, lake.Erasure{Person: person}); err != nil || len(done.Days) == 0 {
		t.Fatalf("erased: %+v, %v", done, err)
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	load(t, w, dayNumber(days-1))
	p.run(dayNumber(days - 1))
	clean("erased")
	if n, as := p.count(ofPerson, person), p.count(ofPerson, payment.Erased); n != 0 || as == 0 {
		t.Errorf("%d rows of the person are left, %d are of nobody", n, as)
	}
	compare(t, "payments after an erasure", p.text(payments), before)
}
