package postgres

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/coder/quartz"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
)

// claimed is a claim of n tasks of DAG d at one priority, of which the last has a sequence number.
func claimed(f *floors, n int, priority int32, seq int64, at time.Time) {
	leased := make([]engine.Leased, n)
	places := make([]place, n)
	for i := range leased {
		leased[i].DAG, places[i] = "d", place{priority, seq - int64(n-1-i)}
	}
	f.took(leased, places, nil, at)
}

func TestFloors(t *testing.T) {
	const top, bottom = 1<<31 - 1, -1 << 31
	var f floors
	t0 := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return t0.Add(time.Duration(ms) * time.Millisecond) }
	check := func(what string, ms int, look bool, want ...span) {
		t.Helper()
		got, l := f.spans("d", nil, at(ms))
		if !slices.Equal(got, want) || l != look {
			t.Errorf("%s: %v, look %t; want %v, %t", what, got, l, want, look)
		}
	}
	check("a DAG of which nothing is known", 0, false, all)
	claimed(&f, 1999, 0, 1999, at(0))
	check("a DAG of which little is claimed", 0, true, all)
	claimed(&f, 1, 0, 2000, at(10))
	check("before a first look", 10, true, all)
	f.lookedAt([]string{"d"}, nil, at(10), time.Millisecond)
	check("a floor lags", 20, false, span{top, 1, 0}, span{0, 0, 0}, span{-1, bottom, 0})
	claimed(&f, 1, 0, 2500, at(100))
	check("a floor lags still", 120, false, span{top, 1, 0}, span{0, 0, 1999}, span{-1, bottom, 0})
	claimed(&f, 1, 0, 2600, at(150))
	claimed(&f, 1, 0, 2700, at(200))
	check("a floor is raised", 210, false, span{top, 1, 0}, span{0, 0, 2500}, span{-1, bottom, 0})
	claimed(&f, 1, 5, 2800, at(210))
	claimed(&f, 1, 4, 2900, at(210))
	check("several priorities", 220, false, span{top, 6, 0}, span{5, 5, 0}, span{4, 4, 0}, span{3, 1, 0}, span{0, 0, 2500}, span{-1, bottom, 0})
	if got, look := f.spans("d", []string{"gpu"}, at(220)); !slices.Equal(got, []span{all}) || look {
		t.Errorf("of other queues: %v", got)
	}
	check("it looks every second", 1010, true, all)
	f.lookedAt([]string{"d"}, nil, at(1010), 200*time.Millisecond)
	if got, _ := f.spans("d", nil, at(4900)); len(got) == 1 {
		t.Error("a dear look is had before it is due")
	}
	check("a dear look too", 5010, true, all)
	f.lookedAt([]string{"d"}, nil, at(5010), 0)
	claimed(&f, 1, top, 3000, at(5010))
	claimed(&f, 1, bottom, 3000, at(5010))
	check("the ends", 5020, false, span{top, top, 0}, span{top - 1, 6, 0}, span{5, 5, 0}, span{4, 4, 0}, span{3, 1, 0}, span{0, 0, 2500}, span{-1, bottom + 1, 0}, span{bottom, bottom, 0})
	for p := range int32(mostFloored) {
		claimed(&f, 1, 100+p, 4000, at(5020))
	}
	check("too many priorities", 5030, true, all)
}

