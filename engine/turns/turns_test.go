package turns_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/turns"
)

func TestShare(t *testing.T) {
	dag := func(id string, room, weight int) engine.ClaimDAG {
		return engine.ClaimDAG{ID: id, Room: room, Weight: weight}
	}
	for _, c := range []struct {
		name string
		dags []engine.ClaimDAG
		due  []float64
		n    int
		want []int
	}{
		{"nobody", nil, nil, 5, []int{}},
		{"alike", []engine.ClaimDAG{dag("a", 9, 1), dag("b", 9, 0)}, []float64{0, 0}, 4, []int{2, 2}},
		{"the first goes first", []engine.ClaimDAG{dag("a", 9, 1), dag("b", 9, 1)}, []float64{0, 0}, 3, []int{2, 1}},
		{"whose turn it is goes first", []engine.ClaimDAG{dag("a", 9, 1), dag("b", 9, 1)}, []float64{1, 0}, 3, []int{1, 2}},
		{"by weight", []engine.ClaimDAG{dag("a", 9, 1), dag("b", 9, 2)}, []float64{0, 0}, 6, []int{2, 4}},
		{"no more than the room", []engine.ClaimDAG{dag("a", 1, 1), dag("b", 2, 1), dag("c", 0, 1)}, []float64{0, 0, 0}, 9, []int{1, 2, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := turns.Share(c.dags, c.due, c.n); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// Whatever the weights, the numbers of slots and who has nothing to run at times: between two DAGs that have ready tasks all the time, what
// each got per weight differs by no more than a few slots, over any stretch.
func TestShareOverTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tr turns.Turns
		n := rapid.IntRange(2, 5).Draw(t, "DAGs")
		dags := make([]engine.ClaimDAG, n)
		for i := range dags {
			dags[i] = engine.ClaimDAG{ID: fmt.Sprint("d", i), Weight: rapid.IntRange(1, 4).Draw(t, "weight")}
		}
		got := make([]int, n)
		begin := rapid.IntRange(0, 50).Draw(t, "begin")
		for step := range 120 {
			if step == begin {
				clear(got)
			}
			slots := rapid.IntRange(1, 6).Draw(t, "slots")
			ready := slices.Clone(dags)
			for i := range ready {
				ready[i].Room = slots
				if i >= 2 && rapid.Bool().Draw(t, "idle") {
					ready[i].Room = 0
				}
			}
			var leased []engine.Leased
			for i, k := range turns.Share(ready, tr.Due(ready), slots) {
				got[i] += k
				for range k {
					leased = append(leased, engine.Leased{DAG: ready[i].ID})
				}
			}
			tr.Took(ready, leased)
			if step < begin {
				continue
			}
			a, b := float64(got[0])*turns.Step(dags[0].Weight), float64(got[1])*turns.Step(dags[1].Weight)
			if diff := a - b; diff > 3 || diff < -3 {
				t.Fatalf("after %d claims: %d of weight %d beside %d of weight %d", step-begin+1, got[0], dags[0].Weight, got[1], dags[1].Weight)
			}
		}
	})
}
