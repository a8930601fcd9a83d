-- $1 load id, $2 topic id: bring the staged rows whose event is new, in the order of the key, and tell which others there are.
WITH inserted AS (
    INSERT INTO bronze.transactions (
        transaction_id, status, event_time, initiated_at, amount, currency, customer_id, merchant_id, payment_method,
        customer_email, merchant_category, device_type, ip_address, city, country, is_fraud, fraud_score, extra,
        payload_hash, topic_id, kafka_partition, kafka_offset, kafka_timestamp, ingestion_timestamp, load_id)
    SELECT
        transaction_id, status, event_time, initiated_at, amount, currency, customer_id, merchant_id, payment_method,
        customer_email, merchant_category, device_type, ip_address, city, country, is_fraud, fraud_score, extra,
        payload_hash, $2, kafka_partition, kafka_offset, kafka_timestamp, ingestion_timestamp, $1
    FROM staged ORDER BY n
    ON CONFLICT (transaction_id, status, event_time) DO NOTHING
    RETURNING kafka_partition, kafka_offset
)
SELECT n FROM staged
WHERE NOT EXISTS (
    SELECT FROM inserted
    WHERE inserted.kafka_partition = staged.kafka_partition AND inserted.kafka_offset = staged.kafka_offset)
