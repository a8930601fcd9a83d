-- +goose Up

-- How many wake-ups were sent, for those who cannot listen: sessions behind a pooler.
CREATE SEQUENCE tidemill.wakes;

-- The leases of DAGs whose tasks are counted over all processes, so that a claim counts them without reading the DAG's ready
-- tasks. A row comes with the lease and is void as soon as the queue's row no longer carries that lease: the next hand-over of
-- its run or the next claim of its DAG deletes it. A lease once given up is never given again, so void is for ever.
CREATE TABLE tidemill.dag_leases (
    run_id    bigint NOT NULL,
    lease     uuid   NOT NULL,
    map_index int    NOT NULL,
    task_id   text   NOT NULL,
    dag_id    text   NOT NULL,
    PRIMARY KEY (dag_id, run_id, task_id, map_index, lease)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Ready tasks by their task: of one whose own limit is reached, however many are ready, none is looked at. A claim stays a HOT
-- update: no index has lease, worker or leased_at.
CREATE INDEX task_queue_tasks ON tidemill.task_queue (dag_id, task_id, priority DESC, seq) WHERE pool IS NULL AND NOT handed;

-- To tell which events of assets no run was triggered by.
CREATE INDEX run_assets_event ON tidemill.run_assets (event_id);
CREATE INDEX asset_pending_event ON tidemill.asset_pending (event_id);

-- Which worker delivers a message now: what a dead one had in hand is due at once.
ALTER TABLE tidemill.outbox ADD COLUMN worker bigint;
CREATE INDEX outbox_worker ON tidemill.outbox (worker) WHERE worker IS NOT NULL;

-- +goose Down
DROP INDEX tidemill.outbox_worker, tidemill.asset_pending_event, tidemill.run_assets_event, tidemill.task_queue_tasks;
ALTER TABLE tidemill.outbox DROP COLUMN worker;
DROP TABLE tidemill.dag_leases;
DROP SEQUENCE tidemill.wakes;
