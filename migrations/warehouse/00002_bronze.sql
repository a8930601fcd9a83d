-- +goose Up
-- bronze.transactions: one row per event. A table of months, so that old ones can be moved or dropped. Months from 2000
-- to 2099 are made when their first row comes; what a broken clock dates before or after them has one table each, so
-- that no topic, however hostile, can make more than 1,202 tables.
CREATE TABLE bronze.transactions (
    transaction_id      text          NOT NULL,
    status              text          NOT NULL,
    event_time          timestamptz   NOT NULL,
    initiated_at        timestamptz   NOT NULL,
    amount              numeric(18,2) NOT NULL,
    currency            text          NOT NULL,
    customer_id         text          NOT NULL,
    merchant_id         text          NOT NULL,
    payment_method      text          NOT NULL,
    customer_email      text,
    merchant_category   text,
    device_type         text,
    ip_address          text,
    city                text,
    country             text,
    is_fraud            boolean       NOT NULL,
    fraud_score         double precision,
    extra               text,
    payload_hash        bytea         NOT NULL,
    topic_id            text          NOT NULL,
    kafka_partition     integer       NOT NULL,
    kafka_offset        bigint        NOT NULL,
    kafka_timestamp     timestamptz   NOT NULL,
    ingestion_timestamp timestamptz   NOT NULL,
    load_id             bigint        NOT NULL,
    processing_date     date          NOT NULL GENERATED ALWAYS AS ((kafka_timestamp AT TIME ZONE 'UTC')::date) STORED,
    CONSTRAINT transactions_event PRIMARY KEY (transaction_id, status, event_time)
) PARTITION BY RANGE (event_time);
CREATE INDEX transactions_processing_date ON bronze.transactions (processing_date);
CREATE INDEX transactions_load_id ON bronze.transactions (load_id);
CREATE TABLE bronze.transactions_before_2000 PARTITION OF bronze.transactions
    FOR VALUES FROM (MINVALUE) TO ('2000-01-01 00:00:00+00');
CREATE TABLE bronze.transactions_from_2100 PARTITION OF bronze.transactions
    FOR VALUES FROM ('2100-01-01 00:00:00+00') TO (MAXVALUE);

COMMENT ON TABLE bronze.transactions IS 'One row per event (transaction_id, status, event_time): of the records with that key the one that comes last by kafka_timestamp, kafka_partition, kafka_offset';
COMMENT ON COLUMN bronze.transactions.extra IS 'Fields that the contract does not know, as JSON text';
COMMENT ON COLUMN bronze.transactions.payload_hash IS 'First half of the SHA-256 of the record''s value';
COMMENT ON COLUMN bronze.transactions.load_id IS 'metadata.loads.id: the transaction that wrote this row last';
COMMENT ON COLUMN bronze.transactions.processing_date IS 'The row''s lake day: UTC date of kafka_timestamp';

CREATE TABLE bronze.rejected (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    file_id         bigint      NOT NULL,
    file_row        bigint      NOT NULL,
    topic_id        text        NOT NULL,
    kafka_partition integer     NOT NULL,
    kafka_offset    bigint      NOT NULL,
    processing_date date        NOT NULL,
    sqlstate        text        NOT NULL,
    reason          text        NOT NULL,
    record          text        NOT NULL,
    load_id         bigint      NOT NULL,
    rejected_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (file_id, file_row)
);
CREATE INDEX rejected_processing_date ON bronze.rejected (processing_date);
COMMENT ON TABLE bronze.rejected IS 'Rows of the lake that the database refused, and why';
COMMENT ON COLUMN bronze.rejected.file_row IS 'Place in the file, counted from 0';
COMMENT ON COLUMN bronze.rejected.record IS 'The row as JSON text, customer_email and ip_address masked';

-- +goose Down
DROP TABLE bronze.rejected;
DROP TABLE bronze.transactions;
