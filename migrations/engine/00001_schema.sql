-- +goose Up
CREATE SCHEMA tidemill;
-- +goose Down
DROP SCHEMA tidemill;
