package postgres_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/postgres"
)

// claimOf claims tasks of a DAG under limits.
func (r *rig) claimOf(d engine.ClaimDAG) []engine.Lease {
	r.Helper()
	d.ID, d.Room = testDAG, 20
	got, err := r.Claim(r.Context(), engine.ClaimRequest{Worker: r.worker, Lease: uuid.New(), Slots: 20, Queues: []string{"default"}, DAGs: []engine.ClaimDAG{d}})
	r.ok(err)
	var out []engine.Lease
	for _, l := range got {
		out = append(out, l.Lease)
	}
	return out
}

// hand ends a task and hands the next over to the rig's worker, as a task of a DAG that is counted.
func (r *rig) hand(end engine.Lease, next string) engine.Lease {
	r.Helper()
	it := item(end.Run, next)
	it.Lease, it.Worker = uuid.New(), r.worker
	err := r.Transition(r.Context(), engine.Transition{Runs: []int64{end.Run}, Ends: []engine.Lease{end}, Worker: r.worker, Decide: handing(it)})
	r.ok(err)
	return engine.Lease{TaskKey: it.TaskKey, ID: it.Lease}
}

// What is handed over takes a place of its DAG's limit until it ends, and leaves nothing behind.
func TestHandedOverTasksAreCounted(t *testing.T) {
	r := newRig(t, postgres.Options{})
	run := r.runs(1)[0]
	r.enqueue(run, "a", "b", "c", "d", "e")
	three := engine.ClaimDAG{MaxActive: 3}
	held := r.claimOf(three)
	if len(held) != 3 {
		t.Fatalf("claimed %d, want 3", len(held))
	}
	last := held[0]
	for i := range 50 {
		last = r.hand(last, fmt.Sprint("next", i))
		if n := value[int](t, r.url, `SELECT count(*) FROM tidemill.dag_leases`); n > 4 {
			t.Fatalf("%d rows for 3 leases", n)
		}
	}
	if got := r.claimOf(three); len(got) != 0 {
		t.Errorf("claimed %d beside 3 that run, one of them handed over", len(got))
	}
	r.transition([]int64{run}, []engine.Lease{last}, nothing)
	if got := r.claimOf(three); len(got) != 1 {
		t.Errorf("claimed %d after one of 3 has ended, want 1", len(got))
	}
	if got := r.claimOf(engine.ClaimDAG{TaskLimits: map[string]int{"e": 1}}); len(got) != 1 {
		t.Errorf("claimed %d of a task with room for one, want 1", len(got))
	}
}

// What was leased when its DAG had no limit yet counts once it has one.
func TestLeasesOfATimeWithoutLimitsAreCounted(t *testing.T) {
	r := newRig(t, postgres.Options{})
	run := r.runs(1)[0]
	r.enqueue(run, "a", "b", "c", "d", "e")
	if n := len(r.claim(2)); n != 2 {
		t.Fatalf("claimed %d, want 2", n)
	}
	if got := r.claimOf(engine.ClaimDAG{MaxActive: 3}); len(got) != 1 {
		t.Errorf("claimed %d beside 2 under a limit of 3, want 1", len(got))
	}
}
