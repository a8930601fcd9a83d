package warehouse

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/tidemill/tidemill/storage/lake"
)

//go:embed sql/quality.sql
var qualitySQL string

// Metrics is the quality of a day as a run saw it, a row of metadata.data_quality_metrics. A nil rate is a rate over
// nothing.
type Metrics struct {
	DayCounts
	RunID string `json:"run_id"`
	// DeadLetterRate is the dead letters' share in the day's records, tombstones apart.
	DeadLetterRate *float64 `json:"dead_letter_rate"`
	// NullRates has, for each optional column, the share of the day's rows that have none.
	NullRates  map[string]*float64 `json:"null_rates"`
	FraudCount int64               `json:"fraud_count"`
	FraudRate  *float64            `json:"fraud_rate"`
	// AmountSums has the sum of amount per currency, as decimal text.
	AmountSums map[string]string `json:"amount_sums"`
}

// Quality measures a day and writes its metrics for the run; called again for the same day and run, it writes over them.
func (w *Warehouse) Quality(ctx context.Context, day lake.Day, runID string) (Metrics, error) {
	if runID == "" {
		return Metrics{}, errors.New("measure quality: the run id is empty")
	}
	if _, err := lake.ParseDay(string(day)); err != nil {
		return Metrics{}, fmt.Errorf("measure quality: %w", err)
	}
	counts, err := w.Day(ctx, day)
	if err != nil {
		return Metrics{}, err
	}
	m := Metrics{DayCounts: counts, RunID: runID, DeadLetterRate: rate(counts.DeadLetters, counts.DeadLetters+counts.LakeRows)}
	var email, category, device, ip, city, country, score *float64
	if err := w.pool.QueryRow(ctx, qualitySQL, day.Start()).Scan(&m.Rows, &m.FraudCount, &m.FraudRate,
		&email, &category, &device, &ip, &city, &country, &score, &m.AmountSums); err != nil {
		return Metrics{}, fmt.Errorf("measure quality of %s: %w", day, err)
	}
	m.NullRates = map[string]*float64{"customer_email": email, "merchant_category": category, "device_type": device,
		"ip_address": ip, "city": city, "country": country, "fraud_score": score}
	_, err = w.pool.Exec(ctx, `
		INSERT INTO metadata.data_quality_metrics (day, run_id, rows_loaded, duplicates, rejected, dead_letters, tombstones,
			key_mismatches, late_rows, dead_letter_rate, null_rate_customer_email, null_rate_merchant_category,
			null_rate_device_type, null_rate_ip_address, null_rate_city, null_rate_country, null_rate_fraud_score,
			fraud_count, fraud_rate, amount_sums)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
		ON CONFLICT (day, run_id) DO UPDATE SET rows_loaded = excluded.rows_loaded, duplicates = excluded.duplicates,
			rejected = excluded.rejected, dead_letters = excluded.dead_letters, tombstones = excluded.tombstones,
			key_mismatches = excluded.key_mismatches, late_rows = excluded.late_rows,
			dead_letter_rate = excluded.dead_letter_rate, null_rate_customer_email = excluded.null_rate_customer_email,
			null_rate_merchant_category = excluded.null_rate_merchant_category,
			null_rate_device_type = excluded.null_rate_device_type, null_rate_ip_address = excluded.null_rate_ip_address,
			null_rate_city = excluded.null_rate_city, null_rate_country = excluded.null_rate_country,
			null_rate_fraud_score = excluded.null_rate_fraud_score, fraud_count = excluded.fraud_count,
			fraud_rate = excluded.fraud_rate, amount_sums = excluded.amount_sums, created_at = now()`,
		day.Start(), runID, m.Rows, m.Duplicates, m.Rejected, m.DeadLetters, m.Tombstones, m.KeyMismatches, m.LateRows,
		m.DeadLetterRate, email, category, device, ip, city, country, score, m.FraudCount, m.FraudRate, m.AmountSums)
	if err != nil {
		return Metrics{}, fmt.Errorf("write the quality of %s: %w", day, err)
	}
	return m, nil
}

// rate is part over whole, nil when whole is 0.
func rate(part, whole int64) *float64 {
	if whole == 0 {
		return nil
	}
	r := float64(part) / float64(whole)
	return &r
}
