-- $1 day, $2 lake, $3 dag and $4 run that must be built, $5 generation of the day and $6 whether it must be loaded: where each
-- record of the day is seen. Orders are numbers: 0 there is
-- none, 1 earlier, 2 itself, 3 later. OFFSET 0 has an event, and a payment, looked up by index for each record.
INSERT INTO sighted
WITH files AS (
    SELECT audited.*, coalesce(marks.rows_done = marks.rows, false) AS loaded
    FROM audited LEFT JOIN metadata.lake_files AS marks ON marks.lake = $2 AND marks.path = audited.path
), in_lake AS (
    SELECT staged.*, files.topic_id, files.loaded, files.due FROM staged JOIN files USING (n)
), in_bronze AS (
    SELECT t.*,
        coalesce(loads.built_by <= (SELECT max(build_id) FROM metadata.gold_publications), loads.id IS NULL) AND NOT change.pending AS built,
        coalesce(audits.dag_id = $3 AND audits.run_id = $4, false) OR change.due AS build_due,
        coalesce(marks.retired_at IS NULL AND marks.generation < $5, false) AS replaced
    FROM bronze.transactions AS t
    LEFT JOIN metadata.loads ON loads.id = t.load_id
    LEFT JOIN metadata.lake_files AS marks ON marks.id = loads.file_id
    LEFT JOIN metadata.load_audit AS audits ON audits.id = loads.audit_id
    CROSS JOIN LATERAL (
        SELECT count(*) > 0 AS pending, coalesce(bool_or(a.dag_id = $3 AND a.run_id = $4), false) AS due
        FROM metadata.payment_changes AS c
        JOIN metadata.loads AS l ON l.id = c.load_id JOIN metadata.load_audit AS a ON a.id = l.audit_id
        WHERE c.transaction_id = t.transaction_id
        OFFSET 0
    ) AS change
    WHERE t.processing_date = $1 AND coalesce(marks.lake, $2) = $2
), in_rejected AS (
    SELECT r.topic_id, r.kafka_partition, r.kafka_offset, marks.retired_at IS NULL AND marks.generation < $5 AS replaced
    FROM bronze.rejected AS r JOIN metadata.lake_files AS marks ON marks.id = r.file_id
    WHERE r.processing_date = $1 AND marks.lake = $2
)
SELECT
    topic_id, kafka_partition, kafka_offset, l.n,
    coalesce(b.transaction_id, l.transaction_id), coalesce(b.status, l.status), coalesce(b.event_time, l.event_time),
    l.n IS NOT NULL, b.load_id IS NOT NULL, r IS NOT NULL, coalesce(l.loaded, false), coalesce(l.due, $6),
    coalesce(b.replaced, r.replaced, false),
    coalesce(coalesce(b.event_time, l.event_time) < (SELECT dropped_before FROM metadata.bronze_retention), false),
    (l.transaction_id, l.status, l.event_time, l.initiated_at, l.amount, l.currency, l.customer_id, l.merchant_id,
        l.payment_method, l.customer_email, l.merchant_category, l.device_type, l.ip_address, l.city, l.country,
        l.is_fraud, l.fraud_score, l.extra, l.payload_hash, l.kafka_timestamp, l.ingestion_timestamp)
    IS NOT DISTINCT FROM
    (b.transaction_id, b.status, b.event_time, b.initiated_at, b.amount, b.currency, b.customer_id, b.merchant_id,
        b.payment_method, b.customer_email, b.merchant_category, b.device_type, b.ip_address, b.city, b.country,
        b.is_fraud, b.fraud_score, b.extra, b.payload_hash, b.kafka_timestamp, b.ingestion_timestamp),
    coalesce(event.place, 0), coalesce(gold.place, 0), coalesce(gold.same, false), coalesce(b.built, false), coalesce(b.build_due, false),
    l.currency, l.amount, b.currency, b.amount, gold.currency, gold.amount
FROM in_lake AS l
FULL JOIN in_bronze AS b USING (topic_id, kafka_partition, kafka_offset)
FULL JOIN in_rejected AS r USING (topic_id, kafka_partition, kafka_offset)
LEFT JOIN LATERAL (
    SELECT CASE WHEN (other.kafka_timestamp, other.kafka_partition, other.kafka_offset)
        > (l.kafka_timestamp, l.kafka_partition, l.kafka_offset) THEN 3 ELSE 1 END AS place
    FROM bronze.transactions AS other
    WHERE b.load_id IS NULL AND (other.transaction_id, other.status, other.event_time) = (l.transaction_id, l.status, l.event_time)
    OFFSET 0
) AS event ON true
LEFT JOIN LATERAL (
    SELECT
        CASE
            WHEN (g.event_time, g.status, g.kafka_timestamp, g.kafka_partition, g.kafka_offset)
                = (b.event_time, b.status, b.kafka_timestamp, b.kafka_partition, b.kafka_offset) THEN 2
            WHEN (g.event_time, CASE g.status WHEN 'PENDING' THEN 0 WHEN 'REFUNDED' THEN 2 ELSE 1 END, g.kafka_timestamp, g.kafka_partition, g.kafka_offset)
                > (b.event_time, CASE b.status WHEN 'PENDING' THEN 0 WHEN 'REFUNDED' THEN 2 ELSE 1 END, b.kafka_timestamp, b.kafka_partition, b.kafka_offset) THEN 3
            ELSE 1
        END AS place,
        (g.amount, g.currency, g.customer_id, g.merchant_id, g.merchant_category, g.payment_method, g.country, g.is_fraud,
            g.fraud_score, g.initiated_at, g.transaction_date, g.processing_date)
        IS NOT DISTINCT FROM
        (b.amount, b.currency, b.customer_id, b.merchant_id, b.merchant_category, b.payment_method, b.country, b.is_fraud,
            b.fraud_score, b.initiated_at, (b.initiated_at AT TIME ZONE 'UTC')::date, b.processing_date) AS same,
        g.currency, g.amount
    FROM gold.fct_transactions AS g
    WHERE g.transaction_id = b.transaction_id
    OFFSET 0
) AS gold ON true
