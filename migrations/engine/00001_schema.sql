-- +goose Up
CREATE SCHEMA tidemill;

-- What the processes know of DAGs. A version is the hash of a DAG's structure; its spec is data for people.
CREATE TABLE tidemill.dags (
    dag_id          text        PRIMARY KEY,
    version         text        NOT NULL,
    build           text        NOT NULL, -- of the process that registered it last: only that build schedules it
    max_active_runs int         NOT NULL, -- 0: no limit
    paused          boolean     NOT NULL DEFAULT false,
    registered_at   timestamptz NOT NULL,
    seen_at         timestamptz NOT NULL
);

CREATE TABLE tidemill.dag_versions (
    dag_id     text        NOT NULL,
    version    text        NOT NULL,
    spec       json        NOT NULL, -- not jsonb: that refuses U+0000
    created_at timestamptz NOT NULL,
    PRIMARY KEY (dag_id, version)
);

-- Rows to lock, by name, by whoever counts against a limit. They hold nothing.
CREATE TABLE tidemill.limits (
    name text PRIMARY KEY
);

-- A run's whole state is one value, states, encoded by the engine and written back at each transition. Half of each page
-- is kept free, so that those updates stay in the page (HOT); none but a change of state touches an index.
CREATE TABLE tidemill.runs (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dag_id         text        NOT NULL,
    run_id         text        NOT NULL,
    run_type       text        NOT NULL, -- scheduled, manual, backfill
    logical_date   timestamptz,
    interval_start timestamptz,
    interval_end   timestamptz,
    params         bytea,                -- JSON as it came
    backfill_id    bigint      NOT NULL DEFAULT 0, -- 0: none
    position       int         NOT NULL DEFAULT 0, -- within its backfill
    triggered_by   text        NOT NULL,
    note           text        NOT NULL,
    priority       int         NOT NULL,
    only_tasks     text[],
    deadline       interval    NOT NULL,
    queued_at      timestamptz NOT NULL,
    version        text        NOT NULL,
    state          text        NOT NULL, -- queued, running, success, failed
    failed_tasks   int         NOT NULL DEFAULT 0,
    started_at     timestamptz,
    ended_at       timestamptz,
    states         bytea,
    UNIQUE (dag_id, run_id)
) WITH (fillfactor = 50, toast_tuple_target = 4080, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
ALTER TABLE tidemill.runs ALTER COLUMN states SET STORAGE EXTERNAL; -- dense already: compressing it costs and gains nothing
CREATE UNIQUE INDEX runs_dag_id_logical_date_key ON tidemill.runs (dag_id, logical_date) WHERE logical_date IS NOT NULL;
CREATE INDEX runs_open ON tidemill.runs (dag_id, state, backfill_id, position) WHERE state IN ('queued', 'running');
CREATE INDEX runs_backfill ON tidemill.runs (backfill_id) WHERE backfill_id > 0;

-- +goose Down
DROP SCHEMA tidemill CASCADE;
