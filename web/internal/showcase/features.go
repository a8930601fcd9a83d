package showcase

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// oldScores is the version of [Scores] before the present one.
const oldScores = "5a17b0c2d9e44f01"

// FillFeatures writes runs into an empty store that use what DAGs can have: sensors, branches, questions, assets, pools, notes, names of
// elements, holds, waits, two versions. set moves the store's clock as for [Fill].
func FillFeatures(ctx context.Context, store engine.Store, set func(time.Time)) (*engine.Control, error) {
	catalog, err := FeatureCatalog()
	if err != nil {
		return nil, err
	}
	set(Now.AddDate(0, 0, -9))
	p := &player{ctx: ctx, store: store, set: set, control: engine.NewControl(store, catalog, "3f14f7d")}
	for _, f := range []func() error{p.oldVersion, p.register, p.pools, p.published, p.books, p.digested, p.doubtful, p.closing, p.scoring, p.held, p.stream} {
		if err := f(); err != nil {
			return nil, err
		}
	}
	set(Now)
	return p.control, p.beat()
}

func (p *player) oldVersion() error {
	d, _ := p.control.Catalog().DAG(Scores)
	_, err := p.store.Register(p.ctx, []engine.DAGRecord{{ID: Scores, Version: oldScores, Build: "1d00c3a", Spec: d.Known(), MaxActiveRuns: d.Spec.MaxActiveRuns}})
	p.set(Now.AddDate(0, 0, -8))
	return err
}

func (p *player) pools() error {
	for _, pool := range []engine.Pool{{Name: "warehouse", Slots: 4, Description: "What the warehouse stands at once"}, {Name: "ledger", Slots: 1}, {Name: "exports", Slots: 0, Description: "Closed for the audit"}} {
		if err := p.control.SetPool(p.ctx, pool, "ada"); err != nil {
			return err
		}
	}
	return nil
}

func day(back int, hour int) time.Time {
	return Now.Truncate(24*time.Hour).AddDate(0, 0, -back).Add(time.Duration(hour) * time.Hour)
}

var scoreFiles = []string{"eu/part-00.parquet", "eu/part-01.parquet", "us/part-00.parquet", "apac/part-00.parquet"}

// elements makes a mapped task as long as its list is.
func (r *play) elements(task string, n int) {
	m := &r.states.Tasks[r.index(task)]
	m.Mapped, m.Length, m.Instances = true, n, make([]engine.Instance, n)
	for i := range m.Instances {
		m.Instances[i].State = engine.None
	}
}

// summedUp plays a day of scores until it is known whether it is doubtful.
func (r *play) summedUp(doubtful string) error {
	first := ok("start_cluster", 42*time.Second)
	first.version = oldScores
	if err := r.do(first); err != nil {
		return err
	}
	files := ok("list_files", time.Second)
	files.output, files.version = scoreFiles, oldScores
	if err := r.do(files); err != nil {
		return err
	}
	r.elements("score_file", len(scoreFiles))
	for i, f := range scoreFiles {
		s := ok("score_file", 20*time.Second)
		s.mapIndex, s.name = i, f
		if err := r.do(s); err != nil {
			return err
		}
	}
	rates := ok("wait_for_rates", 2*time.Second)
	rates.output = Rates
	choice := ok("is_doubtful", 100*time.Millisecond)
	choice.output = map[string]any{"taken": doubtful, "value": 117}
	for _, s := range []step{rates, ok("stop_cluster", 8*time.Second), ok("sum_up", 2*time.Second), choice} {
		if err := r.do(s); err != nil {
			return err
		}
	}
	return nil
}

