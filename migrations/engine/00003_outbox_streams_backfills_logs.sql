-- +goose Up

-- Receivers of webhooks. The URL is for people and holds no secret.
CREATE TABLE tidemill.receivers (
    name          text        PRIMARY KEY,
    url           text        NOT NULL,
    registered_at timestamptz NOT NULL
);

-- What is to be told to the world, written in the transaction of what happened.
CREATE TABLE tidemill.outbox (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id  uuid        NOT NULL, -- the same on each delivery, and for each receiver
    kind      text        NOT NULL, -- callback, webhook
    receiver  text        NOT NULL, -- of a webhook
    hook      text        NOT NULL, -- of a callback
    dag_id    text        NOT NULL,
    run_id    bigint      NOT NULL,
    task_id   text        NOT NULL,
    map_index int         NOT NULL,
    type      text        NOT NULL, -- of the event
    data      bytea,
    at        timestamptz NOT NULL,
    state     text        NOT NULL DEFAULT 'pending', -- pending, delivered, failed
    tries     int         NOT NULL DEFAULT 0,
    next_at   timestamptz,
    claim     uuid,
    error     text        NOT NULL DEFAULT '',
    ended_at  timestamptz
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX outbox_pending ON tidemill.outbox (next_at, id) WHERE state = 'pending';

CREATE TABLE tidemill.streams (
    name     text    PRIMARY KEY,
    replicas int     NOT NULL,
    doc      text    NOT NULL,
    paused   boolean NOT NULL DEFAULT false
);

CREATE TABLE tidemill.stream_replicas (
    name        text NOT NULL REFERENCES tidemill.streams,
    replica     int  NOT NULL,
    lease       uuid,
    worker      bigint,
    started_at  timestamptz,
    progress    bytea,
    progress_at timestamptz,
    restarts    int  NOT NULL DEFAULT 0, -- in a row
    error       text NOT NULL DEFAULT '',
    next_start  timestamptz,
    PRIMARY KEY (name, replica)
) WITH (fillfactor = 50);

CREATE TABLE tidemill.backfills (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dag_id          text        NOT NULL,
    from_date       timestamptz NOT NULL,
    to_date         timestamptz NOT NULL,
    max_active_runs int         NOT NULL, -- 0: no limit
    backwards       boolean     NOT NULL,
    reprocess       text        NOT NULL, -- none, failed, completed
    params          bytea,
    tasks           text[],
    triggered_by    text        NOT NULL,
    paused          boolean     NOT NULL DEFAULT false,
    cancelled       boolean     NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    completed_at    timestamptz
);
CREATE INDEX backfills_open ON tidemill.backfills (dag_id) WHERE completed_at IS NULL;

-- Logs of attempts in chunks of NDJSON lines, readable from any process.
CREATE TABLE tidemill.task_logs (
    run_id    bigint NOT NULL,
    seq       bigint GENERATED ALWAYS AS IDENTITY,
    map_index int    NOT NULL,
    try       int    NOT NULL,
    task_id   text   NOT NULL,
    lines     bytea  NOT NULL,
    PRIMARY KEY (run_id, task_id, map_index, try, seq)
);

-- +goose Down
DROP TABLE tidemill.task_logs, tidemill.backfills, tidemill.stream_replicas, tidemill.streams, tidemill.outbox, tidemill.receivers;
