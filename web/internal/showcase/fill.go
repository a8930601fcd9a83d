package showcase

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/tidemill/tidemill/engine"
)

// Now is the moment of the pictures; Registered is when the DAGs were first registered.
var (
	Registered = time.Date(2026, 2, 17, 9, 30, 0, 0, time.UTC)
	Now        = time.Date(2026, 3, 10, 2, 2, 10, 0, time.UTC)
)

// Fill writes some weeks of history into an empty store. set moves the store's clock, forwards only; at the end it stands
// at [Now]. It returns a control over the store.
func Fill(ctx context.Context, store engine.Store, set func(time.Time)) (*engine.Control, error) {
	catalog, err := Catalog()
	if err != nil {
		return nil, err
	}
	set(Registered)
	p := &player{ctx: ctx, store: store, set: set, control: engine.NewControl(store, catalog, "3f14f7d")}
	for _, f := range []func() error{p.register, p.history, p.backfill, p.audits, p.reports, p.stream, p.today} {
		if err := f(); err != nil {
			return nil, err
		}
	}
	set(Now)
	return p.control, p.beat()
}

// FillNone leaves a store as it is found, with no DAG in it, at [Now].
func FillNone(_ context.Context, store engine.Store, set func(time.Time)) (*engine.Control, error) {
	set(Now)
	catalog, err := engine.Compile()
	return engine.NewControl(store, catalog, "3f14f7d"), err
}

func (p *player) register() error {
	var records []engine.DAGRecord
	for _, id := range p.control.Catalog().IDs() {
		d, _ := p.control.Catalog().DAG(id)
		records = append(records, engine.DAGRecord{ID: id, Version: d.Version, Build: "3f14f7d", Spec: d.Known(), MaxActiveRuns: d.Spec.MaxActiveRuns})
	}
	if _, err := p.store.Register(p.ctx, records); err != nil {
		return err
	}
	if err := p.store.RegisterStreams(p.ctx, []engine.StreamRecord{{Name: "bronze_ingest", Replicas: 1, Doc: "Kafka topic transactions into the lake"}}); err != nil {
		return err
	}
	var err error
	p.worker, err = p.store.Join(p.ctx, engine.WorkerInfo{Name: "mill-1:4711", Build: "3f14f7d", Kind: "serve", Slots: 32, Queues: []string{"default"}, DAGs: p.control.Catalog().IDs(), Streams: []string{"bronze_ingest"}})
	return err
}

