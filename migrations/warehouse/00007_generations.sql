-- +goose Up
-- What a replay of a day changes: the records that stand behind those in bronze, so that one of them can take the place of a
-- record that is gone; which files of the lake have been replaced; and the payments whose records were taken away.
CREATE TABLE bronze.superseded (LIKE bronze.transactions INCLUDING COMMENTS);
CREATE INDEX superseded_event ON bronze.superseded (transaction_id, status, event_time);
CREATE INDEX superseded_load_id ON bronze.superseded (load_id);
COMMENT ON TABLE bronze.superseded IS 'Records that another one of their event stands for in bronze.transactions: copies, and those that come before it by kafka_timestamp, kafka_partition, kafka_offset';

ALTER TABLE metadata.lake_files
    ADD COLUMN keeps_superseded boolean NOT NULL DEFAULT false,
    ADD COLUMN retired_at timestamptz;
COMMENT ON COLUMN metadata.lake_files.keeps_superseded IS 'Those of its rows that are not in bronze.transactions are in bronze.superseded or bronze.rejected';
COMMENT ON COLUMN metadata.lake_files.retired_at IS 'When its last row was taken out of bronze, because the lake has a newer generation in its place';

CREATE TABLE metadata.lake_days (
    lake       text    NOT NULL,
    day        date    NOT NULL,
    generation integer NOT NULL,
    PRIMARY KEY (lake, day)
);
COMMENT ON TABLE metadata.lake_days IS 'Days that were replayed: a load that has seen no more than an older generation brings nothing of them';

ALTER TABLE metadata.loads ADD COLUMN rows_removed bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN metadata.loads.rows_removed IS 'Records of a replaced file that its successors do not have, taken out of bronze';
COMMENT ON COLUMN metadata.load_audit.rows_replaced IS 'Took the place of the same record as an older generation of its day had it, or of an earlier record of the same event with another payload';

CREATE TABLE metadata.payment_changes (
    id             bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction_id text    NOT NULL,
    load_id        bigint  NOT NULL,
    staged_by      bigint,
    built_by       bigint
);
CREATE INDEX payment_changes_transaction_id ON metadata.payment_changes (transaction_id);
CREATE INDEX payment_changes_not_built ON metadata.payment_changes (id) WHERE built_by IS NULL;
COMMENT ON TABLE metadata.payment_changes IS 'Payments that a load has taken a record of out of bronze.transactions: to be built anew from all of their records, then to be published';
COMMENT ON COLUMN metadata.payment_changes.staged_by IS 'metadata.stagings.id: the latest run of stg_transactions that took it';
COMMENT ON COLUMN metadata.payment_changes.built_by IS 'metadata.builds.id: the run of fct_transactions that has it in; null: not built yet';

-- +goose Down
DROP TABLE metadata.payment_changes;
ALTER TABLE metadata.loads DROP COLUMN rows_removed;
DROP TABLE metadata.lake_days;
ALTER TABLE metadata.lake_files DROP COLUMN retired_at, DROP COLUMN keeps_superseded;
DROP TABLE bronze.superseded;
