-- What the audit of a day compares with, beside staged, which has the rows of the lake's files.
CREATE TEMPORARY TABLE audited (n integer, path text, topic_id text, due boolean) ON COMMIT DROP;
CREATE TEMPORARY TABLE sighted (
    topic_id text, kafka_partition integer, kafka_offset bigint, n integer,
    transaction_id text, status text, event_time timestamptz,
    in_lake boolean, in_bronze boolean, in_rejected boolean, loaded boolean, load_due boolean, replaced boolean, expired boolean, same boolean,
    event integer, gold integer, gold_same boolean, built boolean, build_due boolean,
    lake_currency text, lake_amount numeric, bronze_currency text, bronze_amount numeric,
    gold_currency text, gold_amount numeric) ON COMMIT DROP
