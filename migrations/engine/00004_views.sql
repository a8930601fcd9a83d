-- +goose Up

-- as_text shows stored bytes as text; what is no text shows as its escaped bytes.
-- +goose StatementBegin
CREATE FUNCTION tidemill.as_text(b bytea) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN convert_from(b, 'UTF8');
EXCEPTION WHEN OTHERS THEN
    RETURN encode(b, 'escape');
END $$;
-- +goose StatementEnd

CREATE VIEW tidemill.dag_runs AS
SELECT r.dag_id, r.run_id, r.state, r.run_type, r.logical_date, r.interval_start AS data_interval_start, r.interval_end AS data_interval_end,
    r.queued_at, r.started_at, r.ended_at, r.ended_at - r.started_at AS duration, r.failed_tasks, r.triggered_by, r.note,
    tidemill.as_text(r.params) AS params, nullif(r.backfill_id, 0) AS backfill_id, r.version, r.id AS run_key
FROM tidemill.runs r;

CREATE VIEW tidemill.task_attempts AS
SELECT r.dag_id, r.run_id, a.task_id, nullif(a.map_index, -1) AS map_index, a.try AS try_number, a.state, nullif(a.ending, '') AS ending,
    a.queued_at, a.started_at, a.ended_at, a.ended_at - a.started_at AS duration, nullif(a.worker, '') AS worker, nullif(a.error, '') AS error,
    tidemill.as_text(a.output) AS output, nullif(a.marked_by, '') AS marked_by, a.version, a.build, r.logical_date, r.id AS run_key
FROM tidemill.attempts a JOIN tidemill.runs r ON r.id = a.run_id;

-- Where each task instance stands: in the queue (queued or running), else as its latest attempt left it. Instances that
-- still wait for their upstreams have no row.
CREATE VIEW tidemill.task_instances AS
SELECT r.dag_id, r.run_id, i.task_id, nullif(i.map_index, -1) AS map_index, i.try AS try_number, i.state, i.queued_at, i.started_at, i.ended_at,
    i.ended_at - i.started_at AS duration, nullif(i.worker, '') AS worker, nullif(i.error, '') AS error, r.logical_date, r.id AS run_key
FROM tidemill.runs r
CROSS JOIN LATERAL (
    SELECT q.task_id, q.map_index, q.try, CASE WHEN q.lease IS NULL THEN 'queued' ELSE 'running' END AS state, q.queued_at,
        q.leased_at AS started_at, NULL::timestamptz AS ended_at, w.name AS worker, '' AS error
    FROM tidemill.task_queue q LEFT JOIN tidemill.workers w ON w.id = q.worker
    WHERE q.run_id = r.id
    UNION ALL
    (SELECT DISTINCT ON (a.task_id, a.map_index)
        a.task_id, a.map_index, a.try, a.state, a.queued_at, a.started_at, a.ended_at, a.worker, a.error
    FROM tidemill.attempts a
    WHERE a.run_id = r.id AND NOT EXISTS (
        SELECT FROM tidemill.task_queue q WHERE q.run_id = a.run_id AND q.task_id = a.task_id AND q.map_index = a.map_index)
    ORDER BY a.task_id, a.map_index, a.ended_at DESC, a.seq DESC)
) i;

-- +goose Down
DROP VIEW tidemill.task_instances, tidemill.task_attempts, tidemill.dag_runs;
DROP FUNCTION tidemill.as_text;
