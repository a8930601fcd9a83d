package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/postgres"
)

// A change and its entry in the audit log are one transaction: where the entry cannot be written nothing has changed.
func TestAChangeWithoutItsEntryInTheAuditLogDoesNotHappen(t *testing.T) {
	r := newRig(t, postgres.Options{})
	ctx := t.Context()
	run := r.runs(1)[0]
	pool := engine.Pool{Name: "p", Slots: 1}
	backfill := engine.NewBackfill{DAG: testDAG, From: time.Unix(0, 0), To: time.Unix(1, 0), MaxActiveRuns: 1}
	id, _, err := r.CreateBackfill(ctx, backfill)
	r.ok(err)
	r.ok(r.SetPool(ctx, pool))
	r.ok(r.RegisterStreams(ctx, []engine.StreamRecord{{Name: "s", Replicas: 1}}))
	_, err = r.Register(ctx, []engine.DAGRecord{{ID: "by_asset", Version: "v1", Spec: engine.Spec{Assets: &engine.AssetSpec{Asset: "a"}}}})
	r.ok(err)
	r.ok(r.EmitAsset(ctx, engine.AssetEvent{Asset: "a", MapIndex: -1}))
	conn, err := pgx.Connect(ctx, r.url)
	r.ok(err)
	t.Cleanup(func() { _ = conn.Close(ctx) })
	_, err = conn.Exec(ctx, `ALTER TABLE tidemill.audit_log ADD CHECK (event <> 'refused')`)
	r.ok(err)
	// all is the state of everything that is changed below.
	all := func() (text string) {
		t.Helper()
		r.ok(conn.QueryRow(ctx, `SELECT concat_ws(' | ', (SELECT json_agg(d ORDER BY d.dag_id) FROM tidemill.dags d),
			(SELECT json_agg(r ORDER BY r.id) FROM tidemill.runs r), (SELECT json_agg(n) FROM tidemill.task_notes n), (SELECT json_agg(p) FROM tidemill.pools p),
			(SELECT json_agg(b ORDER BY b.id) FROM tidemill.backfills b), (SELECT json_agg(s) FROM tidemill.streams s),
			(SELECT json_agg(a ORDER BY a.id) FROM tidemill.asset_events a), (SELECT json_agg(p) FROM tidemill.asset_pending p),
			(SELECT json_agg(l ORDER BY l.id) FROM tidemill.audit_log l))`).Scan(&text))
		return text
	}
	refused, kept := engine.AuditEntry{Event: "refused", MapIndex: -1}, engine.AuditEntry{Event: "kept", MapIndex: -1}
	task := engine.TaskKey{Run: run, Task: "t", MapIndex: -1}
	for _, c := range []struct {
		what string
		do   func(engine.AuditEntry) error
	}{
		{"pause", func(a engine.AuditEntry) error { return r.SetPaused(ctx, testDAG, true, a) }},
		{"run note", func(a engine.AuditEntry) error { return r.SetRunNote(ctx, run, "n", "ann", a) }},
		{"task note", func(a engine.AuditEntry) error { return r.SetTaskNote(ctx, task, "n", "ann", a) }},
		{"pool", func(a engine.AuditEntry) error { return r.SetPool(ctx, engine.Pool{Name: "p", Slots: 2}, a) }},
		{"no pool", func(a engine.AuditEntry) error { return r.DeletePool(ctx, "p", a) }},
		{"stream", func(a engine.AuditEntry) error { return r.SetStreamPaused(ctx, "s", true, a) }},
		{"asset", func(a engine.AuditEntry) error {
			return r.EmitAsset(ctx, engine.AssetEvent{Asset: "a", MapIndex: -1}, a)
		}},
		{"pause backfill", func(a engine.AuditEntry) error { return r.SetBackfillPaused(ctx, id, true, a) }},
		{"end backfill", func(a engine.AuditEntry) error { return r.EndBackfill(ctx, id, true, a) }},
		{"pending", func(a engine.AuditEntry) error { _, err := r.DropPending(ctx, "", "", time.Time{}, a); return err }},
		{"backfill", func(a engine.AuditEntry) error {
			b := backfill
			b.From, b.To, b.Acts = time.Unix(10, 0), time.Unix(11, 0), []engine.AuditEntry{a}
			_, _, err := r.CreateBackfill(ctx, b)
			return err
		}},
		{"trigger", func(a engine.AuditEntry) error {
			_, err := r.CreateRuns(ctx, []engine.NewRun{{DAG: testDAG, RunID: "new", Acts: []engine.AuditEntry{a}}})
			return err
		}},
		{"mark", func(a engine.AuditEntry) error {
			_, err := r.tryTransition([]int64{run}, nil, func(_ engine.RunRow, c *engine.RunChange) {
				c.State, c.Acts = engine.RunFailed, []engine.AuditEntry{a}
				now := time.Now()
				c.EndedAt = &now
			})
			return err
		}},
	} {
		before := all()
		if err := c.do(refused); err == nil {
			t.Errorf("%s: it was done", c.what)
		}
		if after := all(); after != before {
			t.Errorf("%s has changed something:\n%s\n%s", c.what, before, after)
		}
		r.ok(c.do(kept)) // so that it is the entry which was in the way
		if all() == before {
			t.Errorf("%s has changed nothing", c.what)
		}
	}
}
