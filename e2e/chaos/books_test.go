package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

const (
	// ours are the successes of our bodies; events are the callbacks and webhooks that attempts give rise to.
	ours = `SELECT a.* FROM tidemill.attempts a WHERE a.state = 'success' AND a.ending = 'success' AND a.marked_by = '' AND a.task_id ~ '^(tx|out|list)_'`
	due  = `SELECT a.run_id AS run, a.task_id AS task, a.map_index AS element, a.try, CASE
			WHEN a.state = 'success' AND a.ending = 'success' THEN 'task.succeeded' WHEN a.state = 'skipped' THEN 'task.skipped' WHEN a.state = 'failed' THEN 'task.failed'
			WHEN a.state IN ('queued', 'up_for_retry') AND a.ending IN ('failed', 'timed_out', 'lost') THEN 'task.retry' END AS type
		FROM tidemill.attempts a`
)

// books are what must not be: each query finds faults.
var books = []struct{ fault, sql string }{
	{"a run is not over", `SELECT r.dag_id, r.run_id, r.state FROM tidemill.runs r WHERE r.state NOT IN ('success', 'failed')`},
	{"something is left in the queue", `SELECT * FROM tidemill.task_queue`},
	{"a timer is left", `SELECT * FROM tidemill.timers`},
	{"a wait is left", `SELECT * FROM tidemill.waits`},
	{"a question is still open", `SELECT * FROM tidemill.questions WHERE closed_at IS NULL`},
	{"a worker is left", `SELECT id, name FROM tidemill.workers`},
	{"a message was not delivered", `SELECT id, kind, type, state, tries, error FROM tidemill.outbox WHERE state <> 'delivered'`},
	{"a body complained", `SELECT what FROM chaos.complaints`},
	{"an attempt was written twice", `SELECT * FROM chaos.rewritten`},
	{"a success through Tx has not exactly one effect", `SELECT s.run_id, s.task_id, s.map_index, s.try, s.worker, count(e.run) FROM (` + ours + `) s
		LEFT JOIN chaos.effects e ON (e.run, e.task, e.element, e.try) = (s.run_id, s.task_id, s.map_index, s.try)
		WHERE s.task_id LIKE 'tx\_%' GROUP BY 1, 2, 3, 4, 5 HAVING count(e.run) <> 1`},
	{"an effect through Tx is of no success", `SELECT e.* FROM chaos.effects e LEFT JOIN (` + ours + `) s
		ON (e.run, e.task, e.element, e.try) = (s.run_id, s.task_id, s.map_index, s.try) WHERE s.run_id IS NULL`},
	{"a success did nothing", `SELECT s.run_id, s.task_id, s.map_index, s.try FROM (` + ours + `) s
		WHERE NOT EXISTS (SELECT FROM chaos.begun b WHERE (b.run, b.task, b.element, b.try) = (s.run_id, s.task_id, s.map_index, s.try) AND (b.done OR b.task LIKE 'tx\_%'))`},
	// (A body that writes through Tx runs again in its process when that transaction is lost.)
	{"a try was begun twice", `SELECT run, task, element, try, count(*), string_agg(worker, ' ') FROM chaos.begun GROUP BY 1, 2, 3, 4
		HAVING count(*) > 1 AND (count(DISTINCT worker) > 1 OR task NOT LIKE 'tx\_%')`},
	{"an output is of another attempt", `SELECT * FROM (SELECT s.run_id, s.task_id, s.map_index, s.try, CASE jsonb_typeof(j) WHEN 'array' THEN j -> 0 ELSE j END AS j
			FROM (` + ours + `) s CROSS JOIN LATERAL (SELECT tidemill.as_text(s.output)::jsonb AS j) o) s
		WHERE ((j ->> 'run')::bigint, j ->> 'task', (j ->> 'element')::int, (j ->> 'try')::int) IS DISTINCT FROM (run_id, task_id, map_index, try)
			AND task_id <> 'out_teardown'`},
	{"a message of the outbox was not told", `SELECT o.* FROM chaos.owed o LEFT JOIN chaos.told t ON (t.event, t.kind) = (o.event_id, o.kind) WHERE t.event IS NULL`},
	{"something was told that is not in the outbox", `SELECT t.* FROM chaos.told t LEFT JOIN chaos.owed o ON (t.event, t.kind) = (o.event_id, o.kind) WHERE o.event_id IS NULL`},
	{"an event was told in two ways", `SELECT * FROM chaos.told WHERE NOT same`},
	{"an event's id is not its own", `SELECT event_id, kind, count(*) FROM chaos.owed GROUP BY 1, 2 HAVING count(*) > 1`},
	{"an attempt has not exactly one callback", `SELECT d.run, d.task, d.element, d.try, d.type, count(o.event_id) FROM (` + due + `) d
		LEFT JOIN chaos.owed o ON o.kind = 'callback' AND (o.run, o.task, o.element, o.try, o.type) = (d.run, d.task, d.element, d.try, d.type)
		WHERE d.type IS NOT NULL AND d.try > 0 GROUP BY 1, 2, 3, 4, 5 HAVING count(o.event_id) <> 1`},
	{"an attempt has not exactly one webhook", `SELECT d.run, d.task, d.element, d.try, d.type, count(o.event_id) FROM (` + due + `) d
		LEFT JOIN chaos.owed o ON o.kind = 'webhook' AND (o.run, o.task, o.type) = (d.run, d.task, d.type) AND (o.element, o.try) = (d.element, d.try)
		WHERE d.type IN ('task.failed', 'task.retry') AND d.try > 0 GROUP BY 1, 2, 3, 4, 5 HAVING count(o.event_id) <> 1`},
	{"an event is of no attempt", `SELECT o.* FROM chaos.owed o LEFT JOIN (` + due + `) d ON (o.run, o.task, o.element, o.try, o.type) = (d.run, d.task, d.element, d.try, d.type)
		WHERE o.task <> '' AND d.run IS NULL AND o.try > 0`},
	{"a decision was not told", `SELECT d.* FROM (` + due + `) d WHERE d.type IS NOT NULL AND d.try = 0
		AND NOT EXISTS (SELECT FROM chaos.owed o WHERE o.kind = 'callback' AND (o.run, o.task, o.element, o.try, o.type) = (d.run, d.task, d.element, d.try, d.type))`},
	{"the end of a run has not exactly one event", `SELECT e.*, k.kind, count(o.event_id) FROM chaos.run_ends e CROSS JOIN (VALUES ('callback'), ('webhook')) k (kind)
		LEFT JOIN chaos.owed o ON o.kind = k.kind AND o.task = '' AND o.run = e.run AND o.at = e.at AND o.type = CASE e.state WHEN 'success' THEN 'run.succeeded' ELSE 'run.failed' END
		GROUP BY e.run, e.state, e.at, k.kind HAVING count(o.event_id) <> 1`},
	{"an event of a run is of no end", `SELECT o.* FROM chaos.owed o WHERE o.type IN ('run.succeeded', 'run.failed') AND NOT EXISTS (SELECT FROM chaos.run_ends e WHERE e.run = o.run AND e.at = o.at)`},
	{"a deadline was told more than once", `SELECT run, kind, count(*) FROM chaos.owed WHERE type = 'run.deadline_missed' GROUP BY 1, 2 HAVING count(*) > 1`},
	{"a scheduled run was left out or made twice", `SELECT run_id, before, logical_date FROM (SELECT run_id, logical_date, lag(logical_date) OVER (ORDER BY logical_date) AS before
			FROM tidemill.runs WHERE dag_id = 'scheduled') r WHERE logical_date - before <> '` + beatEvery.String() + `'::interval`},
	{"a run had to be pushed on", `SELECT process, repairs FROM chaos.reports WHERE repairs > 0`},
}

