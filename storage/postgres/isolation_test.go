package postgres_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/postgres"
)

// Where the database's default is that a transaction sees one snapshot throughout, what is counted under a lock is read after the lock still.
func TestAPoolUnderAnotherDefaultIsolation(t *testing.T) {
	url := testkit.Migrated(t, migrations.Engine)
	execute(t, url, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''repeatable read''', current_database()); END $$`)
	r := rigOn(t, openAt(t, url, postgres.Options{MaxConns: 8}), url)
	r.ok(r.SetPool(t.Context(), engine.Pool{Name: "p", Slots: 1}))
	_, err := r.Register(t.Context(), []engine.DAGRecord{{ID: "x", Version: "v1"}, {ID: "y", Version: "v1"}})
	r.ok(err)
	runs := r.runs(2)
	for i, dag := range []string{"x", "y"} {
		it := item(runs[i], "t")
		it.DAG, it.Pool, it.Slots = dag, "p", 1
		r.ok(r.Transition(t.Context(), engine.Transition{Runs: runs[i : i+1], Decide: handing(it)}))
	}
	execute(t, url, `INSERT INTO tidemill.limits (name) VALUES ('pool p') ON CONFLICT DO NOTHING`)
	other, err := pgx.Connect(t.Context(), url)
	r.ok(err)
	defer other.Close(t.Context()) //nolint:errcheck // nothing is pending
	if _, err := other.Exec(t.Context(), `BEGIN; SELECT FROM tidemill.limits WHERE name = 'pool p' FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	var got atomic.Int64
	var all sync.WaitGroup
	for _, dag := range []string{"x", "y"} {
		all.Go(func() {
			leased, err := r.Claim(t.Context(), engine.ClaimRequest{
				Worker: r.worker, Lease: uuid.New(), Slots: 20, Queues: []string{"default"}, DAGs: []engine.ClaimDAG{{ID: dag, Room: 20, Pooled: true}},
			})
			if err != nil {
				t.Error(err)
			}
			got.Add(int64(len(leased)))
		})
	}
	waiting := func() bool { // both, for the lock
		return value[int](t, url, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 2
	}
	for !waiting() {
		if t.Context().Err() != nil {
			t.Fatal("the claims do not wait for the lock")
		}
	}
	if _, err := other.Exec(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if got.Load() != 1 {
		t.Errorf("%d tasks hold a pool of one slot", got.Load())
	}
}
