-- $1 replaced files, by metadata.lake_files.id: their records that are still there.
WITH of_file AS MATERIALIZED (
    SELECT id, file_id FROM metadata.loads WHERE file_id = ANY ($1)
)
INSERT INTO retired
SELECT of_file.file_id, t.topic_id, t.kafka_partition, t.kafka_offset, t.transaction_id, t.status, t.event_time, t.load_id, null::bigint
FROM of_file CROSS JOIN LATERAL (SELECT * FROM bronze.transactions AS t WHERE t.load_id = of_file.id OFFSET 0) AS t
UNION ALL
SELECT of_file.file_id, t.topic_id, t.kafka_partition, t.kafka_offset, t.transaction_id, t.status, t.event_time, t.load_id, null::bigint
FROM of_file CROSS JOIN LATERAL (SELECT * FROM bronze.superseded AS t WHERE t.load_id = of_file.id OFFSET 0) AS t
UNION ALL
SELECT r.file_id, r.topic_id, r.kafka_partition, r.kafka_offset, null, null, null, null::bigint, r.id
FROM bronze.rejected AS r WHERE r.file_id = ANY ($1)