// balance checks the books when all is over.
func balance(t *testing.T, ctx context.Context, conn *pgx.Conn, p *people) { //nolint:revive // the test comes first
	t.Helper()
	if _, err := conn.Exec(ctx, owed); err != nil {
		t.Fatal(err)
	}
	for _, b := range books {
		rows, err := conn.Query(ctx, b.sql)
		if err != nil {
			t.Fatalf("%s: %v", b.fault, err)
		}
		faults, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
			v, err := row.Values()
			return fmt.Sprint(v...), err
		})
		if err != nil {
			t.Fatalf("%s: %v", b.fault, err)
		}
		if len(faults) > 0 {
			t.Errorf("%s: %d, such as\n\t%s", b.fault, len(faults), strings.Join(faults[:min(5, len(faults))], "\n\t"))
		}
	}
	runs, _, err := p.control.Store().Runs(ctx, engine.RunFilter{Limit: 1_000_000, OrderBy: "key"})
	if err != nil {
		t.Fatal(err)
	}
	for batch := range slices.Chunk(runs, 200) {
		views, err := engine.View(ctx, p.control.Store(), batch, true)
		if err != nil {
			t.Fatal(err)
		}
		keys := make([]int64, len(batch))
		for i, r := range batch {
			keys[i] = r.Key
		}
		attempts, err := p.control.Store().Attempts(ctx, keys, "")
		if err != nil {
			t.Fatal(err)
		}
		histories := map[engine.TaskKey][]engine.Attempt{}
		for _, a := range attempts {
			histories[a.TaskKey] = append(histories[a.TaskKey], a)
		}
		for _, v := range views {
			checkVerdict(t, v, p.failed[v.Run.Key])
			for _, tv := range v.Tasks {
				if !checkInstance(t, tv, histories[tv.TaskKey], p.clears[v.Run.Key]) {
					t.Log(trail(t, ctx, conn, v))
				}
			}
		}
	}
}

