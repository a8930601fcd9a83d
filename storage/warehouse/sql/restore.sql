-- For each event whose row was taken away: of the records behind it the last one is its row, unless a later one has come.
WITH best AS MATERIALIZED (
    SELECT s.at, there.t AS present
    FROM (SELECT DISTINCT transaction_id, status, event_time FROM emptied ORDER BY 1, 2, 3) AS e
    CROSS JOIN LATERAL (
        SELECT s.ctid AS at, s.kafka_timestamp, s.kafka_partition, s.kafka_offset
        FROM bronze.superseded AS s
        WHERE (s.transaction_id, s.status, s.event_time) = (e.transaction_id, e.status, e.event_time)
        ORDER BY s.kafka_timestamp DESC, s.kafka_partition DESC, s.kafka_offset DESC
        LIMIT 1
    ) AS s
    LEFT JOIN LATERAL (
        SELECT t FROM bronze.transactions AS t
        WHERE (t.transaction_id, t.status, t.event_time) = (e.transaction_id, e.status, e.event_time)
        OFFSET 0
    ) AS there ON true
    WHERE (there.t).load_id IS NULL
        OR (s.kafka_timestamp, s.kafka_partition, s.kafka_offset)
            > ((there.t).kafka_timestamp, (there.t).kafka_partition, (there.t).kafka_offset)
), promoted AS (
    DELETE FROM bronze.superseded AS s USING best WHERE s.ctid = best.at RETURNING s.*
), demoted AS (
    INSERT INTO bronze.superseded SELECT (present).* FROM best WHERE (present).load_id IS NOT NULL
)
INSERT INTO bronze.transactions ({columns}, topic_id, load_id)
SELECT {columns}, topic_id, load_id FROM promoted ORDER BY transaction_id, status, event_time
ON CONFLICT (transaction_id, status, event_time) DO UPDATE SET {overwrite}
