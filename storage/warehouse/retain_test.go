package warehouse_test

import (
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/warehouse"
)

// TestRetention drops the months of bronze that are old enough and in Gold; Gold, its full refresh, the audits and a replay of a day
// that was dropped are as if they had been kept.
func TestRetention(t *testing.T) {
	const days = 4
	events := topic(34, 150, days)
	l, err := lake.Open(t.TempDir(), "transactions")
	if err != nil {
		t.Fatal(err)
	}
	commitAs(t, l, events, 100, tooMuch)
	p := newPipeline(t, nil)
	w := p.warehouse(warehouse.FromLake(l))
	march := time.Date(2024, 3, 31, 23, 0, 0, 0, time.UTC)
	retain := func(keep int) warehouse.Retained {
		t.Helper()
		done, err := w.Retain(background, keep, march)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	const january = `SELECT count(*) FROM bronze.transactions WHERE event_time >= '2024-01-01' AND event_time < '2024-02-01'`
	load(t, w, dayNumber(days-1))
	if done := retain(1); len(done.Dropped) > 0 || len(done.Waiting) == 0 {
		t.Errorf("not built: %+v", done)
	}
	p.run(dayNumber(days - 1))
	before := p.text(`SELECT * FROM gold.fct_transactions ORDER BY transaction_id`)
	if done := retain(3); len(done.Dropped)+len(done.Waiting) > 0 || !done.DroppedBefore.Equal(time.Date(2023, 12, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("three months: %+v", done)
	}
	rows, behind := p.count(january), p.count(`SELECT count(*) FROM bronze.superseded WHERE event_time >= '2024-01-01' AND event_time < '2024-02-01'`)
	done := retain(1)
	if len(done.Waiting) > 0 || len(done.Dropped) == 0 || done.Dropped[len(done.Dropped)-1] != (warehouse.Expired{Month: "2024-01", Rows: rows, Superseded: behind}) {
		t.Errorf("one month: %+v, want %d rows and %d behind them", done, rows, behind)
	}
	if again := retain(1); p.count(january) != 0 || len(again.Dropped)+len(again.Waiting) > 0 {
		t.Errorf("again: %+v, %d rows are left", again, p.count(january))
	}
	audit := func(when string) {
		t.Helper()
		for d := range days {
			a, err := w.AuditDay(background, warehouse.AuditRequest{Day: dayNumber(d), DAGID: "daily_transactions", Through: 1 << 40})
			if err != nil {
				t.Fatal(err)
			}
			if !a.Clean() {
				t.Errorf("%s: %s", when, asJSON(t, a))
			}
			if c, err := w.Day(background, dayNumber(d)); err != nil || c.Rows+c.Expired+c.Duplicates+c.Rejected != c.LakeRows {
				t.Errorf("%s: %+v, %v", when, c, err)
			}
		}
	}
	audit("dropped")
	p.run(dayNumber(days - 1))
	compare(t, "Gold, built again", p.text(`SELECT * FROM gold.fct_transactions ORDER BY transaction_id`), before)
	p.run(dayNumber(days-1), "--full-refresh")
	compare(t, "Gold, built from scratch", p.text(`SELECT * FROM gold.fct_transactions ORDER BY transaction_id`), before)
	if a := p.call(dayNumber(days-1), "test"); !a.Success {
		t.Errorf("dbt test: %+v", a)
	}
	p.exec(`UPDATE metadata.bronze_expired SET rows = rows - 1, superseded = 0 WHERE day = '2024-01-02'`)
	if a, err := w.AuditDay(background, warehouse.AuditRequest{Day: dayNumber(1)}); err != nil || a.Sound() {
		t.Errorf("a record that was not dropped is missing: %s, %v", asJSON(t, a), err)
	}
	p.exec(`UPDATE metadata.bronze_expired SET rows = rows + 1, superseded = 10000 WHERE day = '2024-01-02'`)

	files := lake.NewWriter[payment.Row](l)
	for d := range days {
		if _, err := files.Replay(background, dayNumber(d), sentAgain(events)); err != nil {
			t.Fatal(err)
		}
	}
	if err := files.Close(); err != nil {
		t.Fatal(err)
	}
	load(t, w, dayNumber(days-1))
	p.run(dayNumber(days - 1))
	p.checkGold(events)
	retain(1)
	p.run(dayNumber(days-1), "--full-refresh")
	p.checkGold(events)
	if _, err := w.Retain(background, 0, march); err == nil {
		t.Error("no month is to be kept, and all were dropped")
	}
}
