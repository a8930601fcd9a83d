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

-- +goose Down
DROP TABLE tidemill.audit_log;
