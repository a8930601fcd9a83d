package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// maxOpen is how many runs people have going at once.
const maxOpen = 24

// People trigger, clear, mark, answer, pause and unpause at random, all at one process's pace. Not on the scheduled DAG, but for clearing
// it: each of its days waits for the one before.
type people struct {
	t       *testing.T
	db      *database
	control *engine.Control
	rng     *rand.Rand
	counts  map[string]int
	clears  map[int64]int  // of each run, also those of which it is not known whether they were done
	failed  map[int64]bool // runs that were marked failed
	serial  int
}

// meddle goes on until ctx ends and unpauses all DAGs then.
func (p *people) meddle(ctx context.Context) {
	for pause(ctx, time.Duration(p.rng.IntN(120))*time.Millisecond) == nil {
		began := time.Now()
		what, err := p.act(ctx)
		p.counts[what]++
		var invalid *engine.InvalidError
		switch {
		case err == nil:
		case errors.As(err, &invalid), errors.Is(err, engine.ErrConflict), errors.Is(err, engine.ErrNotFound):
			p.counts[what+" refused"]++
		case ctx.Err() != nil, p.db.wasAway(began):
			p.counts[what+" cut off"]++
		default:
			p.t.Errorf("%s: %v", what, err)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	for _, id := range p.control.Catalog().IDs() {
		err := p.control.SetPaused(last, id, false, "ann")
		for ; err != nil && pause(last, 50*time.Millisecond) == nil; err = p.control.SetPaused(last, id, false, "ann") { //nolint:revive // the loop is its condition
		}
		if err != nil {
			p.t.Errorf("unpause %s: %v", id, err)
			return
		}
	}
}

func (p *people) act(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	ids := p.control.Catalog().IDs()
	dag := ids[p.rng.IntN(len(ids))]
	open, n, err := p.control.Store().Runs(ctx, engine.RunFilter{States: []engine.RunState{engine.RunQueued, engine.RunRunning}, Limit: 50})
	if err != nil {
		return "look", err
	}
	if n < maxOpen && p.rng.IntN(2) == 0 {
		if dag == "scheduled" {
			dag = "mapped"
		}
		p.serial++
		_, err := p.control.Trigger(ctx, engine.TriggerRequest{DAG: dag, RunID: fmt.Sprint("r", p.serial), By: "ann"})
		return "trigger", err
	}
	if p.rng.IntN(12) == 0 && dag != "scheduled" {
		return "pause", errors.Join(p.control.SetPaused(ctx, dag, true, "ann"), pause(ctx, time.Duration(p.rng.IntN(600))*time.Millisecond), p.control.SetPaused(context.WithoutCancel(ctx), dag, false, "ann"))
	}
	if p.rng.IntN(3) == 0 {
		return "answer", p.answer(ctx)
	}
	some := open
	if len(some) == 0 || p.rng.IntN(3) == 0 {
		if some, _, err = p.control.Store().Runs(ctx, engine.RunFilter{Limit: 60}); err != nil || len(some) == 0 {
			return "look", err
		}
	}
	return p.touch(ctx, some[p.rng.IntN(len(some))])
}

// answer answers an open question.
func (p *people) answer(ctx context.Context) error {
	open, err := p.control.Store().Questions(ctx, nil, 5)
	if err != nil || len(open) == 0 {
		return err
	}
	q := open[p.rng.IntN(len(open))]
	rows, err := p.control.Store().RunsByKey(ctx, []int64{q.Run})
	if err != nil || len(rows) == 0 {
		return err
	}
	return p.control.Answer(ctx, q.TaskKey, rows[0].DAG, rows[0].RunID, []string{"yes", "no"}[p.rng.IntN(2)], "bob")
}

// touch clears or marks something of a run.
func (p *people) touch(ctx context.Context, row engine.RunRow) (string, error) {
	d, _ := p.control.Catalog().DAG(row.DAG)
	s := engine.Selection{Downstream: p.rng.IntN(2) == 0, Upstream: p.rng.IntN(6) == 0, OnlyFailed: p.rng.IntN(3) == 0}
	task := d.Spec.Tasks[p.rng.IntN(len(d.Spec.Tasks))]
	if p.rng.IntN(4) > 0 {
		s.Tasks = []string{task.ID}
		if task.MapOver != "" && p.rng.IntN(2) == 0 {
			s.MapIndexes = []int{p.rng.IntN(3)}
		}
	}
	n := p.rng.IntN(100)
	switch {
	case row.DAG == "scheduled" || n < 50:
		p.clears[row.Key]++
		_, err := p.control.Clear(ctx, row.DAG, row.RunID, s, p.rng.IntN(10) == 0, "ann")
		return "clear", err
	case n < 70:
		p.clears[row.Key]++ // what had been marked failed below it starts anew
		m := engine.MarkRequest{Selection: s, State: engine.Success, By: "bob"}
		if len(s.Tasks) > 0 && task.Output == "chaos.proof" && p.rng.IntN(2) == 0 {
			m.Upstream, m.Downstream = false, false
			m.Output, _ = json.Marshal(proof{Run: row.Key, Task: "by bob"})
		}
		_, err := p.control.Mark(ctx, row.DAG, row.RunID, m)
		return "mark success", err
	case n < 85:
		s.Downstream = false
		_, err := p.control.Mark(ctx, row.DAG, row.RunID, engine.MarkRequest{Selection: s, State: engine.Failed, By: "bob"})
		return "mark failed", err
	case n < 93:
		p.failed[row.Key] = true
		return "mark run failed", p.control.MarkRun(ctx, row.DAG, row.RunID, engine.RunFailed, "ann")
	}
	return "mark run success", p.control.MarkRun(ctx, row.DAG, row.RunID, engine.RunSuccess, "ann")
}
