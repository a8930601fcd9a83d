package warehouse_test

import (
	"fmt"
	"testing"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment/goldref"
)

func TestQuality(t *testing.T) {
	events := topic(31, 400, 3)
	db, m := newDatabase(t), lakeOf(t, events)
	m.dead = map[lake.Day]lake.DayStat{dayNumber(1): {DeadLetters: map[string]int64{"amount": 3, "json": 1}, Tombstones: 2, KeyMismatches: 5, LateRows: 7}}
	w := db.warehouse(m)
	load(t, w, dayNumber(1))
	want := map[string]int64{} // hundredths by currency
	var rows, fraud, countries int64
	for _, a := range bronzeModel(untilDay(events, dayNumber(1))).Bronze {
		if lake.Day(a.Day()) != dayNumber(1) {
			continue
		}
		rows++
		want[a.Currency] += a.Amount
		if a.IsFraud {
			fraud++
		}
		if a.Country != nil {
			countries++
		}
	}
	if fraud == 0 || countries == 0 {
		t.Fatal("the topic has no fraud or no country")
	}
	for range 2 { // the second time over the first
		got, err := w.Quality(background, dayNumber(1), "run")
		if err != nil {
			t.Fatal(err)
		}
		if got.Rows != rows || got.FraudCount != fraud || *got.FraudRate != float64(fraud)/float64(rows) || *got.NullRates["city"] != 1 ||
			*got.NullRates["country"] != float64(rows-countries)/float64(rows) || *got.DeadLetterRate != 4/float64(4+got.LakeRows) ||
			got.DeadLetters != 4 || got.Tombstones != 2 || got.KeyMismatches != 5 || got.LateRows != 7 || got.Rows+got.Duplicates != got.LakeRows {
			t.Errorf("quality: %s, want %d rows, %d fraud", asJSON(t, got), rows, fraud)
		}
		for currency, sum := range want {
			if got.AmountSums[currency] != goldref.Money(sum) {
				t.Errorf("sum of %s is %s, want %s", currency, got.AmountSums[currency], goldref.Money(sum))
			}
		}
	}
	stored := db.text(`SELECT rows_loaded, fraud_count, dead_letters, late_rows FROM metadata.data_quality_metrics WHERE day = $1 AND run_id = 'run'`, dayNumber(1).Start())
	compare(t, "data_quality_metrics", stored, []string{fmt.Sprintf(`[%d, %d, 4, 7]`, rows, fraud)})

	// A day of which nothing is there: rates over nothing are null.
	nothing, err := w.Quality(background, "2025-06-01", "run")
	if err != nil {
		t.Fatal(err)
	}
	if nothing.FraudRate != nil || nothing.DeadLetterRate != nil || nothing.NullRates["city"] != nil || nothing.Rows != 0 || len(nothing.AmountSums) != 0 {
		t.Errorf("quality of nothing: %s", asJSON(t, nothing))
	}
	if n := db.count(`SELECT count(*) FROM metadata.data_quality_metrics WHERE fraud_rate IS NULL AND null_rate_city IS NULL AND day = '2025-06-01'`); n != 1 {
		t.Error("the rates over nothing are not null in the table")
	}
	if _, err := w.Quality(background, "2025-06-01", ""); err == nil {
		t.Error("quality without a run id")
	}
}

// untilDay is the events of a day and of those before it.
func untilDay(events []goldref.Event, day lake.Day) (out []goldref.Event) {
	for _, e := range events {
		if lake.DayOf(e.Time) <= day {
			out = append(out, e)
		}
	}
	return out
}
