package goldref_test

import (
	"compress/gzip"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/payment/events"
	"github.com/tidemill/tidemill/storage/payment/goldref"
)

const sample = "../../../testdata/payments-7d/"

// expected is what was worked out for the sample apart from this project.
type expected struct {
	Records, OK, Tombstones, Duplicates, Distinct, Days int
	DeadLetters                                         int            `json:"dead_letters"`
	FirstDay                                            string         `json:"first_day"`
	OKByDay                                             map[string]int `json:"ok_by_day"`
	Gold                                                map[string]gold
	DailyRevenue                                        map[string]revenue `json:"daily_revenue"`
}

// gold is [status, amount, currency, event_time, transaction_date, is_fraud].
type gold [6]any

type revenue struct {
	Transactions, Pending, Succeeded, Failed, Refunded int
	Gross                                              string `json:"gross_amount"`
	RefundedAmount                                     string `json:"refunded_amount"`
	Fraud                                              int    `json:"fraud_count"`
}

// readSample returns the sample's records as if they were all in one partition.
func readSample(t *testing.T) []goldref.Event {
	t.Helper()
	r, err := events.Open(sample + "events.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []goldref.Event
	for e, err := range r.All() {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, goldref.Event{Offset: int64(len(all)), Time: e.Time, Key: e.Key, Value: e.Value})
	}
	return all
}

func readExpected(t *testing.T) (want expected) {
	t.Helper()
	file, err := os.Open(sample + "expected.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	zipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(zipped).Decode(&want); err != nil {
		t.Fatal(err)
	}
	return want
}

func TestTheModelAgreesWithTheSample(t *testing.T) {
	want, records := readExpected(t), readSample(t)
	got := goldref.Of(records, time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC))
	for _, n := range []struct {
		name      string
		got, want int
	}{
		{"records", len(records), want.Records},
		{"ok", len(got.Accepted), want.OK},
		{"dead letters", len(got.DeadLetters), want.DeadLetters},
		{"tombstones", got.Tombstones, want.Tombstones},
		{"duplicates", got.Duplicates + got.Conflicting, want.Duplicates},
		{"conflicting", got.Conflicting, 0},
		{"distinct", len(got.Transactions), want.Distinct},
		{"bronze", len(got.Bronze), want.OK - want.Duplicates},
		{"days", len(got.OKByDay), want.Days},
	} {
		if n.got != n.want {
			t.Errorf("%s: %d, want %d", n.name, n.got, n.want)
		}
	}
	if !maps.Equal(got.OKByDay, want.OKByDay) {
		t.Errorf("by day: %v, want %v", got.OKByDay, want.OKByDay)
	}
	rows := map[string]gold{}
	for _, a := range got.Transactions {
		rows[a.TransactionID] = gold{a.Status, goldref.Money(a.Amount), a.Currency,
			time.UnixMicro(int64(a.EventTime)).UTC().Format("2006-01-02T15:04:05.000-07:00"), a.TransactionDate(), a.IsFraud}
	}
	for id, row := range want.Gold {
		if rows[id] != row {
			t.Errorf("%s: %v, want %v", id, rows[id], row)
		}
	}
	days := map[string]revenue{}
	for _, r := range got.Daily {
		days[r.Date+" "+r.Currency] = revenue{r.Transactions, r.Pending, r.Succeeded, r.Failed, r.Refunded, r.Gross, r.RefundedAmount, r.Fraud}
	}
	if !reflect.DeepEqual(days, want.DailyRevenue) {
		t.Errorf("daily revenue: %v, want %v", days, want.DailyRevenue)
	}
}
