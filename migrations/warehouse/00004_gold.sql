-- +goose Up
-- Gold as readers see it. dbt builds in gold_build and publishes here, in one transaction, without ever dropping these
-- tables: views upon them, grants and indexes last.
CREATE TABLE gold.fct_transactions (
    transaction_id    text          NOT NULL PRIMARY KEY,
    status            text          NOT NULL,
    amount            numeric(18,2) NOT NULL,
    currency          text          NOT NULL,
    customer_id       text          NOT NULL,
    merchant_id       text          NOT NULL,
    merchant_category text,
    payment_method    text          NOT NULL,
    country           text,
    is_fraud          boolean       NOT NULL,
    fraud_score       double precision,
    initiated_at      timestamptz   NOT NULL,
    event_time        timestamptz   NOT NULL,
    transaction_date  date          NOT NULL,
    processing_date   date          NOT NULL,
    kafka_timestamp   timestamptz   NOT NULL,
    kafka_partition   integer       NOT NULL,
    kafka_offset      bigint        NOT NULL
);
CREATE INDEX fct_transactions_transaction_date ON gold.fct_transactions (transaction_date, currency);
COMMENT ON TABLE gold.fct_transactions IS 'One row per payment: its last record by event_time, status rank, kafka_timestamp, kafka_partition, kafka_offset';
COMMENT ON COLUMN gold.fct_transactions.transaction_date IS 'Date of initiated_at in UTC';
COMMENT ON COLUMN gold.fct_transactions.processing_date IS 'Date of kafka_timestamp in UTC: the lake day of the row';

CREATE TABLE gold.fct_daily_revenue (
    transaction_date date          NOT NULL,
    currency         text          NOT NULL,
    transactions     bigint        NOT NULL,
    pending          bigint        NOT NULL,
    succeeded        bigint        NOT NULL,
    failed           bigint        NOT NULL,
    refunded         bigint        NOT NULL,
    gross_amount     numeric(38,2) NOT NULL,
    refunded_amount  numeric(38,2) NOT NULL,
    fraud_count      bigint        NOT NULL,
    PRIMARY KEY (transaction_date, currency)
);
COMMENT ON TABLE gold.fct_daily_revenue IS 'One row per transaction_date and currency, summed over gold.fct_transactions';
COMMENT ON COLUMN gold.fct_daily_revenue.gross_amount IS 'Sum of amount where status is SUCCESS';
COMMENT ON COLUMN gold.fct_daily_revenue.refunded_amount IS 'Sum of amount where status is REFUNDED';

CREATE SCHEMA gold_build;
COMMENT ON SCHEMA gold_build IS 'Gold under construction: dbt''s tables, model by model. Read the schema gold instead';

-- The marks that the models leave, each in its model's own transaction.
CREATE TABLE metadata.stagings (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id     text        NOT NULL,
    day        date        NOT NULL,
    everything boolean     NOT NULL,
    staged_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE metadata.stagings IS 'One row per run of stg_transactions; the latest says what the table holds';
COMMENT ON COLUMN metadata.stagings.everything IS 'All of bronze was staged, as a full refresh asks';

CREATE TABLE metadata.builds (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    staging_id   bigint      NOT NULL REFERENCES metadata.stagings,
    run_id       text        NOT NULL,
    day          date        NOT NULL,
    from_scratch boolean     NOT NULL,
    built_at     timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE metadata.builds IS 'One row per run of fct_transactions; the rows that it changed carry its id. Ids commit in order';

CREATE TABLE metadata.revenue_changes (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_date date   NOT NULL,
    currency         text   NOT NULL,
    summed           boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE metadata.revenue_changes IS 'Groups that a changed payment is or was in: to be summed again by fct_daily_revenue, then to be published';

CREATE TABLE metadata.gold_publications (
    build_id         bigint      NOT NULL PRIMARY KEY REFERENCES metadata.builds,
    run_id           text        NOT NULL,
    day              date        NOT NULL,
    transactions     bigint      NOT NULL,
    published_at     timestamptz NOT NULL
);
COMMENT ON TABLE metadata.gold_publications IS 'One row per publication; the latest says which run''s Gold readers see';
COMMENT ON COLUMN metadata.gold_publications.transactions IS 'Payments that it changed';

-- +goose Down
DROP TABLE metadata.gold_publications;
DROP TABLE metadata.revenue_changes;
DROP TABLE metadata.builds;
DROP TABLE metadata.stagings;
DROP SCHEMA gold_build CASCADE;
DROP TABLE gold.fct_daily_revenue;
DROP TABLE gold.fct_transactions;
