-- $1 day: the payments whose row in Gold is of the day, and of which record bronze has no row: there is none of that event, or
-- one of another record. $2 dag and $3 run whose changes must be built. Orders as in audit_sight.sql.
SELECT
    coalesce((SELECT topic_id FROM sighted AS s
        WHERE s.kafka_partition = g.kafka_partition AND s.kafka_offset = g.kafka_offset LIMIT 1), ''),
    g.kafka_partition, g.kafka_offset, g.currency, (g.amount * 100)::numeric(20, 0)::text,
    coalesce(b.place, 0), coalesce(b.built, false),
    coalesce((
        SELECT NOT bool_or(coalesce(a.dag_id = $2 AND a.run_id = $3, false))
        FROM metadata.payment_changes AS c
        JOIN metadata.loads AS l ON l.id = c.load_id JOIN metadata.load_audit AS a ON a.id = l.audit_id
        WHERE c.transaction_id = g.transaction_id), false)
        OR coalesce(g.event_time < (SELECT dropped_before FROM metadata.bronze_retention), false)
FROM gold.fct_transactions AS g
LEFT JOIN LATERAL (
    SELECT
        CASE
            WHEN (t.kafka_timestamp, t.kafka_partition, t.kafka_offset) = (g.kafka_timestamp, g.kafka_partition, g.kafka_offset) THEN 2
            WHEN (t.kafka_timestamp, t.kafka_partition, t.kafka_offset) > (g.kafka_timestamp, g.kafka_partition, g.kafka_offset) THEN 3
            ELSE 1
        END AS place,
        coalesce(loads.built_by <= (SELECT max(build_id) FROM metadata.gold_publications), loads.id IS NULL) AS built
    FROM bronze.transactions AS t LEFT JOIN metadata.loads ON loads.id = t.load_id
    WHERE (t.transaction_id, t.status, t.event_time) = (g.transaction_id, g.status, g.event_time)
    OFFSET 0
) AS b ON true
WHERE g.processing_date = $1 AND coalesce(b.place, 0) <> 2