// checkVerdict checks that a run's state follows from its leaves. A person may have failed it all the same.
func checkVerdict(t *testing.T, v engine.RunView, failedByHand bool) {
	t.Helper()
	teardown, followed := map[string]bool{}, map[string]bool{}
	for _, spec := range v.Spec.Tasks {
		teardown[spec.ID] = spec.Teardown
	}
	for _, spec := range v.Spec.Tasks {
		for _, up := range spec.Upstream {
			followed[up.Task] = followed[up.Task] || !spec.Teardown
		}
	}
	want := engine.RunSuccess
	for _, tv := range v.Tasks {
		if !followed[tv.Task] && !teardown[tv.Task] && tv.State.Bad() {
			want = engine.RunFailed
		}
		if !tv.State.Terminal() {
			t.Errorf("run %s of %s is %s and its %s[%d] is %s", v.Run.RunID, v.Run.DAG, v.Run.State, tv.Task, tv.MapIndex, tv.State)
		}
	}
	if v.Run.State != want && !(failedByHand && v.Run.State == engine.RunFailed) {
		t.Errorf("run %s of %s is %s, but by its leaves %s", v.Run.RunID, v.Run.DAG, v.Run.State, want)
	}
}

// checkInstance checks that an instance's state is that of one attempt, and that it has not succeeded more often than it was asked to. It
// returns whether that is so.
func checkInstance(t *testing.T, tv engine.TaskView, history []engine.Attempt, clears int) bool {
	t.Helper()
	same, successes := 0, 0
	for _, a := range history {
		if (a.Try == tv.Try || a.Try == 0) && a.State == tv.State {
			same++
		}
		if a.State == engine.Success && a.Ending == engine.EndSuccess && a.By == "" {
			successes++
		}
	}
	if same == 0 {
		t.Errorf("%s of run %s of %s [%d] is %s at try %d, which is in no attempt; those are%s", tv.Task, tv.RunID, tv.DAG, tv.MapIndex, tv.State, tv.Try, told(history))
	}
	if successes > 1+clears {
		t.Errorf("%s of run %s of %s [%d] succeeded %d times and was cleared at most %d times", tv.Task, tv.RunID, tv.DAG, tv.MapIndex, successes, clears)
	}
	return same > 0 && successes <= 1+clears
}

// trail is what became of a run step by step.
func trail(t *testing.T, ctx context.Context, conn *pgx.Conn, v engine.RunView) string { //nolint:revive // the test comes first
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "run %s of %s, step by step:", v.Run.RunID, v.Run.DAG)
	rows, err := conn.Query(ctx, `SELECT tx, at, pid, what, states FROM chaos.trail WHERE run = $1 ORDER BY n`, v.Run.Key)
	if err != nil {
		t.Fatal(err)
	}
	var tx, what string
	var at time.Time
	var pid int
	var states []byte
	_, err = pgx.ForEachRow(rows, []any{&tx, &at, &pid, &what, &states}, func() error {
		fmt.Fprintf(&b, "\n\t%s tx %s of %d: %s", at.Format(time.StampMicro), tx, pid, what)
		if len(states) == 0 {
			return nil
		}
		s, err := engine.DecodeRunStates(states)
		for i, st := range s.Tasks {
			fmt.Fprintf(&b, " %s%+v", v.Spec.Tasks[i].ID, st.Instances)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// told are attempts in words.
func told(history []engine.Attempt) string {
	var b strings.Builder
	for _, a := range history {
		fmt.Fprintf(&b, "\n\ttry %d: %s, ended %s at %s, by worker %q, person %q: %s", a.Try, a.State, a.Ending, a.EndedAt.Format(time.StampMicro), a.Worker, a.By, a.Error)
	}
	return b.String()
}
