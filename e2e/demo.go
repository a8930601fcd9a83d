package e2e

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/storage/payment/goldref"
)

const sampleFile = "../../testdata/payments-7d/events.ndjson.gz"

// expectedGold is what was worked out for the sample apart from this project, as far as Gold goes.
type expectedGold struct {
	Gold         map[string][6]any
	DailyRevenue map[string]struct {
		Transactions, Pending, Succeeded, Failed, Refunded int
		Gross                                              string `json:"gross_amount"`
		RefundedAmount                                     string `json:"refunded_amount"`
		Fraud                                              int    `json:"fraud_count"`
	} `json:"daily_revenue"`
}

func readExpected(t *testing.T) (want expectedGold) {
	t.Helper()
	f, err := os.Open("../../testdata/payments-7d/expected.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&want); err != nil {
		t.Fatal(err)
	}
	return want
}

// DemoOfTheSample runs the shared sample in an empty home with everything embedded, twice.
func DemoOfTheSample(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.demo(sampleFile)
	var first []string
	h.opened(func(o outcome) {
		o.checkAll(sampleFile)
		o.checkExpected(readExpected(t))
		first = o.gold()
	})
	if left := h.leftovers(); len(left) > 0 {
		t.Errorf("processes left: %s", left)
	}

	again := h.demo(sampleFile)
	if !strings.Contains(again.out.String(), "0 events produced to topic transactions, 9756 were there already") {
		t.Error("the second demo does not say that the events were there already")
	}
	h.opened(func(o outcome) { compare(t, "Gold after the same demo again", o.gold(), first) })
}

// checkExpected holds Gold against the file that was computed apart from the project and its model.
func (o outcome) checkExpected(want expectedGold) {
	o.t.Helper()
	var wanted, daily []string
	for id, g := range want.Gold {
		wanted = append(wanted, row(append([]any{id}, g[:]...)...))
	}
	for group, r := range want.DailyRevenue {
		date, currency, _ := strings.Cut(group, " ")
		daily = append(daily, row(date, currency, r.Transactions, r.Pending, r.Succeeded, r.Failed, r.Refunded, r.Gross, r.RefundedAmount, r.Fraud))
	}
	compare(o.t, "gold.fct_transactions beside the expected file", sorted(o.query(`SELECT transaction_id, status, amount, currency,
		to_char(event_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS+00:00'), transaction_date, is_fraud FROM gold.fct_transactions`)), sorted(wanted))
	compare(o.t, "gold.fct_daily_revenue beside the expected file", sorted(o.query(selected(revenueColumns)+` FROM gold.fct_daily_revenue`)), sorted(daily))
}

// DemoOfAHostileTopic runs a topic with every edge of the contract, day by day.
func DemoOfAHostileTopic(t *testing.T) {
	t.Parallel()
	h := newOutsideHome(t)
	list := goldref.Hostile(11, 2400)
	file := writeEvents(t, filepath.Join(t.TempDir(), "events.ndjson"), list, true)
	h.demo(file)
	h.opened(func(o outcome) {
		if got := o.topic(); !reflect.DeepEqual(byPlace(got), byPlace(list)) {
			t.Error("the topic is not as the file has it, partitions and order included")
		}
		o.checkAll(file)
	})
	h.checkNothingEmbedded()
}

// DemoOfAHostileTopicInOneRun runs another one, all of whose days one single run loads and builds.
func DemoOfAHostileTopicInOneRun(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	file := writeEvents(t, filepath.Join(t.TempDir(), "events.ndjson.gz"), goldref.Hostile(12, 4000), true)
	last := goldref.HostileStart.AddDate(0, 0, goldref.HostileDays+20).Format("2006-01-02")
	h.demo(file, "--from", lastDay(t, file), "--to", last)
	h.opened(func(o outcome) {
		o.checkAll(file)
		if n := o.number(`SELECT count(*) FROM tidemill.dag_runs WHERE run_type = 'backfill'`); n != 1 {
			t.Errorf("%d runs, want one", n)
		}
	})
}

// lastDay is the last day of a file's events that the contract takes.
func lastDay(t *testing.T, file string) string {
	t.Helper()
	last := ""
	for _, a := range goldref.Of(readEvents(t, file), goldref.HostileStart.AddDate(1, 0, 0)).Accepted {
		last = max(last, a.Day())
	}
	return last
}

func byPlace(list []goldref.Event) map[place]goldref.Event {
	all := make(map[place]goldref.Event, len(list))
	for _, e := range list {
		all[place{e.Partition, e.Offset}] = e
	}
	return all
}
