package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// The faults of the load: the database itself cuts the first attempt's session at its third transaction, holds up the second
// attempt's second one (the process is killed there), and cuts the third attempt's second one and refuses its account as well.
const loadFaults = `
CREATE FUNCTION public.attempt(audit bigint) RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM metadata.load_audit WHERE id <= audit';
CREATE FUNCTION public.fault() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	done bigint := (SELECT count(*) FROM metadata.loads WHERE audit_id = NEW.audit_id);
BEGIN
	CASE public.attempt(NEW.audit_id)
	WHEN 1 THEN IF done = 3 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
	WHEN 2 THEN IF done = 2 THEN PERFORM pg_advisory_xact_lock(4242); END IF;
	WHEN 3 THEN IF done = 2 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
	ELSE
	END CASE;
	RETURN NULL;
END $$;
CREATE TRIGGER fault AFTER INSERT ON metadata.loads FOR EACH ROW EXECUTE FUNCTION public.fault();
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF public.attempt(NEW.id) = 3 AND NEW.error_message IS DISTINCT FROM 'process lost' THEN RAISE EXCEPTION 'no space left on device'; END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON metadata.load_audit FOR EACH ROW EXECUTE FUNCTION public.refuse();`

// LoadDiesHalfway is the third scenario: the load dies after some thousands of rows, by a cut connection and by the death of its
// process. What is guarded: each attempt has its row in load_audit, FAILED when it failed, and one CRITICAL line when even that
// cannot be written; the retry skips what is there, by the mark that each transaction left. (Package storage/warehouse shows the same
// of the load alone; here the engine retries it.)
func LoadDiesHalfway(t *testing.T) {
	t.Parallel()
	h := newOutsideHome(t)
	h.run(0, "migrate", "up")
	o := outcome{h, h.database, h.brokers}
	o.exec(loadFaults)
	held, err := pgx.Connect(t.Context(), h.database)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close(t.Context()) //nolint:errcheck // it only holds a lock
	if _, err := held.Exec(t.Context(), `SELECT pg_advisory_lock(4242)`); err != nil {
		t.Fatal(err)
	}
	file := writeSample(t, 1, 3200)

	// The connection is cut: the attempt has failed, the retry is due in 5 minutes.
	p := h.start("demo", "--once", "--events", file)
	h.reaches(p, "the first attempt has failed", `SELECT EXISTS (SELECT FROM tidemill.timers WHERE kind = 'retry' AND task_id = 'load_to_postgres')`)
	compare(t, "load_audit after the cut", o.audit(), []string{row(1, "FAILED", 2000, true)})
	compare(t, "the delay before the second try", o.query(`SELECT t.due_at - a.ended_at FROM tidemill.timers t JOIN tidemill.attempts a USING (run_id, task_id)
		WHERE t.kind = 'retry'`), []string{row("00:05:00")})
	if n := o.number(`SELECT count(*) FROM bronze.transactions`); n == 0 {
		t.Error("nothing of the first attempt's committed rows is in bronze")
	}
	o.exec(`UPDATE tidemill.timers SET due_at = now() WHERE kind = 'retry'`) // five minutes pass

	// The process is killed in the middle of a transaction.
	h.reaches(p, "the second attempt is in the middle", `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4242 AND NOT granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`)
	p.kill()
	if _, err := held.Exec(t.Context(), `SELECT pg_advisory_unlock(4242)`); err != nil {
		t.Fatal(err)
	}

	// The next process takes the lost attempt's place at once. Its connection is cut, and its account refused.
	p = h.start("demo", "--once", "--events", file)
	if code := p.wait(); code != 0 {
		t.Fatalf("the demo after the kill ended %d", code)
	}
	var critical []map[string]any
	for line := range strings.Lines(p.errOut.String()) {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err == nil && l["level"] == "CRITICAL" {
			critical = append(critical, l)
		}
	}
	if len(critical) != 1 {
		t.Fatalf("%d critical lines, want one:\n%s", len(critical), p.errOut.String())
	}
	if l := critical[0]; l["status"] != "FAILED" || l["try_number"] != 3.0 || l["rows_loaded"] == 0.0 || !strings.Contains(l["audit_error"].(string), "no space left") {
		t.Errorf("the critical line: %v", l)
	}

	// Every attempt has its account, and each went on where the one before had come to.
	audit := o.audit()
	rows := o.number(`SELECT sum(rows)::bigint FROM metadata.lake_files`)
	compare(t, "load_audit", audit[:min(4, len(audit))], []string{row(1, "FAILED", 2000, true), row(2, "FAILED", 1000, true), row(3, "FAILED", 1000, true), row(4, "SUCCESS", rows, false)})
	if n := o.number(`SELECT rows_skipped FROM metadata.load_audit WHERE id = 4`); n != 4000 {
		t.Errorf("the last attempt skipped %d rows, want the 4000 that were there", n)
	}
	o.checkAll(file)
}

// audit is load_audit, an attempt a line: which, how it ended, rows read, whether it gives a reason.
func (o outcome) audit() []string {
	o.t.Helper()
	return o.query(`SELECT id, status, rows_read, error_message IS NOT NULL FROM metadata.load_audit ORDER BY id`)
}
