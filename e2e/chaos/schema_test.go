package chaos

// schema is where bodies and callbacks write what they did, and what triggers have seen the engine do.
const schema = `
CREATE SCHEMA chaos;

-- A body has begun, and is done. Written outside the engine's transactions.
CREATE TABLE chaos.begun (nonce uuid PRIMARY KEY, run bigint, task text, element int, try int, worker text, at timestamptz DEFAULT clock_timestamp(), done boolean DEFAULT false);
-- Written through the transaction of a task's success.
CREATE TABLE chaos.effects (run bigint, task text, element int, try int, worker text);
-- What callbacks and the receiver of webhooks were told. same: each delivery said the same.
CREATE TABLE chaos.told (event uuid, kind text, data text, deliveries int DEFAULT 1, same boolean DEFAULT true, PRIMARY KEY (event, kind));
-- Callbacks that have erred once on purpose.
CREATE TABLE chaos.refused (event uuid PRIMARY KEY);
-- What a body found wrong.
CREATE TABLE chaos.complaints (what text);
-- What each process says of itself.
CREATE TABLE chaos.reports (process text PRIMARY KEY, repairs bigint, deadlocks bigint, serial bigint, lock_waits bigint, cut_off bigint, unknown bigint, left_well boolean);

-- Each end of a run.
CREATE TABLE chaos.run_ends (run bigint, state text, at timestamptz);
CREATE FUNCTION chaos.run_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO chaos.run_ends VALUES (NEW.id, NEW.state, NEW.ended_at);
	RETURN NULL;
END $$;
CREATE TRIGGER chaos_run_ended AFTER UPDATE ON tidemill.runs FOR EACH ROW
	WHEN (NEW.state IN ('success', 'failed') AND OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION chaos.run_ended();

-- Attempts whose history was changed after it was written.
CREATE TABLE chaos.rewritten (run bigint, task text, element int, try int, was text, ending text);
CREATE FUNCTION chaos.attempt_rewritten() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO chaos.rewritten VALUES (OLD.run_id, OLD.task_id, OLD.map_index, OLD.try, OLD.state, OLD.ending);
	RETURN NULL;
END $$;
CREATE TRIGGER chaos_attempt_rewritten AFTER UPDATE OR DELETE ON tidemill.attempts FOR EACH ROW
	WHEN (OLD.try > 0) EXECUTE FUNCTION chaos.attempt_rewritten();

-- What became of a run's states and of its rows in the queue, step by step: told beside a complaint.
CREATE TABLE chaos.trail (n bigserial, run bigint, tx text DEFAULT pg_current_xact_id()::text, at timestamptz DEFAULT clock_timestamp(), pid int DEFAULT pg_backend_pid(), what text, states bytea);
CREATE FUNCTION chaos.states_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO chaos.trail (run, what, states) VALUES (NEW.id, 'run ' || NEW.state, NEW.states);
	RETURN NULL;
END $$;
CREATE TRIGGER chaos_states_written AFTER UPDATE ON tidemill.runs FOR EACH ROW EXECUTE FUNCTION chaos.states_written();
CREATE FUNCTION chaos.row_of(q tidemill.task_queue) RETURNS text LANGUAGE sql AS $$
	SELECT format('%s[%s] try %s, worker %s, lease %s, handed %s, cancelled %s', q.task_id, q.map_index, q.try, q.worker, left(q.lease::text, 8), q.handed, q.cancelled)
$$;
CREATE FUNCTION chaos.queue_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP <> 'INSERT' THEN
		INSERT INTO chaos.trail (run, what) VALUES (OLD.run_id, 'queue ' || TG_OP || ' of ' || chaos.row_of(OLD));
	END IF;
	IF TG_OP <> 'DELETE' THEN
		INSERT INTO chaos.trail (run, what) VALUES (NEW.run_id, 'queue ' || TG_OP || ' to ' || chaos.row_of(NEW));
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER chaos_queue_written AFTER INSERT OR UPDATE OR DELETE ON tidemill.task_queue FOR EACH ROW EXECUTE FUNCTION chaos.queue_written();
`

// owed is what is in the outbox, made readable for the books.
const owed = `
CREATE TABLE chaos.owed AS
SELECT o.event_id, o.kind, o.run_id AS run, o.task_id AS task, d.data ->> 'type' AS type, (d.data ->> 'map_index')::int AS element,
	coalesce((d.data ->> 'try_number')::int, 0) AS try, (d.data ->> 'timestamp')::timestamptz AS at
FROM tidemill.outbox o CROSS JOIN LATERAL (SELECT tidemill.as_text(o.data)::jsonb AS data) d;
CREATE INDEX ON chaos.owed (run, task, element, try);
CREATE INDEX ON chaos.trail (run);
CREATE INDEX ON chaos.begun (run, task, element, try);
CREATE INDEX ON chaos.effects (run, task, element, try);
ANALYZE;
`
