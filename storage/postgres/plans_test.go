package postgres

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
)

// The statements of the hot path must reach their rows through an index by key, whatever the size of the tables was when
// they were planned. The worst moment is a database whose tables were empty at their last ANALYZE: that is tried here.
func TestHotStatementsFindTheirRowsByIndex(t *testing.T) {
	url := testkit.Migrated(t, migrations.Engine)
	ctx := t.Context()
	s, err := Open(ctx, url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	conn, err := s.work.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, `VACUUM (ANALYZE) tidemill.task_queue, tidemill.runs, tidemill.attempts, tidemill.timers, tidemill.virtual_nodes,
		tidemill.pools, tidemill.pool_leases, tidemill.dag_leases, tidemill.waits, tidemill.questions`); err != nil {
		t.Fatal(err)
	}
	for name, sql := range map[string]string{
		"lockRuns": lockRuns, "lockKnown": lockKnown, "enqueueHanded": enqueueHanded, "readStanding": readStanding, "readRuns": readRuns, "updateRuns": updateRuns, "findLeases": findLeases, "dropEnded": dropEnded, "moveHanded": moveHanded, "lockQueueRows": lockQueueRows,
		"dequeueRows": dequeueRows, "cancelRows": cancelRows, "deleteTimers": deleteTimers, "closeNodes": closeNodes, "forgetNodes": forgetNodes,
		"claimReady": claimReady, "leaseChosen": leaseChosen, "countLeased": countLeased, "adoptLeases": adoptLeases, "dropVoid": dropVoid, "dropVoidOfRuns": dropVoidOfRuns, "readyByTask": readyByTask, "readyFree": readyFree, "readyPooled": readyPooled, "readyOf": readyOf,
		"usedPools": usedPools, "dropVoidLeases": dropVoidLeases, "readPoolRooms": readPoolRooms, "deleteWaits": deleteWaits, "closeQuestions": closeQuestions,
		"releaseRuns": releaseRuns, "toldLeases": toldLeases, "latestInputs": latestInputs, "lockLease": lockLease,
	} {
		t.Run(name, func(t *testing.T) {
			plan := explain(ctx, t, conn.Conn(), sql)
			if bad := scansAll(plan); bad != "" {
				t.Errorf("reads a whole table: %s\n%s", bad, plan)
			}
		})
	}
	if bad := scansAll("  ->  Index Scan using runs_pkey on runs r\n        Filter: (id = $1)\n"); bad == "" {
		t.Error("a scan of a whole index passes")
	}
}

// Of a hundred thousand ready tasks a claim under limits reads those that it wants, in their order, whatever it filters.
func TestClaimUnderLimitsSortsNothing(t *testing.T) {
	url := testkit.Migrated(t, migrations.Engine)
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is pending
	do := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	do(`INSERT INTO tidemill.task_queue (run_id, task_id, map_index, dag_id, try, priority, queue, queued_at, pool, slots)
		SELECT 1, 't', i, 'd', 1, 0, 'default', now(), CASE WHEN i % 2 = 0 THEN 'p' END, 1 FROM generate_series(1, 20000) AS i`)
	do(`ANALYZE tidemill.task_queue`)
	for name, value := range workSession {
		do("SET " + name + " = " + value)
	}
	sorts := func(sql string) bool { return strings.Contains(explain(ctx, t, conn, sql), "Sort") }
	if !sorts(readyFree) {
		t.Error("nothing is sorted even without inOrder: this test shows nothing")
	}
	do(strings.Replace(inOrder, "LOCAL ", "", 1))
	for name, sql := range map[string]string{"readyFree": readyFree, "readyPooled": readyPooled} {
		if sorts(sql) {
			t.Errorf("%s sorts", name)
		}
	}
}

