package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// person lets somebody do something, by way of a process.
func (w *world) person(p *process) {
	dag := w.dags.ids[w.rnd.IntN(len(w.dags.ids))]
	by := w.freshID("ann")
	var what string
	var do func() error
	c := p.r.Control()
	switch w.rnd.IntN(20) {
	case 0, 1, 2, 3, 4, 5:
		what = "triggers " + dag
		t := engine.TriggerRequest{DAG: dag, By: by, RunID: w.freshID("manual")}
		if w.dags.byID[dag].spec.Schedule != "" && w.chance(0.3) {
			at := enginetest.Epoch.Add(time.Duration(w.rnd.IntN(8)-2) * 5 * time.Minute)
			t.Logical = &at
		}
		do = func() error { _, err := c.Trigger(p.ctx, t); return err }
	case 6, 7, 8:
		row, ok := w.someRun()
		if !ok {
			return
		}
		s := w.selection(row.DAG)
		what = fmt.Sprintf("clears %v of run %d", s, row.Key)
		do = func() error { _, err := c.Clear(p.ctx, row.DAG, row.RunID, s, w.chance(0.05), by); return err }
	case 9, 10:
		row, ok := w.someRun()
		if !ok {
			return
		}
		m := engine.MarkRequest{Selection: w.selection(row.DAG), State: engine.Success, By: by}
		if w.chance(0.4) {
			m.State = engine.Failed
		} else if w.chance(0.6) {
			m.Output = []byte([]string{"-1", "[-1,-2]", `{"taken":"yes","value":-2}`, `{"choice":"yes","by":"x","at":"2024-01-01T00:00:00Z"}`}[w.rnd.IntN(4)])
		}
		what = fmt.Sprintf("marks %v of run %d as %s", m.Selection, row.Key, m.State)
		do = func() error { _, err := c.Mark(p.ctx, row.DAG, row.RunID, m); return err }
	case 11:
		row, ok := w.someRun()
		if !ok {
			return
		}
		to := []engine.RunState{engine.RunFailed, engine.RunSuccess}[w.rnd.IntN(2)]
		what = fmt.Sprintf("marks run %d as %s", row.Key, to)
		do = func() error { return c.MarkRun(p.ctx, row.DAG, row.RunID, to, by) }
	case 12:
		paused := w.chance(0.4)
		what = fmt.Sprintf("pauses %s: %v", dag, paused)
		do = func() error { return c.SetPaused(p.ctx, dag, paused, "ann") }
	case 13, 14:
		w.answer(p, by)
		return
	case 15:
		pool := engine.Pool{Name: pools[w.rnd.IntN(2)], Slots: w.rnd.IntN(4)}
		what = fmt.Sprintf("gives pool %s %d slots", pool.Name, pool.Slots)
		do = func() error { return c.SetPool(p.ctx, pool, "ann") }
	case 16:
		from := enginetest.Epoch.Add(time.Duration(w.rnd.IntN(8)-6) * 5 * time.Minute)
		r := engine.BackfillRequest{DAG: dag, By: by, BackfillOrder: engine.BackfillOrder{
			BackfillRange: engine.BackfillRange{From: from, To: from.Add(time.Duration(w.rnd.IntN(4)) * 5 * time.Minute)},
			MaxActiveRuns: 1 + w.rnd.IntN(2), Backwards: w.chance(0.3),
			Reprocess: []engine.Reprocess{engine.ReprocessNone, engine.ReprocessFailed, engine.ReprocessCompleted}[w.rnd.IntN(3)],
		}}
		what = fmt.Sprintf("backfills %s from %s to %s, %s", dag, r.From.Format("15:04"), r.To.Format("15:04"), r.Reprocess)
		do = func() error { _, err := c.Backfill(p.ctx, r, false); return err }
	case 17:
		w.backfill(p, by)
		return
	case 18:
		asset := []engine.Asset{"a", "b"}[w.rnd.IntN(2)]
		what = fmt.Sprintf("updates asset %s", asset)
		do = func() error { return c.UpdateAsset(p.ctx, asset, nil, by) }
	case 19:
		w.setMark(1 + w.rnd.IntN(2))
		return
	}
	w.asks(p, what, do)
}

