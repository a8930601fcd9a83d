-- $1 load id, $2 topic id, $3 staged rows whose event is there: the later record, in the order of an event's records,
-- is the event's row. Tells how many were copies of the row that was there, how many came before it with another
-- payload, and how many after it with another payload.
WITH met AS MATERIALIZED (
    SELECT
        staged.n,
        there.payload_hash = staged.payload_hash AS same,
        (staged.kafka_timestamp, staged.kafka_partition, staged.kafka_offset)
            > (there.kafka_timestamp, there.kafka_partition, there.kafka_offset) AS later
    FROM (SELECT * FROM staged WHERE n = ANY ($3) ORDER BY n OFFSET 0) AS staged
    CROSS JOIN LATERAL (
        SELECT t.payload_hash, t.kafka_timestamp, t.kafka_partition, t.kafka_offset
        FROM bronze.transactions AS t
        WHERE (t.transaction_id, t.status, t.event_time) = (staged.transaction_id, staged.status, staged.event_time)
        OFFSET 0 -- looked up by index, one by one
        FOR UPDATE
    ) AS there
), taken AS (
    INSERT INTO bronze.transactions AS there (
        transaction_id, status, event_time, initiated_at, amount, currency, customer_id, merchant_id, payment_method,
        customer_email, merchant_category, device_type, ip_address, city, country, is_fraud, fraud_score, extra,
        payload_hash, topic_id, kafka_partition, kafka_offset, kafka_timestamp, ingestion_timestamp, load_id)
    SELECT
        transaction_id, status, event_time, initiated_at, amount, currency, customer_id, merchant_id, payment_method,
        customer_email, merchant_category, device_type, ip_address, city, country, is_fraud, fraud_score, extra,
        payload_hash, $2, kafka_partition, kafka_offset, kafka_timestamp, ingestion_timestamp, $1
    FROM staged JOIN met USING (n) WHERE met.later ORDER BY n
    ON CONFLICT (transaction_id, status, event_time) DO UPDATE SET
        initiated_at = excluded.initiated_at, amount = excluded.amount, currency = excluded.currency,
        customer_id = excluded.customer_id, merchant_id = excluded.merchant_id, payment_method = excluded.payment_method,
        customer_email = excluded.customer_email, merchant_category = excluded.merchant_category,
        device_type = excluded.device_type, ip_address = excluded.ip_address, city = excluded.city,
        country = excluded.country, is_fraud = excluded.is_fraud, fraud_score = excluded.fraud_score,
        extra = excluded.extra, payload_hash = excluded.payload_hash, topic_id = excluded.topic_id,
        kafka_partition = excluded.kafka_partition, kafka_offset = excluded.kafka_offset,
        kafka_timestamp = excluded.kafka_timestamp, ingestion_timestamp = excluded.ingestion_timestamp,
        load_id = excluded.load_id
    WHERE (excluded.kafka_timestamp, excluded.kafka_partition, excluded.kafka_offset)
        > (there.kafka_timestamp, there.kafka_partition, there.kafka_offset)
)
SELECT
    count(*) FILTER (WHERE same),
    count(*) FILTER (WHERE NOT same AND NOT later),
    count(*) FILTER (WHERE NOT same AND later)
FROM met
