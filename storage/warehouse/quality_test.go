package warehouse_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment/goldref"
	"github.com/tidemill/tidemill/storage/warehouse"
)

func TestQuality(t *testing.T) {
	events := topic(31, 400, 3)
	db, m := newDatabase(t), lakeOf(t, events)
	m.dead = map[lake.Day]lake.DayStat{dayNumber(1): {DeadLetters: map[string]int64{"amount": 3, "json": 1}, Tombstones: 2, KeyMismatches: 5, LateRows: 7}}
	w := db.warehouse(m)
	load(t, w, dayNumber(1))
	want := map[string]int64{} // hundredths by currency
	statuses, byStatus := map[string]int64{}, map[string]map[string]int64{}
	var rows, fraud, countries int64
	for _, a := range bronzeModel(untilDay(events, dayNumber(1))).Bronze {
		if lake.Day(a.Day()) != dayNumber(1) {
			continue
		}
		rows++
		want[a.Currency] += a.Amount
		statuses[a.Status]++
		if byStatus[a.Status] == nil {
			byStatus[a.Status] = map[string]int64{}
		}
		byStatus[a.Status][a.Currency] += a.Amount
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
		if *got.DuplicateRate != float64(got.Duplicates)/float64(got.LakeRows) || got.DeadLetterReasons["amount"] != 3 || got.DeadLetterReasons["json"] != 1 {
			t.Errorf("duplicate rate %v, reasons %v", *got.DuplicateRate, got.DeadLetterReasons)
		}
		if len(statuses) < 4 || !maps.Equal(got.StatusCounts, statuses) || len(got.StatusSums) != len(byStatus) {
			t.Errorf("by status %v with %v, want %v", got.StatusCounts, got.StatusSums, statuses)
		}
		for status, sums := range byStatus {
			for currency, sum := range sums {
				if got.StatusSums[status][currency] != goldref.Money(sum) || len(got.StatusSums[status]) != len(sums) {
					t.Errorf("sums of %s are %v, want %v", status, got.StatusSums[status], sums)
				}
			}
		}
		for currency, sum := range want {
			if got.AmountSums[currency] != goldref.Money(sum) {
				t.Errorf("sum of %s is %s, want %s", currency, got.AmountSums[currency], goldref.Money(sum))
			}
		}
	}
	stored := db.text(`SELECT rows_loaded, fraud_count, dead_letters, late_rows FROM metadata.data_quality_metrics WHERE day = $1 AND run_id = 'run'`, dayNumber(1).Start())
	compare(t, "data_quality_metrics", stored, []string{fmt.Sprintf(`[%d, %d, 4, 7]`, rows, fraud)})

	// No column of bronze is forgotten, neither by the metrics nor in the table.
	columns := db.strings(`SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'bronze' AND table_name = 'transactions' ORDER BY 1`)
	compare(t, "columns with a null rate", db.strings(`SELECT jsonb_object_keys(null_rates) FROM metadata.data_quality_metrics ORDER BY 1`), sorted(columns))
	same := db.count(`SELECT count(*) FROM metadata.data_quality_metrics WHERE (null_rates ->> 'country')::float8 = null_rate_country
		AND (null_rates ->> 'status')::float8 = 0 AND (dead_letter_reasons ->> 'json')::int = 1 AND status_sums -> 'SUCCESS' ->> 'INR' = $1`, goldref.Money(byStatus["SUCCESS"]["INR"]))
	if same != 1 {
		t.Error("the table's row is not what was measured")
	}

	// A day of which nothing is there: rates over nothing are null.
	nothing, err := w.Quality(background, "2025-06-01", "run")
	if err != nil {
		t.Fatal(err)
	}
	if nothing.FraudRate != nil || nothing.DeadLetterRate != nil || nothing.NullRates["city"] != nil || nothing.DuplicateRate != nil || nothing.Rows != 0 || len(nothing.AmountSums) != 0 {
		t.Errorf("quality of nothing: %s", asJSON(t, nothing))
	}
	if n := db.count(`SELECT count(*) FROM metadata.data_quality_metrics WHERE fraud_rate IS NULL AND null_rate_city IS NULL AND day = '2025-06-01'`); n != 1 {
		t.Error("the rates over nothing are not null in the table")
	}
	if _, err := w.Quality(background, "2025-06-01", ""); err == nil {
		t.Error("quality without a run id")
	}
}

// TestQualityBesideItsBaseline measures nine days; the ninth has lost a currency.
func TestQualityBesideItsBaseline(t *testing.T) {
	const days = 9
	events := topic(32, 600, days)
	last := dayNumber(days - 1)
	for i := range events {
		if lake.DayOf(events[i].Time) == last {
			events[i].Value = bytes.ReplaceAll(events[i].Value, []byte(`"currency":"EUR"`), []byte(`"currency":"INR"`))
		}
	}
	db, m := newDatabase(t), lakeOf(t, events)
	w := db.warehouse(m)
	load(t, w, last)
	var rows []float64
	for n := range days {
		got, err := w.Quality(background, dayNumber(n), "run")
		if err != nil {
			t.Fatal(err)
		}
		if want := warehouse.Deviate(float64(got.Rows), rows[max(0, n-7):]); asJSON(t, got.Baseline["rows_loaded"]) != asJSON(t, want) {
			t.Errorf("day %d: rows_loaded %s, want %s", n, asJSON(t, got.Baseline["rows_loaded"]), asJSON(t, want))
		}
		rows = append(rows, float64(got.Rows))
		if gone := got.Baseline["amount_sum.EUR"]; n == days-1 && (gone.Value != 0 || gone.Days != 7 || *gone.Median <= 0 || *gone.Score >= 0) {
			t.Errorf("the currency that is gone: %s", asJSON(t, gone))
		}
	}
	// Of a day that was measured twice the later one counts.
	db.exec(`INSERT INTO metadata.data_quality_metrics (day, run_id, rows_loaded, duplicates, rejected, dead_letters, tombstones, key_mismatches,
		late_rows, fraud_count, amount_sums, created_at) SELECT $1, 'later', 1000000, 0, 0, 0, 0, 0, 0, 0, '{}', now() + interval '1 hour'`, dayNumber(7).Start())
	got, err := w.Quality(background, last, "run")
	if err != nil {
		t.Fatal(err)
	}
	earlier := append(slices.Clone(rows[1:7]), 1_000_000)
	if want := warehouse.Deviate(rows[8], earlier); asJSON(t, got.Baseline["rows_loaded"]) != asJSON(t, want) {
		t.Errorf("rows_loaded %s, want %s", asJSON(t, got.Baseline["rows_loaded"]), asJSON(t, want))
	}
	if d := got.Baseline["status_sum.SUCCESS.EUR"].Days; d != 6 {
		t.Errorf("a day that did not measure it is part of a baseline: %d days", d)
	}
	seen := db.text(`SELECT value, days, median, mad, score FROM metadata.data_quality_scores WHERE day = $1 AND metric = 'rows_loaded'`, last.Start())
	d := got.Baseline["rows_loaded"]
	compare(t, "data_quality_scores", seen, []string{fmt.Sprintf("[%s, %d, %s, %s, %s]", asJSON(t, d.Value), d.Days, asJSON(t, d.Median), asJSON(t, d.MAD), asJSON(t, d.Score))})
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