// asks starts what a person does. That it is refused is no violation; an error that tells of damage is.
func (w *world) asks(p *process, what string, do func() error) {
	w.say("somebody at p%d %s", p.id, what)
	w.start(p, "person "+what, func() {
		err := do()
		if err != nil {
			w.say("refused: %v", err)
		}
		var invalid *engine.InvalidError
		switch {
		case err == nil, expected(err), errors.As(err, &invalid), errors.Is(err, engine.ErrConflict), errors.Is(err, engine.ErrNotFound):
		default:
			w.violated("somebody %s: %v", what, err)
		}
	})
}

// answer answers one of the open questions.
func (w *world) answer(p *process, by string) {
	w.store.quiet++
	asked, err := w.store.Questions(w.eyes.ctx, nil, 100)
	w.store.quiet--
	must(err)
	if len(asked) == 0 {
		return
	}
	q := asked[w.rnd.IntN(len(asked))]
	row := w.row(q.Run)
	choice := []string{"yes", "no", "perhaps"}[w.rnd.IntN(3)]
	w.asks(p, fmt.Sprintf("answers %s of run %d: %s", name(q.TaskKey), q.Run, choice), func() error {
		return p.r.Control().Answer(p.ctx, q.TaskKey, row.DAG, row.RunID, choice, by)
	})
}

func (w *world) row(key int64) engine.RunRow {
	w.store.quiet++
	defer func() { w.store.quiet-- }()
	rows, err := w.store.RunsByKey(w.eyes.ctx, []int64{key})
	must(err)
	return rows[0]
}

// someRun is one of the runs, rather a young one.
func (w *world) someRun() (engine.RunRow, bool) {
	w.store.quiet++
	defer func() { w.store.quiet-- }()
	rows, _, err := w.store.Runs(w.eyes.ctx, engine.RunFilter{Limit: 8})
	must(err)
	if len(rows) == 0 {
		return engine.RunRow{}, false
	}
	return rows[w.rnd.IntN(len(rows))], true
}

// selection picks tasks of a DAG.
func (w *world) selection(dag string) engine.Selection {
	d := w.dags.byID[dag]
	var s engine.Selection
	if w.chance(0.85) {
		t := d.spec.Tasks[w.rnd.IntN(len(d.spec.Tasks))]
		s.Tasks = []string{t.ID}
		if t.MapOver != "" && w.chance(0.5) {
			s.MapIndexes = []int{w.rnd.IntN(3)}
		}
	}
	s.Upstream, s.Downstream, s.OnlyFailed = w.chance(0.2), w.chance(0.4), w.chance(0.3)
	return s
}

// backfill pauses, resumes or cancels one.
func (w *world) backfill(p *process, by string) {
	w.store.quiet++
	open, _, err := w.store.Backfills(w.eyes.ctx, engine.BackfillFilter{Limit: 10})
	w.store.quiet--
	must(err)
	if len(open) == 0 {
		return
	}
	b := open[w.rnd.IntN(len(open))]
	c := p.r.Control()
	if w.chance(0.5) {
		running := w.chance(0.5)
		w.asks(p, fmt.Sprintf("cancels backfill %d", b.ID), func() error { return c.CancelBackfill(p.ctx, b.ID, running, by) })
		return
	}
	paused := w.chance(0.5)
	w.asks(p, fmt.Sprintf("pauses backfill %d: %v", b.ID, paused), func() error { return c.PauseBackfill(p.ctx, b.ID, paused, "ann") })
}

// jsonOf is for reports.
func jsonOf(v any) string {
	raw, err := json.Marshal(v)
	must(err)
	return string(raw)
}
