-- $1 load id, $2 topic id, $3 partitions and $4 offsets: take out what replaced files have there, note the events that this
-- leaves without a row and the payments that they are of, and tell at which places there was something.
WITH old AS MATERIALIZED (
    SELECT r.*
    FROM unnest($3::integer[], $4::bigint[]) AS k (kafka_partition, kafka_offset)
    CROSS JOIN LATERAL (
        SELECT * FROM retired AS r
        WHERE (r.kafka_partition, r.kafka_offset, r.topic_id) = (k.kafka_partition, k.kafka_offset, $2)
        OFFSET 0
    ) AS r
    ORDER BY r.transaction_id, r.status, r.event_time
), from_bronze AS (
    DELETE FROM bronze.transactions AS t USING old
    WHERE (t.transaction_id, t.status, t.event_time) = (old.transaction_id, old.status, old.event_time)
        AND (t.topic_id, t.kafka_partition, t.kafka_offset, t.load_id) = (old.topic_id, old.kafka_partition, old.kafka_offset, old.load_id)
    RETURNING t.transaction_id, t.status, t.event_time, t.kafka_partition, t.kafka_offset
), from_superseded AS (
    DELETE FROM bronze.superseded AS t USING old
    WHERE (t.transaction_id, t.status, t.event_time) = (old.transaction_id, old.status, old.event_time)
        AND (t.topic_id, t.kafka_partition, t.kafka_offset, t.load_id) = (old.topic_id, old.kafka_partition, old.kafka_offset, old.load_id)
    RETURNING t.kafka_partition, t.kafka_offset
), from_rejected AS (
    DELETE FROM bronze.rejected AS t USING old WHERE t.id = old.rejected_id RETURNING t.kafka_partition, t.kafka_offset
), events AS (
    INSERT INTO emptied SELECT transaction_id, status, event_time FROM from_bronze
), changed AS (
    INSERT INTO metadata.payment_changes (transaction_id, load_id) SELECT DISTINCT transaction_id, $1::bigint FROM from_bronze
)
SELECT kafka_partition, kafka_offset FROM from_bronze
UNION
SELECT kafka_partition, kafka_offset FROM from_superseded
UNION
SELECT kafka_partition, kafka_offset FROM from_rejected
