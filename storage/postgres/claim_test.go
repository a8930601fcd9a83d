package postgres_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/postgres"
)

// A DAG with many ready tasks leaves the others their share; what they leave of it is used.
func TestClaimSharesSlotsOverDAGs(t *testing.T) {
	r := newRig(t, postgres.Options{})
	for _, c := range []struct {
		name  string
		ready map[string]int // DAG → ready tasks
		exact string         // DAG with an exact limit, if any
		slots int
		want  map[string]int
	}{
		{"alike", map[string]int{"a": 30, "b": 30, "c": 30}, "", 6, map[string]int{"a": 2, "b": 2, "c": 2}},
		{"one has little", map[string]int{"a": 30, "b": 1, "c": 30}, "", 9, map[string]int{"a": 4, "b": 1, "c": 4}},
		{"only one has any", map[string]int{"a": 0, "b": 0, "c": 30}, "", 9, map[string]int{"c": 9}},
		{"fewer slots than DAGs", map[string]int{"a": 30, "b": 30, "c": 30}, "", 2, map[string]int{"a": 1, "b": 1}},
		{"one with an exact limit, the other has little", map[string]int{"a": 1, "b": 30}, "b", 8, map[string]int{"a": 1, "b": 7}},
		{"one with an exact limit", map[string]int{"a": 30, "b": 30}, "b", 8, map[string]int{"a": 4, "b": 4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			execute(t, r.url, `TRUNCATE tidemill.task_queue`)
			run := r.runs(1)[0]
			var dags []engine.ClaimDAG
			r.transition([]int64{run}, nil, func(_ engine.RunRow, change *engine.RunChange) {
				for dag, n := range c.ready {
					for i := range n {
						it := item(run, fmt.Sprintf("%s%d", dag, i))
						it.DAG = dag
						change.Enqueue = append(change.Enqueue, it)
					}
				}
			})
			for _, dag := range []string{"a", "b", "c"} {
				d := engine.ClaimDAG{ID: dag, Room: 20}
				if dag == c.exact {
					d.MaxActive = 20
				}
				dags = append(dags, d)
			}
			leased, err := r.Claim(t.Context(), engine.ClaimRequest{Worker: r.worker, Lease: uuid.New(), Slots: c.slots, Queues: []string{"default"}, DAGs: dags})
			r.ok(err)
			got := map[string]int{}
			for _, l := range leased {
				got[l.DAG]++
			}
			if !maps.Equal(got, c.want) {
				t.Errorf("claimed %v, want %v", got, c.want)
			}
		})
	}
}

func TestOpenKeepsPasswordsOutOfErrors(t *testing.T) {
	for _, url := range []string{
		"postgres://me:sesame@127.0.0.1:1/none",
		"postgres://me:sesame@127.0.0.1:port/none",
	} {
		_, err := postgres.Open(t.Context(), url, postgres.Options{})
		if err == nil {
			t.Fatalf("%s: opened", url)
		}
		if strings.Contains(err.Error(), "sesame") {
			t.Errorf("the error tells the password: %v", err)
		}
	}
}
