-- $1 day, $2 run, then the columns in their order. The null_rate_ columns are those of null_rates.
INSERT INTO metadata.data_quality_metrics (
    day, run_id,
    rows_loaded, duplicates, rejected, dead_letters, tombstones, key_mismatches, late_rows, fraud_count,
    dead_letter_rate, duplicate_rate, fraud_rate, null_rates, dead_letter_reasons, amount_sums, status_counts,
    status_sums, baseline,
    null_rate_customer_email, null_rate_merchant_category, null_rate_device_type, null_rate_ip_address,
    null_rate_city, null_rate_country, null_rate_fraud_score)
VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
    ($14::jsonb ->> 'customer_email')::double precision, ($14::jsonb ->> 'merchant_category')::double precision,
    ($14::jsonb ->> 'device_type')::double precision, ($14::jsonb ->> 'ip_address')::double precision,
    ($14::jsonb ->> 'city')::double precision, ($14::jsonb ->> 'country')::double precision,
    ($14::jsonb ->> 'fraud_score')::double precision)
ON CONFLICT (day, run_id) DO UPDATE SET
    rows_loaded = excluded.rows_loaded, duplicates = excluded.duplicates, rejected = excluded.rejected,
    dead_letters = excluded.dead_letters, tombstones = excluded.tombstones, key_mismatches = excluded.key_mismatches,
    late_rows = excluded.late_rows, fraud_count = excluded.fraud_count, dead_letter_rate = excluded.dead_letter_rate,
    duplicate_rate = excluded.duplicate_rate, fraud_rate = excluded.fraud_rate, null_rates = excluded.null_rates,
    dead_letter_reasons = excluded.dead_letter_reasons, amount_sums = excluded.amount_sums,
    status_counts = excluded.status_counts, status_sums = excluded.status_sums, baseline = excluded.baseline,
    null_rate_customer_email = excluded.null_rate_customer_email,
    null_rate_merchant_category = excluded.null_rate_merchant_category,
    null_rate_device_type = excluded.null_rate_device_type, null_rate_ip_address = excluded.null_rate_ip_address,
    null_rate_city = excluded.null_rate_city, null_rate_country = excluded.null_rate_country,
    null_rate_fraud_score = excluded.null_rate_fraud_score, created_at = now()
