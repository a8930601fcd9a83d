-- $1 day: the metrics of the seven days before it, of each day as its latest run measured it.
SELECT DISTINCT ON (day)
    rows_loaded, duplicates, rejected, dead_letters, tombstones, key_mismatches, late_rows, fraud_count,
    dead_letter_rate, duplicate_rate, fraud_rate, null_rates, dead_letter_reasons, amount_sums, status_counts,
    status_sums
FROM metadata.data_quality_metrics WHERE day >= $1::date - 7 AND day < $1::date
ORDER BY day, created_at DESC, run_id
