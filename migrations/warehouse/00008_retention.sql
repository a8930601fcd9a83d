-- +goose Up
-- Bronze may be kept for so many months only: what was dropped of it, so that audits and full refreshes know.
CREATE TABLE metadata.bronze_retention (
    singleton      boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (singleton),
    dropped_before timestamptz NOT NULL
);
COMMENT ON TABLE metadata.bronze_retention IS 'One row once months of bronze were dropped: records with an event_time before dropped_before are gone, but for those that were loaded later';
CREATE TABLE metadata.bronze_expired (
    day        date   NOT NULL PRIMARY KEY,
    rows       bigint NOT NULL,
    superseded bigint NOT NULL
);
COMMENT ON TABLE metadata.bronze_expired IS 'How many rows of each lake day were dropped with their month, and how many records that stood behind them';

-- +goose Down
DROP TABLE metadata.bronze_expired;
DROP TABLE metadata.bronze_retention;