// Beside a transaction that sees everything as it was, a claim reads what it wants and not what is done.
func TestClaimBesideAnOldSnapshot(t *testing.T) {
	const done = 20_000
	ctx := t.Context()
	url := testkit.Migrated(t, migrations.Engine)
	clock := quartz.NewMock(t)
	s, err := Open(ctx, url, Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	worker, err := s.Join(ctx, engine.WorkerInfo{Name: "host:1"})
	if err != nil {
		t.Fatal(err)
	}
	other, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(ctx) //nolint:errcheck // nothing is pending
	do := func(conn interface {
		QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	}, sql string, args ...any) {
		t.Helper()
		var n int
		if err := conn.QueryRow(ctx, sql, args...).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	insert := `WITH i AS (INSERT INTO tidemill.task_queue (run_id, task_id, map_index, dag_id, try, priority, queue, queued_at, seq) OVERRIDING SYSTEM VALUE
		SELECT 1, $1, i, 'd', 1, 0, 'default', now(), i FROM generate_series($2::int, $3::int) AS i RETURNING 1) SELECT count(*) FROM i`
	if _, err := other.Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ`); err != nil {
		t.Fatal(err)
	}
	do(other, `SELECT count(*) FROM tidemill.task_queue`)
	do(s.look, insert, "done", 1, done)
	claim := func(n int) []engine.Leased {
		t.Helper()
		got, err := s.Claim(ctx, engine.ClaimRequest{Worker: worker, Lease: uuid.New(), Slots: n, Queues: []string{"default"}, DAGs: []engine.ClaimDAG{{ID: "d", Room: n}}})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	for range 2 {
		if n := len(claim(done / 2)); n != done/2 {
			t.Fatalf("%d claimed", n)
		}
		clock.Advance(floorLag).MustWait(ctx)
	}
	do(s.look, `WITH d AS (DELETE FROM tidemill.task_queue RETURNING 1) SELECT count(*) FROM d`)
	do(s.look, insert, "ready", done+1, done+100)
	if n := len(claim(1)); n != 1 { // raises the floor
		t.Fatalf("%d claimed", n)
	}
	blocks := func(parts spanColumns) int {
		t.Helper()
		var plans []struct {
			Plan struct {
				Hit  int `json:"Shared Hit Blocks"`
				Read int `json:"Shared Read Blocks"`
			}
		}
		tx, err := s.work.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback(ctx) //nolint:errcheck // nothing is kept
		if err := tx.QueryRow(ctx, "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+claimReady, worker, uuid.New(), 8, []string{"default"}, []string{"d"}, []int32{8}, []int32{1}, []float64{0},
			parts.dags, parts.hi, parts.lo, parts.floors).Scan(&plans); err != nil {
			t.Fatal(err)
		}
		return plans[0].Plan.Hit + plans[0].Plan.Read
	}
	parts, looks := s.spansOf([]contender{{ClaimDAG: engine.ClaimDAG{ID: "d"}}}, []string{"default"})
	if len(looks) > 0 || len(parts.dags) != 3 {
		t.Fatalf("it has no floors: %+v", parts)
	}
	// With floors it passes what was claimed within the last lag.
	without := blocks(spanColumns{[]string{"d"}, []int32{all.hi}, []int32{all.lo}, []int64{0}})
	if with := blocks(parts); with > without*6/10 || without < 200 {
		t.Errorf("it reads %d blocks with floors and %d without", with, without)
	}
	// What comes in below the floor is found by the next look.
	do(s.look, insert, "late", 5, 5)
	names := func(leased []engine.Leased) (out []string) {
		for _, l := range leased {
			out = append(out, fmt.Sprint(l.Task, l.MapIndex))
		}
		return out
	}
	if got := names(claim(1)); !slices.Equal(got, []string{"ready20002"}) {
		t.Errorf("claimed %v, want the next above the floor", got)
	}
	clock.Advance(lookEvery * 100).MustWait(ctx)
	if got := names(claim(1)); !slices.Equal(got, []string{"late5"}) {
		t.Errorf("claimed %v, want what came late", got)
	}
}

// A process with many DAGs gets all their tasks, whoever makes them ready when.
func TestClaimOfManyDAGs(t *testing.T) {
	ctx := t.Context()
	url := testkit.Migrated(t, migrations.Engine)
	clock := quartz.NewMock(t)
	s, err := Open(ctx, url, Options{Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	worker, err := s.Join(ctx, engine.WorkerInfo{Name: "host:1"})
	if err != nil {
		t.Fatal(err)
	}
	const have, busy = 500, 200
	c := engine.ClaimRequest{Worker: worker, Slots: 16, Queues: []string{"default"}}
	for i := range have {
		d := engine.ClaimDAG{ID: fmt.Sprintf("d%03d", i), Room: 16}
		if i%7 == 0 {
			d.MaxActive = 5
		}
		c.DAGs = append(c.DAGs, d)
	}
	ready := func(first, last, tasks int) {
		t.Helper()
		if _, err := s.look.Exec(ctx, `INSERT INTO tidemill.task_queue (run_id, task_id, map_index, dag_id, try, priority, queue, queued_at, pool, slots)
			SELECT 1, 't' || i || '_' || d, j, 'd' || lpad(d::text, 3, '0'), 1, 0, 'default', now(), NULL, NULL
			FROM generate_series($1::int, $2::int) AS d, generate_series(1, $3::int) AS j, (SELECT coalesce(max(seq), 0) AS i FROM tidemill.task_queue) AS i`, first, last, tasks); err != nil {
			t.Fatal(err)
		}
	}
	claim := func() int {
		t.Helper()
		c.Lease = uuid.New()
		got, err := s.Claim(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		return len(got)
	}
	ready(0, busy-1, 3)
	total := 0
	for n := claim(); n > 0; n = claim() {
		total += n
		if n < c.Slots && total < busy*3 {
			t.Fatalf("a claim of %d slots got %d while %d tasks are left", c.Slots, n, busy*3-total)
		}
	}
	if total != busy*3 {
		t.Errorf("claimed %d of %d", total, busy*3)
	}
	ready(busy, busy+3, 1) // at once, although the answer of a moment ago did not have them
	if n := claim(); n != 4 {
		t.Errorf("claimed %d of the 4 that were made ready since", n)
	}
	all, err := s.Ready(ctx, []string{"d000", "d499"}, c.Queues)
	if err != nil || len(all) != 0 {
		t.Errorf("ready: %v, %v", all, err)
	}
}