// history is the scheduled runs of three weeks.
func (p *player) history() error {
	for day := Registered.Truncate(24 * time.Hour).Add(2 * time.Hour); day.Before(Now.Add(-48 * time.Hour)); day = day.AddDate(0, 0, 1) {
		r, err := p.scheduled(Daily, day, day.AddDate(0, 0, 1))
		if err != nil {
			return err
		}
		if err := r.day(day); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) scheduled(dag string, start, end time.Time) (*play, error) {
	p.set(end)
	created, err := p.store.CreateRuns(p.ctx, []engine.NewRun{{DAG: dag, RunID: "scheduled__" + start.Format("2006-01-02T15:04:05+00:00"), Type: engine.ScheduledRun, Logical: &start, Start: &start, End: &end, Params: []byte("{}")}})
	if err != nil {
		return nil, err
	}
	return p.begin(dag, created[0].Key, end.Add(2*time.Second))
}

// day plays a day of daily_transactions; some days go wrong.
func (r *play) day(day time.Time) error {
	n := day.YearDay()
	if err := r.loaded(day); err != nil {
		return err
	}
	if n%9 == 4 { // a model fails for good
		for try := 1; try <= 3; try++ {
			s := r.dbtRun(func(i int) engine.State {
				switch {
				case i == 6:
					return engine.Failed
				case i > 6 && i < 8:
					return engine.Skipped
				}
				return engine.Success
			})
			s.state, s.ending, s.err, s.output = engine.UpForRetry, engine.EndFailed, "dbt run: 1 of 9 models failed: fct_transactions: Database Error: numeric field overflow", nil
			if try == 3 {
				s.state = engine.Failed
			}
			if err := r.do(s); err != nil {
				return err
			}
			r.at = r.at.Add(time.Duration(try*5) * time.Minute)
		}
		if err := r.decide(engine.UpstreamFailed, "dbt_run failed", "dbt_test", "quality_metrics"); err != nil {
			return err
		}
		return r.end(engine.RunFailed, 1)
	}
	if err := r.do(r.dbtRun(func(int) engine.State { return engine.Success })); err != nil {
		return err
	}
	tests := step{task: "dbt_test", mapIndex: -1, takes: 21 * time.Second, state: engine.Success, ending: engine.EndSuccess, output: Tested{Tests: len(Tests), Warnings: []string{}},
		nodes: nodes("dbt_test", Tests, func(int) engine.State { return engine.Success }, r.at), log: []string{"12 of 12 tests passed"}, kept: foundRows()}
	if err := r.do(tests); err != nil {
		return err
	}
	if err := r.do(step{task: "quality_metrics", mapIndex: -1, takes: 2300 * time.Millisecond, state: engine.Success, ending: engine.EndSuccess, output: Metrics{day.Format(time.DateOnly), 0.0031, 12}, log: []string{"metrics written"}}); err != nil {
		return err
	}
	return r.end(engine.RunSuccess, 0)
}

// loaded plays the first two tasks.
func (r *play) loaded(day time.Time) error {
	if err := r.do(step{task: "check_data_freshness", mapIndex: -1, takes: 700 * time.Millisecond, state: engine.Success, ending: engine.EndSuccess, output: Freshness{NewestFile: r.at.Add(-4 * time.Minute), AgeMinutes: 4, Watermark: r.at.Add(-3 * time.Minute)},
		log: []string{"newest file is 4 minutes old", "the stream has passed the day's end"}}); err != nil {
		return err
	}
	load := step{task: "load_to_postgres", mapIndex: -1, takes: time.Duration(48+day.YearDay()%17) * time.Second, state: engine.Success, ending: engine.EndSuccess, output: Loaded{Files: 14, Rows: 41230 + 97*day.YearDay(), Duplicates: 391, Rejected: 2},
		log: []string{"14 files of day " + day.Format(time.DateOnly), "committed 10000 rows", "committed 20000 rows", "committed 30000 rows", "loaded; 391 duplicates left out, 2 rows rejected"}}
	if day.YearDay()%5 == 1 {
		bad := load
		bad.state, bad.ending, bad.err, bad.output, bad.takes = engine.UpForRetry, engine.EndFailed, "load: connection reset by peer (SQLSTATE 08006)", nil, 12*time.Second
		bad.log = []string{"14 files", "committed 10000 rows", "ERROR connection reset by peer"}
		if err := r.do(bad); err != nil {
			return err
		}
		r.at = r.at.Add(5 * time.Minute)
	}
	return r.do(load)
}

func (r *play) dbtRun(state func(int) engine.State) step {
	return step{task: "dbt_run", mapIndex: -1, takes: 34 * time.Second, state: engine.Success, ending: engine.EndSuccess, output: Built{Models: len(Models), Rows: map[string]int{"fct_transactions": 41622, "fct_daily_revenue": 218}},
		nodes: nodes("dbt_run", modelNames(), state, r.at), log: []string{"Running with dbt=1.11.2", "Found 9 models, 12 data tests, 1 source", "1 of 9 OK created sql view model staging.stg_transactions", "7 of 9 OK created sql incremental model gold.fct_transactions"}, kept: compiled()}
}

// backfill runs a week from before the registration: four days are done, one waits to be retried, the rest is queued.
func (p *player) backfill() error {
	from, to, err := engine.ParseRange("2026-02-09", "2026-02-15", time.UTC)
	if err != nil {
		return err
	}
	p.set(Now.Add(-26 * time.Hour))
	plan, err := p.control.Backfill(p.ctx, engine.BackfillRequest{DAG: Daily, BackfillOrder: engine.BackfillOrder{BackfillRange: engine.BackfillRange{From: from, To: to}, MaxActiveRuns: 1, Reprocess: engine.ReprocessNone}, By: "ui"}, false)
	if err != nil {
		return err
	}
	rows, _, err := p.store.Runs(p.ctx, engine.RunFilter{Backfill: plan.ID, OrderBy: "logical"})
	if err != nil {
		return err
	}
	at := Now.Add(-25 * time.Hour)
	for _, row := range rows[:4] {
		r, err := p.begin(Daily, row.Key, at)
		if err != nil {
			return err
		}
		if err := r.day(*row.Logical); err != nil {
			return err
		}
		at = r.at.Add(time.Minute)
	}
	return p.control.PauseBackfill(p.ctx, plan.ID, true, "grace")
}

// audits are hourly runs with a mapped task, one of them with a gap.
func (p *player) audits() error {
	for i := range 6 {
		start := Now.Truncate(time.Hour).Add(time.Duration(i-8) * time.Hour)
		r, err := p.scheduled(Audit, start, start.Add(time.Hour))
		if err != nil {
			return err
		}
		if err := r.do(step{task: "list_partitions", mapIndex: -1, takes: 400 * time.Millisecond, state: engine.Success, ending: engine.EndSuccess, output: []int{0, 1, 2, 3, 4, 5}, log: []string{"6 partitions"}}); err != nil {
			return err
		}
		mapped := &r.states.Tasks[r.index("check.audit_partition")]
		mapped.Mapped, mapped.Instances = true, make([]engine.Instance, 6)
		for j := range 6 {
			mapped.Instances[j].State = engine.None
		}
		failed := 0
		for j := range 6 {
			s := step{task: "check.audit_partition", mapIndex: j, takes: 4 * time.Second, state: engine.Success, ending: engine.EndSuccess, output: fmt.Sprintf("partition %d: no gap", j), log: []string{"reading the commit log"}}
			if i == 3 && j == 4 {
				s.state, s.ending, s.output, s.err = engine.Failed, engine.EndFailed, nil, "partition 4: offsets 118204 to 118209 are in no file"
				failed++
			}
			if err := r.do(s); err != nil {
				return err
			}
		}
		if err := r.do(step{task: "check.compare_heads", mapIndex: -1, takes: time.Second, state: engine.Success, ending: engine.EndSuccess}); err != nil {
			return err
		}
		state := engine.RunSuccess
		if failed > 0 {
			state = engine.RunFailed
			err = r.decide(engine.UpstreamFailed, "check.audit_partition failed", "summarise")
		} else {
			err = r.do(step{task: "summarise", mapIndex: -1, takes: 300 * time.Millisecond, state: engine.Success, ending: engine.EndSuccess})
		}
		if err != nil {
			return err
		}
		if err := r.end(state, failed); err != nil {
			return err
		}
	}
	return nil
}

// reports is a DAG that is paused, with a manual run that has a note.
func (p *player) reports() error {
	row, err := p.control.Trigger(p.ctx, engine.TriggerRequest{DAG: Report, Params: []byte(`{"currency":"EUR","days":30}`), Note: "For the board meeting", By: "ui"})
	if err != nil {
		return err
	}
	r, err := p.begin(Report, row.Key, Now.Add(-2*time.Hour))
	if err != nil {
		return err
	}
	if err := r.do(step{task: "select_rows", mapIndex: -1, takes: 9 * time.Second, state: engine.Success, ending: engine.EndSuccess, output: 30, log: []string{"selecting"}}); err != nil {
		return err
	}
	if err := r.decide(engine.Skipped, "nothing above the threshold", "render"); err != nil {
		return err
	}
	if err := r.end(engine.RunSuccess, 0); err != nil {
		return err
	}
	return p.control.SetPaused(p.ctx, Report, true, "ada")
}

// today's run is on its way: dbt is building models.
func (p *player) today() error {
	day := Now.Truncate(24*time.Hour).AddDate(0, 0, -1).Add(2 * time.Hour)
	r, err := p.scheduled(Daily, day, day.AddDate(0, 0, 1))
	if err != nil {
		return err
	}
	if err := r.loaded(day); err != nil {
		return err
	}
	s := r.dbtRun(func(i int) engine.State {
		switch {
		case i < 4:
			return engine.Success
		case i < 6:
			return engine.Running
		}
		return engine.None
	})
	s.state = engine.Running
	return r.do(s)
}

func (p *player) stream() error {
	l, ok, err := p.store.ClaimStream(p.ctx, "bronze_ingest", p.worker, uuid.New())
	if err != nil || !ok {
		return fmt.Errorf("claim the stream: %t %w", ok, err)
	}
	progress, err := json.Marshal(map[string]any{
		"at": Now, "topic_id": "k3J9xQ", "lag": 128, "entry": 5123, "batch_offsets": 4096, "batch_duration": 2_140_000_000, "rows": 18_204_551, "watermark": Now.Add(-3 * time.Second),
		"dead_letters": map[string]int{"amount": 14, "json": 3},
		"partitions":   []map[string]any{{"partition": 0, "next_offset": 3034092, "end_offset": 3034140, "lag": 48}, {"partition": 1, "next_offset": 3034101, "end_offset": 3034141, "lag": 40}, {"partition": 2, "next_offset": 3033999, "end_offset": 3034039, "lag": 40}},
	})
	if err != nil {
		return err
	}
	_, _, err = p.store.BeatStream(p.ctx, l, progress)
	return err
}

func (p *player) beat() error {
	_, err := p.store.Beat(p.ctx, engine.Beat{Worker: p.worker})
	return err
}
