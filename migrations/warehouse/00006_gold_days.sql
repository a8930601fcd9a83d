-- +goose Up
-- The audit of a day finds the payments whose row is of that day.
CREATE INDEX fct_transactions_processing_date ON gold.fct_transactions (processing_date);

-- +goose Down
DROP INDEX gold.fct_transactions_processing_date;
