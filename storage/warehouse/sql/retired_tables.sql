-- Where the records of replaced files are: what a load that repairs a day works from. emptied has the events whose row one
-- transaction takes away.
CREATE TEMPORARY TABLE IF NOT EXISTS retired (
    file_id bigint, topic_id text, kafka_partition integer, kafka_offset bigint,
    transaction_id text, status text, event_time timestamptz, load_id bigint, rejected_id bigint);
CREATE INDEX IF NOT EXISTS retired_place ON retired (kafka_partition, kafka_offset, topic_id);
CREATE TEMPORARY TABLE IF NOT EXISTS emptied (transaction_id text, status text, event_time timestamptz) ON COMMIT DELETE ROWS;
TRUNCATE retired
