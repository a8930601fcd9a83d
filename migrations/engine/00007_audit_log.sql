-- +goose Up

-- What people did, one row for each change, written in the transaction that makes it. Texts are empty where there is nothing to say.
CREATE TABLE tidemill.audit_log (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL,
    logical_date timestamptz,
    map_index    int         NOT NULL, -- −1: not mapped
    try_number   int         NOT NULL, -- 0: none
    done_by      text        NOT NULL,
    event        text        NOT NULL,
    dag_id       text        NOT NULL,
    run_id       text        NOT NULL,
    task_id      text        NOT NULL,
    extra        json
);
CREATE INDEX audit_log_at ON tidemill.audit_log (at);
CREATE INDEX audit_log_dag ON tidemill.audit_log (dag_id, run_id, id);

-- Questions that an instance asked before its latest, which is in questions.
CREATE TABLE tidemill.old_questions (
    run_id         bigint      NOT NULL,
    asked_at       timestamptz NOT NULL,
    due_at         timestamptz,
    map_index      int         NOT NULL,
    task_id        text        COLLATE "C" NOT NULL,
    question       text        NOT NULL,
    answers        text[],
    default_answer text        NOT NULL,
    PRIMARY KEY (run_id, task_id, map_index, asked_at)
);

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION tidemill.forget_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM tidemill.waits WHERE run_id = OLD.id;
    DELETE FROM tidemill.questions WHERE run_id = OLD.id;
    DELETE FROM tidemill.old_questions WHERE run_id = OLD.id;
    DELETE FROM tidemill.element_names WHERE run_id = OLD.id;
    DELETE FROM tidemill.task_notes WHERE run_id = OLD.id;
    DELETE FROM tidemill.run_assets WHERE run_id = OLD.id;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose Down
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION tidemill.forget_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM tidemill.waits WHERE run_id = OLD.id;
    DELETE FROM tidemill.questions WHERE run_id = OLD.id;
    DELETE FROM tidemill.element_names WHERE run_id = OLD.id;
    DELETE FROM tidemill.task_notes WHERE run_id = OLD.id;
    DELETE FROM tidemill.run_assets WHERE run_id = OLD.id;
    RETURN NULL;
END $$;
-- +goose StatementEnd
DROP TABLE tidemill.old_questions;
DROP TABLE tidemill.audit_log;
