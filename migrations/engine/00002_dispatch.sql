-- +goose Up

-- One row per worker process. A claim takes it FOR KEY SHARE: a process without a row gets no tasks.
CREATE TABLE tidemill.workers (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- never used again
    name             text        NOT NULL,
    build            text        NOT NULL,
    kind             text        NOT NULL,
    slots            int         NOT NULL,
    queues           text[]      NOT NULL,
    dags             text[]      NOT NULL,
    streams          text[]      NOT NULL,
    application_name text        NOT NULL, -- of its sessions, so that they can be ended when it is dead
    beats            bigint      NOT NULL DEFAULT 0,
    joined_at        timestamptz NOT NULL,
    beat_at          timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Task instances that are ready or leased; a row leaves at the end of the attempt. The row is the lease: whoever ends the
-- attempt deletes the row that carries it. No index has lease, worker or leased_at and more than half of each page is kept
-- free, so that a claim is a HOT update even when a whole page is claimed at once.
CREATE TABLE tidemill.task_queue (
    run_id    bigint      NOT NULL,
    seq       bigint      GENERATED ALWAYS AS IDENTITY,
    queued_at timestamptz NOT NULL,
    leased_at timestamptz,
    worker    bigint,
    lease     uuid,
    map_index int         NOT NULL, -- -1: not mapped
    try       int         NOT NULL,
    priority  int         NOT NULL,
    cancelled boolean     NOT NULL DEFAULT false, -- its worker is asked to cancel it
    task_id   text        NOT NULL,
    dag_id    text        NOT NULL,
    queue     text        NOT NULL,
    PRIMARY KEY (run_id, task_id, map_index)
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0);
CREATE INDEX task_queue_order ON tidemill.task_queue (dag_id, priority DESC, seq);

-- History: one row per try, written at its end. Try 0 is no attempt but a decision not to run.
CREATE TABLE tidemill.attempts (
    run_id     bigint      NOT NULL,
    seq        bigint      GENERATED ALWAYS AS IDENTITY, -- order of writing
    queued_at  timestamptz,
    started_at timestamptz,
    ended_at   timestamptz NOT NULL,
    map_index  int         NOT NULL,
    try        int         NOT NULL,
    task_id    text        NOT NULL,
    state      text        NOT NULL, -- what became of the instance
    ending     text        NOT NULL, -- how the attempt ended; '' for a decision
    worker     text        NOT NULL,
    version    text        NOT NULL,
    build      text        NOT NULL,
    error      text        NOT NULL,
    marked_by  text        NOT NULL,
    output     bytea,                -- as encoded; jsonb would refuse some of what JSON allows
    inputs     bytea,
    PRIMARY KEY (run_id, task_id, map_index, try)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.2, autovacuum_analyze_scale_factor = 0.05);

CREATE TABLE tidemill.timers (
    due_at    timestamptz NOT NULL,
    run_id    bigint      NOT NULL,
    map_index int         NOT NULL,
    kind      text        NOT NULL, -- retry, restart, deadline
    task_id   text        NOT NULL, -- '': the run's own
    dag_id    text        NOT NULL,
    PRIMARY KEY (run_id, task_id, map_index, kind)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX timers_due ON tidemill.timers (due_at);

-- Nodes that a running task reports as it goes, such as dbt's models and tests.
CREATE TABLE tidemill.virtual_nodes (
    run_id     bigint NOT NULL,
    task_id    text   NOT NULL, -- its runner
    map_index  int    NOT NULL,
    node_id    text   NOT NULL,
    seq        bigint GENERATED ALWAYS AS IDENTITY,
    state      text   NOT NULL,
    started_at timestamptz,
    ended_at   timestamptz,
    message    text   NOT NULL,
    details    bytea,
    upstream   text[],
    try        int    NOT NULL,
    PRIMARY KEY (run_id, task_id, map_index, node_id)
) WITH (fillfactor = 70);

-- +goose Down
DROP TABLE tidemill.virtual_nodes, tidemill.timers, tidemill.attempts, tidemill.task_queue, tidemill.workers;
