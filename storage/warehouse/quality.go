package warehouse

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/storage/lake"
)

var (
	//go:embed sql/quality.sql
	qualitySQL string
	//go:embed sql/quality_before.sql
	qualityBeforeSQL string
	//go:embed sql/quality_write.sql
	qualityWriteSQL string
)

// Metrics is the quality of a day as a run saw it, a row of metadata.data_quality_metrics. A nil rate is a rate over
// nothing.
type Metrics struct {
	DayCounts
	RunID string `json:"run_id"`
	// DeadLetterRate is the dead letters' share in the day's records, tombstones apart, and DuplicateRate the
	// duplicates' in those that were loaded.
	DeadLetterRate *float64 `json:"dead_letter_rate"`
	DuplicateRate  *float64 `json:"duplicate_rate"`
	// DeadLetterReasons counts the dead letters by the field of the contract that made them.
	DeadLetterReasons map[string]int64 `json:"dead_letter_reasons"`
	// NullRates has, for each column of bronze.transactions, the share of the day's rows that have none.
	NullRates  map[string]*float64 `json:"null_rates"`
	FraudCount int64               `json:"fraud_count"`
	FraudRate  *float64            `json:"fraud_rate"`
	// StatusCounts counts the rows per status.
	StatusCounts map[string]int64 `json:"status_counts"`
	// AmountSums has the sum of amount per currency, StatusSums per status and currency, as decimal text: exact.
	AmountSums map[string]string            `json:"amount_sums"`
	StatusSums map[string]map[string]string `json:"status_sums"`
	// Baseline has each metric beside the seven days before: counts and rates by their names above, and
	// null_rate.<column>, dead_letters.<reason>, status_count.<status>, amount_sum.<currency>,
	// status_sum.<status>.<currency>.
	Baseline map[string]Deviation `json:"baseline"`
}

// Quality measures a day and writes its metrics for the run; called again for the same day and run, it writes over them.
// The baseline is that of the seven days before, each as its latest run measured it: a day that no run has measured yet
// is no part of it.
func (w *Warehouse) Quality(ctx context.Context, day lake.Day, runID string) (Metrics, error) {
	if runID == "" {
		return Metrics{}, errors.New("measure quality: the run id is empty")
	}
	if _, err := lake.ParseDay(string(day)); err != nil {
		return Metrics{}, fmt.Errorf("measure quality: %w", err)
	}
	m, err := w.measure(ctx, day)
	if err != nil {
		return Metrics{}, err
	}
	m.RunID = runID
	before, err := w.measuredBefore(ctx, day)
	if err != nil {
		return Metrics{}, err
	}
	m.Baseline = beside(m, before)
	if _, err := w.pool.Exec(ctx, qualityWriteSQL, append(append([]any{day.Start(), runID}, m.columns()...), m.Baseline)...); err != nil {
		return Metrics{}, fmt.Errorf("write the quality of %s: %w", day, err)
	}
	return m, nil
}

// measure is the day's metrics, without a baseline.
func (w *Warehouse) measure(ctx context.Context, day lake.Day) (Metrics, error) {
	counts, reasons, err := w.count(ctx, day)
	if err != nil {
		return Metrics{}, err
	}
	m := Metrics{
		DayCounts: counts, DeadLetterReasons: map[string]int64{}, NullRates: map[string]*float64{},
		StatusCounts: map[string]int64{}, AmountSums: map[string]string{}, StatusSums: map[string]map[string]string{},
	}
	for reason, n := range reasons {
		m.DeadLetterReasons[reason] = n
	}
	rows, err := w.pool.Query(ctx, qualitySQL, day.Start())
	if err != nil {
		return Metrics{}, fmt.Errorf("measure quality of %s: %w", day, err)
	}
	var (
		status, currency *string
		n, fraud         int64
		sum              string
		nulls            map[string]int64
	)
	if _, err := pgx.ForEachRow(rows, []any{&status, &currency, &n, &fraud, &sum, &nulls}, func() error {
		switch {
		case status != nil && currency != nil:
			if m.StatusSums[*status] == nil {
				m.StatusSums[*status] = map[string]string{}
			}
			m.StatusSums[*status][*currency] = sum
		case status != nil:
			m.StatusCounts[*status] = n
		case currency != nil:
			m.AmountSums[*currency] = sum
		default: // all rows: the counts are of one moment
			m.Rows, m.FraudCount = n, fraud
			for column, missing := range nulls {
				m.NullRates[column] = rate(missing, n)
			}
		}
		return nil
	}); err != nil {
		return Metrics{}, fmt.Errorf("measure quality of %s: %w", day, err)
	}
	m.FraudRate = rate(m.FraudCount, m.Rows)
	m.DuplicateRate = rate(m.Duplicates, m.Rows+m.Duplicates)
	m.DeadLetterRate = rate(m.DeadLetters, m.DeadLetters+m.LakeRows)
	return m, nil
}

// measuredBefore is the metrics of the seven days before day that were measured.
func (w *Warehouse) measuredBefore(ctx context.Context, day lake.Day) ([]Metrics, error) {
	rows, err := w.pool.Query(ctx, qualityBeforeSQL, day.Start())
	if err != nil {
		return nil, fmt.Errorf("read the quality of the days before %s: %w", day, err)
	}
	before, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Metrics, error) {
		var m Metrics
		err := row.Scan(m.columns()...)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the quality of the days before %s: %w", day, err)
	}
	return before, nil
}

// Unusual lists the metrics whose score is out of the ordinary, by name.
func (m Metrics) Unusual() []string {
	var names []string
	for name, d := range m.Baseline {
		if d.Score != nil && math.Abs(*d.Score) > OutOfTheOrdinary {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// columns are the metrics as both statements name them, in that order: to be scanned into, or to be written.
func (m *Metrics) columns() []any {
	return []any{
		&m.Rows, &m.Duplicates, &m.Rejected, &m.DeadLetters, &m.Tombstones, &m.KeyMismatches, &m.LateRows, &m.FraudCount,
		&m.DeadLetterRate, &m.DuplicateRate, &m.FraudRate, &m.NullRates, &m.DeadLetterReasons, &m.AmountSums, &m.StatusCounts,
		&m.StatusSums,
	}
}

// rate is part over whole, nil when whole is 0.
func rate(part, whole int64) *float64 {
	if whole == 0 {
		return nil
	}
	r := float64(part) / float64(whole)
	return &r
}
