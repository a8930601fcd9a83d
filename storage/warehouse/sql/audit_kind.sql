-- $1 to $13 a kind, $14 limit: its records, and what the lake, bronze and Gold have of them.
SELECT
    s.topic_id, s.kafka_partition, s.kafka_offset, coalesce(f.path, ''),
    (SELECT to_jsonb(l) FROM staged AS l WHERE l.n = s.n AND l.kafka_partition = s.kafka_partition AND l.kafka_offset = s.kafka_offset LIMIT 1),
    (SELECT to_jsonb(b) FROM bronze.transactions AS b WHERE s.in_bronze
        AND (b.transaction_id, b.status, b.event_time) = (s.transaction_id, s.status, s.event_time)
        AND b.kafka_partition = s.kafka_partition AND b.kafka_offset = s.kafka_offset LIMIT 1),
    (SELECT to_jsonb(g) FROM gold.fct_transactions AS g WHERE g.transaction_id = s.transaction_id)
FROM sighted AS s LEFT JOIN audited AS f USING (n)
WHERE (s.in_lake, s.in_bronze, s.in_rejected, s.loaded, s.load_due, s.replaced, s.expired, s.same, s.event, s.gold, s.gold_same, s.built, s.build_due)
    = ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ORDER BY s.topic_id, s.kafka_partition, s.kafka_offset LIMIT $14
