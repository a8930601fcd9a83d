-- +goose Up

ALTER TABLE tidemill.dags ADD COLUMN unpaused_at timestamptz;
ALTER TABLE tidemill.workers ADD COLUMN versions text[]; -- of its DAGs, in their order

ALTER TABLE tidemill.runs
    ADD COLUMN note_by     text,    -- who wrote the note
    ADD COLUMN ignore_past boolean  NOT NULL DEFAULT false,
    ADD COLUMN hold        json;    -- what keeps it from starting: {"Stream", "Passed", "Limit"}
CREATE INDEX runs_held ON tidemill.runs (dag_id, id) WHERE hold IS NOT NULL;

-- What may catch an error begins a subtransaction, which no query can that works in parallel.
ALTER FUNCTION tidemill.as_text(bytea) PARALLEL UNSAFE;

-- Tasks that take slots of a pool have an index of their own, so that of a full pool's tasks, however many, none is looked
-- at. A claim stays a HOT update: no index has lease, worker or leased_at.
ALTER TABLE tidemill.task_queue
    ADD COLUMN pool  text, -- null: none
    ADD COLUMN slots int,  -- that it takes of its pool
    -- Leased from the start, handed over in passing, and under no limit that is counted: nobody looks for it by its order.
    ADD COLUMN handed boolean NOT NULL DEFAULT false;
DROP INDEX tidemill.task_queue_order;
CREATE INDEX task_queue_order ON tidemill.task_queue (dag_id, priority DESC, seq) WHERE pool IS NULL AND NOT handed;
CREATE INDEX task_queue_pooled ON tidemill.task_queue (dag_id, pool, priority DESC, seq) WHERE pool IS NOT NULL;

CREATE TABLE tidemill.pools (
    name        text PRIMARY KEY,
    slots       int  NOT NULL,
    description text NOT NULL
);

-- The leases that take slots of a pool, so that a claim finds them without reading the pool's ready tasks. A claim writes
-- its rows here under the pool's lock; an end leaves its row behind, which is void as soon as the queue's row no longer
-- carries that lease, and which the pool's next claim deletes.
CREATE TABLE tidemill.pool_leases (
    run_id    bigint NOT NULL,
    lease     uuid   NOT NULL,
    map_index int    NOT NULL,
    slots     int    NOT NULL,
    task_id   text   NOT NULL,
    pool      text   NOT NULL,
    PRIMARY KEY (pool, run_id, task_id, map_index)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- What task instances wait for outside their runs, one row each.
CREATE TABLE tidemill.waits (
    run_id     bigint      NOT NULL,
    since      timestamptz NOT NULL,
    map_index  int         NOT NULL,
    task_id    text        COLLATE "C" NOT NULL,
    dag_id     text        NOT NULL,
    kind       text        NOT NULL, -- run, past
    target_dag text        NOT NULL, -- of the run that is to end
    target_run text        NOT NULL,
    reason     text        NOT NULL,
    PRIMARY KEY (run_id, task_id, map_index)
) WITH (autovacuum_vacuum_scale_factor = 0.05);

-- What was asked of people, one row for each instance: the question asked last.
CREATE TABLE tidemill.questions (
    run_id         bigint      NOT NULL,
    asked_at       timestamptz NOT NULL,
    due_at         timestamptz,
    closed_at      timestamptz, -- null: open
    map_index      int         NOT NULL,
    task_id        text        COLLATE "C" NOT NULL,
    question       text        NOT NULL,
    answers        text[],
    default_answer text        NOT NULL,
    PRIMARY KEY (run_id, task_id, map_index)
);
CREATE INDEX questions_open ON tidemill.questions (asked_at, run_id) WHERE closed_at IS NULL;

-- Names of the elements that mapped instances work on.
CREATE TABLE tidemill.element_names (
    run_id    bigint NOT NULL,
    map_index int    NOT NULL,
    task_id   text   NOT NULL,
    name      text   NOT NULL,
    PRIMARY KEY (run_id, task_id, map_index)
);

CREATE TABLE tidemill.task_notes (
    run_id     bigint      NOT NULL,
    map_index  int         NOT NULL,
    task_id    text        NOT NULL,
    note       text        NOT NULL,
    written_by text        NOT NULL,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (run_id, task_id, map_index)
);

-- Updates of assets. Ids commit out of order, so nothing reads on from an id: for each DAG that an asset schedules its event
-- is pending until a run is made of it.
CREATE TABLE tidemill.asset_events (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    updated_at timestamptz NOT NULL,
    run_key    bigint      NOT NULL, -- 0: no run's
    map_index  int         NOT NULL,
    asset      text        NOT NULL,
    dag_id     text        NOT NULL,
    run_id     text        NOT NULL,
    task_id    text        NOT NULL,
    extra      bytea
);
CREATE INDEX asset_events_asset ON tidemill.asset_events (asset, id);

CREATE TABLE tidemill.asset_schedules (
    asset  text NOT NULL,
    dag_id text NOT NULL, -- that the asset schedules
    PRIMARY KEY (asset, dag_id)
);
CREATE INDEX asset_schedules_dag ON tidemill.asset_schedules (dag_id);

CREATE TABLE tidemill.asset_pending (
    event_id bigint NOT NULL,
    dag_id   text   NOT NULL,
    PRIMARY KEY (dag_id, event_id)
) WITH (autovacuum_vacuum_scale_factor = 0.05);

-- The events that triggered a run.
CREATE TABLE tidemill.run_assets (
    run_id   bigint NOT NULL,
    event_id bigint NOT NULL,
    PRIMARY KEY (run_id, event_id)
);

-- What hangs on a run goes with it. A foreign key would make each update of a run dearer; this costs only a deletion.
-- +goose StatementBegin
CREATE FUNCTION tidemill.forget_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM tidemill.waits WHERE run_id = OLD.id;
    DELETE FROM tidemill.questions WHERE run_id = OLD.id;
    DELETE FROM tidemill.element_names WHERE run_id = OLD.id;
    DELETE FROM tidemill.task_notes WHERE run_id = OLD.id;
    DELETE FROM tidemill.run_assets WHERE run_id = OLD.id;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER runs_forget AFTER DELETE ON tidemill.runs FOR EACH ROW EXECUTE FUNCTION tidemill.forget_run();

-- +goose Down
ALTER FUNCTION tidemill.as_text(bytea) PARALLEL SAFE;
ALTER TABLE tidemill.dags DROP COLUMN unpaused_at;
ALTER TABLE tidemill.workers DROP COLUMN versions;
DROP TRIGGER runs_forget ON tidemill.runs;
DROP FUNCTION tidemill.forget_run;
DROP TABLE tidemill.run_assets, tidemill.asset_pending, tidemill.asset_schedules, tidemill.asset_events, tidemill.task_notes,
    tidemill.element_names, tidemill.questions, tidemill.waits, tidemill.pool_leases, tidemill.pools;
DROP INDEX tidemill.task_queue_pooled, tidemill.task_queue_order;
ALTER TABLE tidemill.task_queue DROP COLUMN pool, DROP COLUMN slots, DROP COLUMN handed;
CREATE INDEX task_queue_order ON tidemill.task_queue (dag_id, priority DESC, seq);
ALTER TABLE tidemill.runs DROP COLUMN note_by, DROP COLUMN ignore_past, DROP COLUMN hold;
