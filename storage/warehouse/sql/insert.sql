-- $1 load id, $2 topic id, $3 how many: bring the first staged rows where their event is new, in the order of the key, and
-- tell which others there are.
WITH inserted AS (
    INSERT INTO bronze.transactions ({columns}, topic_id, load_id)
    SELECT {columns}, $2, $1 FROM staged WHERE n < $3 ORDER BY n
    ON CONFLICT (transaction_id, status, event_time) DO NOTHING
    RETURNING kafka_partition, kafka_offset
)
SELECT n FROM staged
WHERE n < $3 AND NOT EXISTS (
    SELECT FROM inserted
    WHERE inserted.kafka_partition = staged.kafka_partition AND inserted.kafka_offset = staged.kafka_offset)
