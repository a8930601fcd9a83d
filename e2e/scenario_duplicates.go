package e2e

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
)

// DuplicatesChangeNothing is the fifth scenario: every record comes once more byte for byte, in the same order and in another.
// What is guarded: one row per event in bronze, one winner per payment in Gold. (Package storage/warehouse takes out one of the two
// at a time.)
func DuplicatesChangeNothing(t *testing.T) {
	t.Parallel()
	h := newOutsideHome(t)
	o := outcome{h, h.database, h.brokers}
	file := writeSample(t, 2, 400)
	h.demo(file)
	o.checkAll(file)
	const facts = `SELECT transaction_id, status, amount, currency, customer_id, merchant_id, merchant_category, payment_method, country, is_fraud, fraud_score,
		initiated_at, event_time, transaction_date, processing_date, kafka_timestamp FROM gold.fct_transactions ORDER BY transaction_id COLLATE "C"`
	const revenue = `SELECT * FROM gold.fct_daily_revenue ORDER BY transaction_date, currency COLLATE "C"`
	const bronze = `SELECT transaction_id, status, event_time, payload_hash FROM bronze.transactions ORDER BY 1, 2, 3`
	goldBefore, revenueBefore, bronzeBefore := o.query(facts), o.query(revenue), o.query(bronze)

	twice := readEvents(t, file)
	again := slices.Clone(twice)
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] }) //nolint:gosec // a test's order
	shuffled := writeEvents(t, filepath.Join(t.TempDir(), "shuffled.ndjson"), append(twice, again...), false)
	h.run(0, "produce", "--events", file) // the topic once more
	h.demo(shuffled)                      // and twice more
	compare(t, "gold.fct_transactions after the replays", o.query(facts), goldBefore)
	compare(t, "gold.fct_daily_revenue after the replays", o.query(revenue), revenueBefore)
	compare(t, "bronze.transactions after the replays", o.query(bronze), bronzeBefore)
	o.checkAll(file, file, shuffled)
}
