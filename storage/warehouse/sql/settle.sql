-- $1 load id, $2 topic id, $3 staged rows whose event is there: the later record, in the order of an event's records,
-- is the event's row, the other one goes to bronze.superseded. Tells how many were copies of the row that was there, how
-- many came before it with another payload, and how many after it with another payload.
WITH met AS MATERIALIZED (
    SELECT
        staged.n,
        (there.t).payload_hash = staged.payload_hash AS same,
        (staged.kafka_timestamp, staged.kafka_partition, staged.kafka_offset)
            > ((there.t).kafka_timestamp, (there.t).kafka_partition, (there.t).kafka_offset) AS later,
        there.t AS held
    FROM (SELECT * FROM staged WHERE n = ANY ($3) ORDER BY n OFFSET 0) AS staged
    CROSS JOIN LATERAL (
        SELECT t
        FROM bronze.transactions AS t
        WHERE (t.transaction_id, t.status, t.event_time) = (staged.transaction_id, staged.status, staged.event_time)
        OFFSET 0 -- looked up by index, one by one
        FOR UPDATE
    ) AS there
), taken AS (
    INSERT INTO bronze.transactions AS there ({columns}, topic_id, load_id)
    SELECT {columns}, $2, $1 FROM staged JOIN met USING (n) WHERE met.later ORDER BY n
    ON CONFLICT (transaction_id, status, event_time) DO UPDATE SET {overwrite}
    WHERE (excluded.kafka_timestamp, excluded.kafka_partition, excluded.kafka_offset)
        > (there.kafka_timestamp, there.kafka_partition, there.kafka_offset)
), beaten AS (
    INSERT INTO bronze.superseded SELECT (held).* FROM met WHERE later
), behind AS (
    INSERT INTO bronze.superseded ({columns}, topic_id, load_id, processing_date)
    SELECT {columns}, $2, $1, (kafka_timestamp AT TIME ZONE 'UTC')::date FROM staged JOIN met USING (n) WHERE NOT met.later
)
SELECT
    count(*) FILTER (WHERE same),
    count(*) FILTER (WHERE NOT same AND NOT later),
    count(*) FILTER (WHERE NOT same AND later)
FROM met