// published is a day whose scores a person let through.
func (p *player) published() error {
	r, err := p.scheduled(Scores, day(4, 3), day(3, 3))
	if err != nil {
		return err
	}
	if err := r.summedUp("no"); err != nil {
		return err
	}
	if err := r.decide(engine.Skipped, "is_doubtful went no", "deep_check"); err != nil {
		return err
	}
	if err := r.do(ok("quick_check", 5*time.Second)); err != nil {
		return err
	}
	join := ok("checked", 50*time.Millisecond)
	join.output = map[string]any{"taken": "quick_check", "value": 117}
	if err := r.do(join); err != nil {
		return err
	}
	if err := r.ask(false); err != nil {
		return err
	}
	given := ok("release", 0)
	given.output = engine.Answer[Decision]{Choice: Publish, By: "ada", At: r.at}
	out := ok("publish", 3*time.Second)
	out.extra = []byte(`{"rows":41622}`)
	for _, s := range []step{given, out} {
		if err := r.do(s); err != nil {
			return err
		}
	}
	if err := p.control.NoteRun(p.ctx, Scores, r.runID, "Rates came late; treasury knows (see TR-118).", "ada"); err != nil {
		return err
	}
	if err := p.control.NoteTask(p.ctx, Scores, r.runID, "score_file", 2, "Slow since the partition was split", "grace"); err != nil {
		return err
	}
	return r.end(engine.RunSuccess, 0)
}

// ask asks whether to publish; open: nobody has answered yet.
func (r *play) ask(open bool) error {
	k := engine.TaskKey{Run: r.key, Task: "release", MapIndex: -1}
	due := r.at.Add(12 * time.Hour)
	q := engine.QuestionRow{TaskKey: k, Text: "117 of 41,622 payments look doubtful. Publish the scores of this day?", Answers: []string{string(Publish), string(Withhold), string(Escalate)},
		Default: string(Withhold), AskedAt: r.at, DueAt: &due}
	c := engine.RunChange{Ask: []engine.QuestionRow{q}, Timers: []engine.Timer{{TaskKey: k, Kind: engine.TimerGiveUp, DueAt: due}}}
	if open {
		in := r.instance(k)
		in.State, in.Try, in.Poked = engine.AwaitingInput, 1, true
		return r.change(c)
	}
	if err := r.change(c); err != nil {
		return err
	}
	return r.change(engine.RunChange{Unask: []engine.TaskKey{k}, Untimers: c.Timers})
}

// books are two days of which the first has not closed, so that the second waits for it; and a report that is waited for.
func (p *player) books() error {
	r, err := p.scheduled(Ledger, day(4, 0), day(3, 0))
	if err != nil {
		return err
	}
	for _, s := range []step{ok("import_rates", time.Second), ok("close_books", 4*time.Second)} {
		if err := r.do(s); err != nil {
			return err
		}
	}
	row, err := p.control.Trigger(p.ctx, engine.TriggerRequest{DAG: Report, RunID: "triggered_by_ledger", By: Ledger + "/" + r.runID + "/report"})
	if err != nil {
		return err
	}
	k := engine.TaskKey{Run: r.key, Task: "report", MapIndex: -1}
	in := r.instance(k)
	in.State, in.Try = engine.Deferred, 1
	return r.change(engine.RunChange{Waits: []engine.Wait{{TaskKey: k, Kind: engine.WaitRun, DAG: Report, RunID: row.RunID, Since: r.at, Reason: fmt.Sprintf("waits for the end of run %s of %s", row.RunID, Report)}},
		Timers: []engine.Timer{{TaskKey: k, Kind: engine.TimerGiveUp, DueAt: Now.Add(time.Hour)}}})
}

// digested is a run that the updates of assets triggered.
func (p *player) digested() error {
	events, err := p.store.PendingAssets(p.ctx, []string{Digest})
	if err != nil {
		return err
	}
	var ids []int64
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	key, err := p.store.CreateAssetRun(p.ctx, engine.NewRun{DAG: Digest, RunID: "asset_triggered__2026-03-07T03:05:00+00:00", Type: engine.AssetRun, TriggeredBy: "assets", Params: []byte("{}")}, ids)
	if err != nil {
		return err
	}
	r, err := p.begin(Digest, key, day(3, 4))
	if err != nil {
		return err
	}
	for _, s := range []step{ok("read_scores", 12*time.Second), ok("send_digest", time.Second)} {
		if err := r.do(s); err != nil {
			return err
		}
	}
	if err := r.end(engine.RunSuccess, 0); err != nil {
		return err
	}
	p.set(day(1, 20))
	if err := p.control.UpdateAsset(p.ctx, Rates, []byte(`{"from":"the bank's mail"}`), "grace"); err != nil {
		return err
	}
	return nil
}