// What a claim under limits reads goes by the slots that it has, not by how many tasks are ready: of a DAG at its limit, and of a task at
// its own.
func TestClaimUnderLimitsReadsNoBacklog(t *testing.T) {
	const ready = 30_000
	ctx := t.Context()
	url := testkit.Migrated(t, migrations.Engine)
	s, err := Open(ctx, url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	conn, err := s.work.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	fill := `INSERT INTO tidemill.task_queue (run_id, task_id, map_index, dag_id, try, priority, queue, queued_at, lease)
		SELECT 1, $3, i, 'd', 1, 0, 'default', now(), CASE WHEN i <= $2 THEN gen_random_uuid() END FROM generate_series(1, $1::int) AS i`
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{fill, []any{ready, 4, "full"}},
		{adoptLeases, []any{[]string{"d"}}},
		{"VACUUM (ANALYZE) tidemill.task_queue, tidemill.dag_leases", nil}, // so that there seems to be but one task
		{fill, []any{10, 0, "open"}},
		{strings.Replace(inOrder, "LOCAL ", "", 1), nil},
	} {
		if _, err := conn.Exec(ctx, step.sql, step.args...); err != nil {
			t.Fatal(err)
		}
	}
	dag, queues := "d", []string{"default"}
	none := []any{"e", queues, []string{}, []int32{}, 8}
	for _, c := range []struct {
		name, sql string
		args      []any
		rows      int
	}{
		{"tasks of a DAG that has none", readyByTask, none, 0},
		{"the DAG's leases", countLeased, []any{[]string{dag}}, 1},
		{"void leases", dropVoid, []any{[]string{dag}}, 0},
		{"tasks, one of them full", readyByTask, []any{dag, queues, []string{"full"}, []int32{0}, 8}, 8},
		{"tasks, one of them with room for one", readyByTask, []any{dag, queues, []string{"full"}, []int32{1}, 8}, 8},
		{"tasks, another full", readyByTask, []any{dag, queues, []string{"open"}, []int32{0}, 8}, 8},
		{"tasks, none with a limit", readyByTask, []any{dag, queues, []string{}, []int32{}, 8}, 8},
		{"DAGs with ready tasks", readyOf, []any{[]string{dag}, queues}, 1},
		{"pools", usedPools, []any{[]string{dag}}, 0},
		{"tasks, both full", readyByTask, []any{dag, queues, []string{"full", "open"}, []int32{0, 0}, 8}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var plans []struct {
				Plan struct {
					Hit  int `json:"Shared Hit Blocks"`
					Read int `json:"Shared Read Blocks"`
					Rows int `json:"Actual Rows"`
				}
			}
			if err := conn.QueryRow(ctx, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+c.sql, c.args...).Scan(&plans); err != nil {
				t.Fatal(err)
			}
			p := plans[0].Plan
			if blocks := p.Hit + p.Read; blocks > 60 {
				t.Errorf("reads %d blocks of some %d that the ready tasks take", blocks, ready/50)
			}
			if p.Rows != c.rows {
				t.Errorf("yields %d rows, want %d", p.Rows, c.rows)
			}
		})
	}
}

// explain returns the generic plan of a statement.
func explain(ctx context.Context, t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	if _, err := conn.Exec(ctx, "PREPARE explained AS "+sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	params := map[string]bool{}
	for _, p := range regexp.MustCompile(`\$\d+`).FindAllString(sql, -1) {
		params[p] = true
	}
	nulls := strings.TrimSuffix(strings.Repeat("NULL, ", len(params)), ", ")
	rows, err := conn.Query(ctx, "EXPLAIN (COSTS OFF) EXECUTE explained("+nulls+")", pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, "DEALLOCATE explained"); err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n") + "\n"
}

// scansAll returns the first line of a plan that reads a table from end to end.
func scansAll(plan string) string {
	lines := strings.Split(plan, "\n")
	for i, l := range lines {
		switch {
		case strings.Contains(l, "Seq Scan on"):
			return l
		case strings.Contains(l, "Index Scan using"), strings.Contains(l, "Index Only Scan"), strings.Contains(l, "Bitmap Index Scan"):
			if !strings.Contains(lines[i+1], "Index Cond:") {
				return l
			}
		}
	}
	return ""
}
