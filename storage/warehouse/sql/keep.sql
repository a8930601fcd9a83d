-- $1 load id, $2 topic id, $3 from which on: the staged rows that another one of the same transaction stands for.
INSERT INTO bronze.superseded ({columns}, topic_id, load_id, processing_date)
SELECT {columns}, $2, $1, (kafka_timestamp AT TIME ZONE 'UTC')::date FROM staged WHERE n >= $3
