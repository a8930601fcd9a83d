-- +goose Up
-- What a day's quality is told by beside its counts. Null in a row from before this migration: was not measured.
ALTER TABLE metadata.data_quality_metrics
    ADD COLUMN duplicate_rate      double precision,
    ADD COLUMN null_rates          jsonb,
    ADD COLUMN dead_letter_reasons jsonb,
    ADD COLUMN status_counts       jsonb,
    ADD COLUMN status_sums         jsonb,
    ADD COLUMN baseline            jsonb;
COMMENT ON COLUMN metadata.data_quality_metrics.duplicate_rate IS 'Share of duplicates in the records of the day that were loaded';
COMMENT ON COLUMN metadata.data_quality_metrics.null_rates IS 'For each column of bronze.transactions the share of rows_loaded that have none';
COMMENT ON COLUMN metadata.data_quality_metrics.dead_letter_reasons IS 'How many dead letters each field of the contract made';
COMMENT ON COLUMN metadata.data_quality_metrics.status_counts IS 'Rows per status';
COMMENT ON COLUMN metadata.data_quality_metrics.status_sums IS 'Sum of amount per status and currency, as decimal text: {"SUCCESS": {"INR": "12.30"}}';
COMMENT ON COLUMN metadata.data_quality_metrics.baseline IS 'Each metric beside the seven days before it: value, days, median, mad, score';

CREATE VIEW metadata.data_quality_scores AS
SELECT m.day, m.run_id, b.metric, (b.beside ->> 'value')::double precision AS value, (b.beside ->> 'days')::integer AS days,
    (b.beside ->> 'median')::double precision AS median, (b.beside ->> 'mad')::double precision AS mad,
    (b.beside ->> 'score')::double precision AS score, m.created_at
FROM metadata.data_quality_metrics AS m CROSS JOIN LATERAL jsonb_each(m.baseline) AS b (metric, beside);
COMMENT ON VIEW metadata.data_quality_scores IS 'metadata.data_quality_metrics.baseline, one row per metric; |score| > 3.5 is out of the ordinary';

-- +goose Down
DROP VIEW metadata.data_quality_scores;
ALTER TABLE metadata.data_quality_metrics
    DROP COLUMN duplicate_rate, DROP COLUMN null_rates, DROP COLUMN dead_letter_reasons, DROP COLUMN status_counts,
    DROP COLUMN status_sums, DROP COLUMN baseline;
