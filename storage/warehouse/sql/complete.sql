-- $1 file, $2 topic id, $3 the places in the file of the staged rows, which are loaded: keep those that are not in bronze yet.
INSERT INTO bronze.superseded ({columns}, topic_id, load_id, processing_date)
SELECT {columns}, $2, load.id, (kafka_timestamp AT TIME ZONE 'UTC')::date
FROM staged
CROSS JOIN LATERAL (
    SELECT loads.id FROM metadata.loads WHERE file_id = $1 AND first_row <= ($3::bigint[])[staged.n + 1]
    ORDER BY first_row DESC LIMIT 1
) AS load
WHERE NOT EXISTS (
        SELECT FROM bronze.transactions AS t
        WHERE (t.transaction_id, t.status, t.event_time) = (staged.transaction_id, staged.status, staged.event_time)
            AND (t.topic_id, t.kafka_partition, t.kafka_offset) = ($2, staged.kafka_partition, staged.kafka_offset))
    AND NOT EXISTS (
        SELECT FROM bronze.superseded AS t
        WHERE (t.transaction_id, t.status, t.event_time) = (staged.transaction_id, staged.status, staged.event_time)
            AND (t.topic_id, t.kafka_partition, t.kafka_offset) = ($2, staged.kafka_partition, staged.kafka_offset))