// closing are two days of books: the first could not be closed, and the second waits for it.
func (p *player) closing() error {
	for _, back := range []int{3, 2} {
		b, err := p.scheduled(Ledger, day(back, 0), day(1, 24-back))
		if err != nil {
			return err
		}
		if err := b.do(ok("import_rates", time.Second)); err != nil {
			return err
		}
		if back == 3 {
			if err := b.do(bad("close_books", "debits and credits differ by 0.01 EUR")); err != nil {
				return err
			}
			if err := b.decide(engine.UpstreamFailed, "close_books failed", "report"); err != nil {
				return err
			}
			if err := b.end(engine.RunFailed, 1); err != nil {
				return err
			}
			continue
		}
		k := engine.TaskKey{Run: b.key, Task: "close_books", MapIndex: -1}
		b.instance(k).State = engine.Scheduled
		if err := b.change(engine.RunChange{Waits: []engine.Wait{{TaskKey: k, Kind: engine.WaitPast, DAG: Ledger, Since: b.at, Reason: "depends on past: the run before this one has not got as far"}}}); err != nil {
			return err
		}
	}
	return nil
}

// doubtful is a day that waits for a person.
func (p *player) doubtful() error {
	r, err := p.scheduled(Scores, day(3, 3), day(1, 21))
	if err != nil {
		return err
	}
	if err := r.summedUp("yes"); err != nil {
		return err
	}
	if err := r.decide(engine.Skipped, "is_doubtful went yes", "quick_check"); err != nil {
		return err
	}
	join := ok("checked", 50*time.Millisecond)
	join.output = map[string]any{"taken": "deep_check", "value": 117}
	for _, s := range []step{ok("deep_check", 3*time.Minute), join} {
		if err := r.do(s); err != nil {
			return err
		}
	}
	return r.ask(true)
}

// scoring is a day under way: two files are being scored, two wait for their pool, and the rates are not there.
func (p *player) scoring() error {
	r, err := p.scheduled(Scores, day(2, 3), Now.Add(-10*time.Minute))
	if err != nil {
		return err
	}
	files := ok("list_files", time.Second)
	files.output = scoreFiles
	for _, s := range []step{ok("start_cluster", 42*time.Second), files} {
		if err := r.do(s); err != nil {
			return err
		}
	}
	r.elements("score_file", len(scoreFiles))
	for i, f := range scoreFiles {
		k := engine.TaskKey{Run: r.key, Task: "score_file", MapIndex: i}
		if i >= 2 {
			in := r.instance(k)
			in.State, in.Try = engine.Queued, 1
			if err := r.change(engine.RunChange{Enqueue: []engine.QueueItem{{TaskKey: k, DAG: Scores, Try: 1, Queue: engine.DefaultQueue, Pool: "warehouse", Slots: 2}}}); err != nil {
				return err
			}
			continue
		}
		s := ok("score_file", time.Minute)
		s.mapIndex, s.name, s.state, s.log = i, f, engine.Running, []string{"reading " + f}
		if err := r.do(s); err != nil {
			return err
		}
	}
	k := engine.TaskKey{Run: r.key, Task: "wait_for_rates", MapIndex: -1}
	in := r.instance(k)
	in.State, in.Try, in.Poked = engine.UpForReschedule, 1, true
	return r.change(engine.RunChange{Timers: []engine.Timer{{TaskKey: k, Kind: engine.TimerPoke, DueAt: Now.Add(3*time.Minute + 20*time.Second)}, {TaskKey: k, Kind: engine.TimerGiveUp, DueAt: Now.Add(2 * time.Hour)}}})
}

// held is a day that waits for the stream.
func (p *player) held() error {
	start, end, limit := day(1, 3), Now.Add(-time.Minute), Now.Add(6*time.Hour)
	p.set(end)
	_, err := p.store.CreateRuns(p.ctx, []engine.NewRun{{DAG: Scores, RunID: "scheduled__" + start.Format("2006-01-02T15:04:05+00:00"), Type: engine.ScheduledRun, Logical: &start, Start: &start, End: &end,
		Params: json.RawMessage("{}"), Hold: &engine.Hold{Stream: "bronze_ingest", Passed: Now.Add(4 * time.Minute).Truncate(time.Minute), Limit: &limit}}})
	return err
}
