-- +goose Up
CREATE TABLE metadata.load_audit (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dag_id           text        NOT NULL,
    run_id           text        NOT NULL,
    task_id          text        NOT NULL,
    try_number       integer     NOT NULL,
    logical_date     timestamptz,
    day              date        NOT NULL,
    status           text        NOT NULL CHECK (status IN ('RUNNING', 'SUCCESS', 'FAILED')),
    files            bigint      NOT NULL DEFAULT 0,
    late_files       bigint      NOT NULL DEFAULT 0,
    rows_read        bigint      NOT NULL DEFAULT 0,
    rows_loaded      bigint      NOT NULL DEFAULT 0,
    rows_duplicate   bigint      NOT NULL DEFAULT 0,
    rows_conflicting bigint      NOT NULL DEFAULT 0,
    rows_replaced    bigint      NOT NULL DEFAULT 0,
    rows_removed     bigint      NOT NULL DEFAULT 0,
    rows_skipped     bigint      NOT NULL DEFAULT 0,
    rows_rejected    bigint      NOT NULL DEFAULT 0,
    duration_ms      bigint,
    error_message    text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    finished_at      timestamptz,
    CONSTRAINT every_row_read_is_accounted_for CHECK (
        rows_read = rows_loaded + rows_duplicate + rows_conflicting + rows_replaced + rows_skipped + rows_rejected),
    CONSTRAINT ended_or_running CHECK ((status = 'RUNNING') = (finished_at IS NULL)),
    CONSTRAINT failed_with_a_reason CHECK (status <> 'FAILED' OR error_message IS NOT NULL)
);
CREATE INDEX load_audit_created_at ON metadata.load_audit (created_at);
CREATE INDEX load_audit_running ON metadata.load_audit (id) WHERE status = 'RUNNING';
COMMENT ON TABLE metadata.load_audit IS 'One row per attempt of a load';
COMMENT ON COLUMN metadata.load_audit.day IS 'Files of this lake day and of all days before it were asked for';
COMMENT ON COLUMN metadata.load_audit.late_files IS 'Files whose day lies before the lookback';
COMMENT ON COLUMN metadata.load_audit.rows_loaded IS 'Inserted: the first record of its event';
COMMENT ON COLUMN metadata.load_audit.rows_duplicate IS 'Copies, byte for byte, of the record that is in bronze';
COMMENT ON COLUMN metadata.load_audit.rows_conflicting IS 'Same event as a later record, another payload: not taken';
COMMENT ON COLUMN metadata.load_audit.rows_replaced IS 'Same event as an earlier record, another payload: took its place';
COMMENT ON COLUMN metadata.load_audit.rows_removed IS 'Taken out because a newer generation of their day no longer has them';
COMMENT ON COLUMN metadata.load_audit.rows_skipped IS 'Were there from an attempt before this one';
COMMENT ON COLUMN metadata.load_audit.rows_rejected IS 'Refused by the database: bronze.rejected';

-- What of the lake is loaded: the mark of progress of each file.
CREATE TABLE metadata.lake_files (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lake        text        NOT NULL,
    path        text        NOT NULL,
    topic_id    text        NOT NULL,
    day         date        NOT NULL,
    generation  integer     NOT NULL,
    rows        bigint      NOT NULL,
    rows_done   bigint      NOT NULL DEFAULT 0 CHECK (rows_done BETWEEN 0 AND rows),
    late_rows   bigint      NOT NULL DEFAULT 0,
    checksum    text        NOT NULL,
    begun_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (lake, path)
);
CREATE INDEX lake_files_day ON metadata.lake_files (day);
COMMENT ON TABLE metadata.lake_files IS 'Files of the lake that a load has begun; loaded when rows_done = rows';

-- One row per committed transaction of a load. Its rows in bronze carry its id, and come into being with it.
CREATE TABLE metadata.loads (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    audit_id         bigint      NOT NULL REFERENCES metadata.load_audit,
    file_id          bigint      NOT NULL REFERENCES metadata.lake_files,
    first_row        bigint      NOT NULL,
    rows_loaded      bigint      NOT NULL,
    rows_duplicate   bigint      NOT NULL,
    rows_conflicting bigint      NOT NULL,
    rows_replaced    bigint      NOT NULL,
    rows_rejected    bigint      NOT NULL,
    loaded_at        timestamptz NOT NULL DEFAULT now(),
    staged_by        bigint,
    built_by         bigint
);
CREATE INDEX loads_not_built ON metadata.loads (id) WHERE built_by IS NULL;
CREATE INDEX loads_audit ON metadata.loads (audit_id);
COMMENT ON TABLE metadata.loads IS 'One row per committed transaction of a load, and what dbt has made of it';
COMMENT ON COLUMN metadata.loads.first_row IS 'Where in the file its rows begin, counted from 0';
COMMENT ON COLUMN metadata.loads.staged_by IS 'metadata.stagings.id: the latest run of stg_transactions that took its rows';
COMMENT ON COLUMN metadata.loads.built_by IS 'metadata.builds.id: the run of fct_transactions that has them in; null: not built yet';

CREATE TABLE metadata.data_quality_metrics (
    day                         date        NOT NULL,
    run_id                      text        NOT NULL,
    rows_loaded                 bigint      NOT NULL,
    duplicates                  bigint      NOT NULL,
    rejected                    bigint      NOT NULL,
    dead_letters                bigint      NOT NULL,
    tombstones                  bigint      NOT NULL,
    key_mismatches              bigint      NOT NULL,
    late_rows                   bigint      NOT NULL,
    dead_letter_rate            double precision,
    null_rate_customer_email    double precision,
    null_rate_merchant_category double precision,
    null_rate_device_type       double precision,
    null_rate_ip_address        double precision,
    null_rate_city              double precision,
    null_rate_country           double precision,
    null_rate_fraud_score       double precision,
    fraud_count                 bigint      NOT NULL,
    fraud_rate                  double precision,
    amount_sums                 jsonb       NOT NULL,
    created_at                  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (day, run_id)
);
COMMENT ON TABLE metadata.data_quality_metrics IS 'One row per lake day and run. A rate over nothing is null';
COMMENT ON COLUMN metadata.data_quality_metrics.rows_loaded IS 'Rows of bronze.transactions with that processing_date';
COMMENT ON COLUMN metadata.data_quality_metrics.duplicates IS 'Records of the day that another record of their event stands for';
COMMENT ON COLUMN metadata.data_quality_metrics.late_rows IS 'Rows that came to the lake after their day was over';
COMMENT ON COLUMN metadata.data_quality_metrics.amount_sums IS 'Sum of amount over rows_loaded, per currency, as decimal text';

-- +goose Down
DROP TABLE metadata.data_quality_metrics;
DROP TABLE metadata.loads;
DROP TABLE metadata.lake_files;
DROP TABLE metadata.load_audit;
