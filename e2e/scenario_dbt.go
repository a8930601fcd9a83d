package e2e

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// breakModel makes the database refuse what one model writes, as a constraint that somebody added would.
const (
	breakModel = `ALTER TABLE gold_build.fct_daily_revenue ADD CONSTRAINT broken CHECK (transactions < 0) NOT VALID`
	mendModel  = `ALTER TABLE gold_build.fct_daily_revenue DROP CONSTRAINT broken`
)

// DBTModelFails is the fourth scenario. What is guarded: two retries after 5 and 10 minutes that run only what failed or was
// skipped; then the callback and the webhooks; and Gold is published by the last model alone, in one transaction, so that readers
// see the Gold of the last good run all the while.
func DBTModelFails(t *testing.T) {
	t.Parallel()
	h := newOutsideHome(t)
	oncall := newReceiver(t)
	h.env = append(h.env, "TIDEMILL_WEBHOOK_URL="+oncall.URL, "TIDEMILL_WEBHOOK_SECRET="+webhookSecret, "TIDEMILL_LOG_FORMAT=json")
	o := outcome{h, h.database, h.brokers}
	first, second := writeSampleFrom(t, "2024-05-01", 1, 300), writeSampleFrom(t, "2024-05-02", 1, 300)
	h.demo(first)
	o.checkAll(first)

	o.exec(breakModel)
	endReader := o.readGoldAllTheWhile()
	p := h.start("serve")
	h.run(0, "produce", "--events", second)
	h.caughtUp(p)
	h.run(0, "backfill", "create", "daily_transactions", "--from", "2024-05-02", "--to", "2024-05-02")
	const waits = `SELECT EXISTS (SELECT FROM tidemill.timers WHERE kind = 'retry' AND task_id = 'dbt_run' AND due_at > now())`
	stagings := int64(0)
	for i, delay := range []string{"00:05:00", "00:10:00"} {
		h.reaches(p, "dbt has failed and waits", waits)
		compare(t, "the delay before the next try", o.query(`SELECT a.try, t.due_at - a.ended_at FROM tidemill.timers t JOIN tidemill.attempts a USING (run_id, task_id)
			WHERE t.kind = 'retry' ORDER BY a.try DESC LIMIT 1`), []string{row(i+1, delay)})
		compare(t, "the models", o.models(), []string{
			row("dbt_run_fct_daily_revenue", "failed", i+1), row("dbt_run_fct_transactions", "success", 1),
			row("dbt_run_publish_gold", "upstream_failed", i+1), row("dbt_run_stg_transactions", "success", 1)})
		if n := o.number(`SELECT count(*) FROM metadata.stagings`); i == 0 {
			stagings = n
		} else if n != stagings {
			t.Errorf("the retry ran stg_transactions again: %d stagings, want %d", n, stagings)
		}
		o.exec(`UPDATE tidemill.timers SET due_at = now() WHERE kind = 'retry'`) // the minutes pass
	}
	eventually(t, "whoever is on call has been told", func() bool {
		return len(oncall.of("task.failed", "dbt_run")) == 1 && len(oncall.of("run.failed", "")) == 1 && len(oncall.of("task.retry", "dbt_run")) == 2
	})
	if a := oncall.of("task.failed", "dbt_run")[0]; a.Data.DAG != "daily_transactions" || a.Data.Try != 3 || !strings.Contains(a.Data.Error, "fct_daily_revenue") {
		t.Errorf("the alert: %+v", a)
	}
	eventually(t, "the callback was called", func() bool {
		said := p.errOut.String()
		return strings.Contains(said, `"msg":"needs a look","event":"task.failed"`) && strings.Contains(said, `"msg":"needs a look","event":"run.failed"`)
	})
	compare(t, "tries of dbt", o.query(`SELECT try, state FROM tidemill.attempts WHERE task_id = 'dbt_run' AND run_id = (SELECT max(id) FROM tidemill.runs WHERE run_type = 'backfill') ORDER BY try`),
		[]string{row(1, "up_for_retry"), row(2, "up_for_retry"), row(3, "failed")})
	endReader()

	// Cleared, it fails once more and is mended while it waits: the retry runs what is left and the run succeeds.
	run := strings.Trim(o.query(`SELECT run_id FROM tidemill.runs ORDER BY id DESC LIMIT 1`)[0], `"`)
	h.run(0, "run", "clear", "daily_transactions", run, "--only-failed", "--downstream")
	h.reaches(p, "dbt has failed and waits", waits)
	stagings = o.number(`SELECT count(*) FROM metadata.stagings`)
	o.exec(mendModel)
	o.exec(`UPDATE tidemill.timers SET due_at = now() WHERE kind = 'retry'`)
	h.reaches(p, "the run is over", `SELECT state <> 'running' FROM tidemill.runs ORDER BY id DESC LIMIT 1`)
	if n := o.number(`SELECT count(*) FROM metadata.stagings`); n != stagings {
		t.Errorf("the retry ran stg_transactions again: %d stagings, want %d", n, stagings)
	}
	h.interrupted(p, 0)
	o.checkAll(first, second)
}

// models is how the models of the newest run stand, with the try that reported them last.
func (o outcome) models() []string {
	o.t.Helper()
	return o.query(`SELECT node_id, state, try FROM tidemill.virtual_nodes WHERE task_id = 'dbt_run' AND run_id = (SELECT max(id) FROM tidemill.runs) ORDER BY node_id`)
}

// caughtUp waits until the lake has everything that is on the topic.
func (h *home) caughtUp(p *process) {
	h.t.Helper()
	l, err := lake.Open(h.lake(), topicName)
	if err != nil {
		h.t.Fatal(err)
	}
	h.sees(p, func() bool {
		d, err := ingest.Lag(h.t.Context(), h.brokers, topicName, nil, l)
		return err == nil && d.CaughtUp()
	})
}

// readGoldAllTheWhile reads both tables of Gold again and again, until the returned function is called: they are to be as they are now.
func (o outcome) readGoldAllTheWhile() (end func()) {
	o.t.Helper()
	const digest = `SELECT (SELECT md5(string_agg(g::text, ',' ORDER BY g::text)) FROM gold.fct_transactions AS g) || (SELECT md5(string_agg(g::text, ',' ORDER BY g::text)) FROM gold.fct_daily_revenue AS g)`
	conn, err := pgx.Connect(o.t.Context(), o.database)
	if err != nil {
		o.t.Fatal(err)
	}
	var good string
	if err := conn.QueryRow(o.t.Context(), digest).Scan(&good); err != nil {
		o.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(o.t.Context())
	var reading sync.WaitGroup
	reads := 0
	reading.Go(func() {
		defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // only read
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			var now string
			if err := conn.QueryRow(context.WithoutCancel(ctx), digest).Scan(&now); err != nil || now != good {
				o.t.Errorf("a reader of Gold sees another than that of the last good run (%v)", err)
				return
			}
			reads++
		}
	})
	var once sync.Once
	end = func() {
		once.Do(func() {
			cancel()
			reading.Wait()
			if reads == 0 {
				o.t.Error("Gold was not read once")
			}
		})
	}
	o.t.Cleanup(end)
	return end
}
