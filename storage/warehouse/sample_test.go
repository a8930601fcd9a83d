package warehouse_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/tidemill/tidemill/storage/payment/events"
	"github.com/tidemill/tidemill/storage/payment/goldref"
)

const sample = "../../testdata/payments-7d/"

// TestGoldOfTheSample compares Gold with what was worked out for the sample apart from this project, table by table.
func TestGoldOfTheSample(t *testing.T) {
	r, err := events.Open(sample + "events.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	var all []goldref.Event
	for e, err := range r.All() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, goldref.Event{Offset: int64(len(all)), Time: e.Time, Key: e.Key, Value: e.Value})
	}
	p := newPipeline(t, all)
	for d := range 7 {
		p.arrive(t, "first", dayNumber(d), all)
		load(t, p.w, dayNumber(d))
		if d == 2 || d == 6 {
			p.run(dayNumber(d))
		}
	}
	p.checkGold(all)

	var want struct {
		Gold  map[string][6]any
		Daily map[string]map[string]any `json:"daily_revenue"`
	}
	file, err := os.Open(sample + "expected.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	text, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(text).Decode(&want); err != nil {
		t.Fatal(err)
	}
	var wantGold, wantDaily []string
	for id, g := range want.Gold {
		wantGold = append(wantGold, fmt.Sprint(id, g[0], " ", g[1], " ", g[2], " ", g[3], " ", g[4], " ", g[5]))
	}
	for group, r := range want.Daily {
		wantDaily = append(wantDaily, fmt.Sprint(group, " ", r["transactions"], " ", r["pending"], " ", r["succeeded"], " ", r["failed"], " ", r["refunded"], " ", r["gross_amount"], " ", r["refunded_amount"], " ", r["fraud_count"]))
	}
	compare(t, "gold.fct_transactions", sorted(p.strings(`SELECT concat_ws(' ', transaction_id || status, amount, currency,
		to_char(event_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"+00:00"'), transaction_date, is_fraud::text) FROM gold.fct_transactions`)), sorted(wantGold))
	compare(t, "gold.fct_daily_revenue", sorted(p.strings(`SELECT concat_ws(' ', transaction_date, currency, transactions, pending, succeeded, failed, refunded,
		gross_amount, refunded_amount, fraud_count) FROM gold.fct_daily_revenue`)), sorted(wantDaily))
}
