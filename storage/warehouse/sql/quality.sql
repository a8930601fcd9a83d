-- $1 day: what the rows of a day look like, in one pass: of each status and currency, of each status, of each currency,
-- and of all of them (both null).
SELECT
    status,
    currency,
    count(*),
    count(*) FILTER (WHERE is_fraud),
    coalesce(sum(amount), 0)::text,
    -- Rows without a value, by column.
    jsonb_build_object(
        'transaction_id', count(*) - count(transaction_id), 'status', count(*) - count(status),
        'event_time', count(*) - count(event_time), 'initiated_at', count(*) - count(initiated_at),
        'amount', count(*) - count(amount), 'currency', count(*) - count(currency),
        'customer_id', count(*) - count(customer_id), 'merchant_id', count(*) - count(merchant_id),
        'payment_method', count(*) - count(payment_method), 'customer_email', count(*) - count(customer_email),
        'merchant_category', count(*) - count(merchant_category), 'device_type', count(*) - count(device_type),
        'ip_address', count(*) - count(ip_address), 'city', count(*) - count(city),
        'country', count(*) - count(country), 'is_fraud', count(*) - count(is_fraud),
        'fraud_score', count(*) - count(fraud_score), 'extra', count(*) - count(extra),
        'payload_hash', count(*) - count(payload_hash), 'topic_id', count(*) - count(topic_id),
        'kafka_partition', count(*) - count(kafka_partition), 'kafka_offset', count(*) - count(kafka_offset),
        'kafka_timestamp', count(*) - count(kafka_timestamp),
        'ingestion_timestamp', count(*) - count(ingestion_timestamp), 'load_id', count(*) - count(load_id),
        'processing_date', count(*) - count(processing_date))
FROM bronze.transactions WHERE processing_date = $1
GROUP BY GROUPING SETS ((status, currency), (status), (currency), ())
