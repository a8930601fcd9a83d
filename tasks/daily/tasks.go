package daily

import (
	"context"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/warehouse"
	"github.com/tidemill/tidemill/tasks/dbt"
)

// Params are the params of a daily run.
type Params struct {
	// Day is the day that a run without a logical date is for, or that another run is for instead of its own.
	Day lake.Day `json:"day,omitempty" doc:"the UTC day to work on, such as 2024-01-05; default: that of the logical date"`
	// Partial takes the day as far as it has come: the check of freshness asks nothing.
	Partial bool `json:"partial,omitempty" doc:"work on the day as far as it has come, without asking whether the stream has passed its end"`
	// FullRefresh builds Gold from all of bronze, as dbt's --full-refresh does.
	FullRefresh bool `json:"full_refresh,omitempty" doc:"build Gold anew from all of bronze, by dbt --full-refresh"`
}

// ValidateRun asks for the day where a run's logical date does not tell it.
func (p Params) ValidateRun(logical *time.Time) error {
	if p.Day == "" && logical == nil {
		return errNoDay
	}
	return nil
}

// Validate checks the day.
func (p Params) Validate() error {
	if p.Day == "" {
		return nil
	}
	if _, err := lake.ParseDay(string(p.Day)); err != nil {
		return fmt.Errorf("day: %w", err)
	}
	return nil
}

// Tasks are the bodies; its fields are required.
type Tasks struct {
	Lake      *lake.Lake
	Warehouse *warehouse.Warehouse
	Now       func() time.Time
}

// Loaded is what the load yields.
type Loaded struct {
	Day   lake.Day             `json:"day"`
	RunID string               `json:"run_id"`
	Load  warehouse.LoadResult `json:"load"`
	// FullRefresh hands the run's param on.
	FullRefresh bool `json:"full_refresh,omitempty"`
}

// DBTVariables tells dbt the day and the run that it works for.
func (l Loaded) DBTVariables() map[string]string {
	return map[string]string{"TIDEMILL_DBT_DAY": string(l.Day), "TIDEMILL_DBT_RUN_ID": l.RunID}
}

// DBTFullRefresh tells dbt whether to build Gold anew.
func (l Loaded) DBTFullRefresh() bool { return l.FullRefresh }

var (
	_ dbt.Variables     = Loaded{}
	_ dbt.FullRefresher = Loaded{}
)

// Load brings every file of the lake up to the run's day that is not loaded yet into bronze.
func (t Tasks) Load(ctx context.Context, f Freshness) (Loaded, error) {
	info, ok := engine.Info(ctx)
	if !ok {
		return Loaded{}, fmt.Errorf("load: called outside a task")
	}
	result, err := t.Warehouse.Load(ctx, warehouse.Request{DAGID: info.DAG, RunID: info.RunID, TaskID: info.Task, Try: info.Try, LogicalDate: f.Logical, Day: f.Day})
	if err != nil {
		return Loaded{}, err
	}
	engine.Log(ctx).Info("loaded", "day", f.Day, "files", result.Files, "late_files", result.LateFiles, "rows_read", result.Attempt.Read,
		"rows_loaded", result.Attempt.Loaded, "rows_duplicate", result.Attempt.Duplicate, "rows_conflicting", result.Attempt.Conflicting,
		"rows_replaced", result.Attempt.Replaced, "rows_removed", result.Attempt.Removed, "rows_skipped", result.Attempt.Skipped,
		"rows_rejected", result.Attempt.Rejected)
	return Loaded{Day: f.Day, RunID: info.RunID, Load: result, FullRefresh: f.FullRefresh}, nil
}

// QualityMetrics measures the day as the run left it, in metadata.data_quality_metrics.
func (t Tasks) QualityMetrics(ctx context.Context, l Loaded, tested dbt.Tested) (warehouse.Metrics, error) {
	m, err := t.Warehouse.Quality(ctx, l.Day, l.RunID)
	if err != nil {
		return warehouse.Metrics{}, err
	}
	log := engine.Log(ctx)
	log.Info("quality", "day", l.Day, "rows", m.Rows, "duplicates", m.Duplicates, "dead_letters", m.DeadLetters, "late_rows", m.LateRows, "fraud_count", m.FraudCount)
	for _, name := range m.Unusual() {
		d := m.Baseline[name]
		log.Warn("a metric is out of the ordinary", "metric", name, "value", d.Value, "median", *d.Median, "days", d.Days, "score", *d.Score)
	}
	for _, w := range tested.Warnings {
		log.Warn("a dbt test warned", "test", w)
	}
	return m, nil
}

// Audit follows each record of the day from the lake to Gold, as the run left it, and fails for good where one is not what it should be
// or the books do not balance. What came in after the run has loaded, or is another run's to build, may wait.
func (t Tasks) Audit(ctx context.Context, l Loaded, _ warehouse.Metrics) (warehouse.DayAudit, error) {
	info, ok := engine.Info(ctx)
	if !ok {
		return warehouse.DayAudit{}, fmt.Errorf("audit: called outside a task")
	}
	a, err := t.Warehouse.AuditDay(ctx, warehouse.AuditRequest{Day: l.Day, DAGID: info.DAG, RunID: l.RunID, Through: l.Load.Through})
	if err != nil {
		return warehouse.DayAudit{}, err
	}
	log := engine.Log(ctx)
	for _, p := range a.Problems {
		log.Error("wrong", "where", p.Where, "what", p.String())
	}
	if !a.Sound() {
		return warehouse.DayAudit{}, engine.Permanent(fmt.Errorf("the audit of %s found %d things wrong, as %s; `tidemill audit --day %s` lists them", l.Day, a.Wrong, a.Problems[0], l.Day))
	}
	if n := a.Waiting(); n > 0 {
		log.Warn("records of the day wait for another run", "not_loaded", a.Unloaded.Records, "not_built", a.Unbuilt.Records, "not_taken_out", a.Unremoved.Records)
	}
	log.Info("audited", "day", l.Day, "lake", a.Lake.Records, "bronze", a.Bronze.Records, "duplicates", a.Duplicates.Records,
		"rejected", a.Rejected.Records, "gold", a.Gold.Records, "superseded", a.Superseded.Records)
	return a, nil
}

// Retain is the task that drops the months of bronze before the last ones, of which it keeps months whole ones.
func (t Tasks) Retain(months int) func(context.Context, engine.Run[engine.NoParams]) (warehouse.Retained, error) {
	return func(ctx context.Context, _ engine.Run[engine.NoParams]) (warehouse.Retained, error) {
		done, err := t.Warehouse.Retain(ctx, months, t.Now())
		log := engine.Log(ctx)
		for _, m := range done.Dropped {
			log.Info("dropped", "month", m.Month, "rows", m.Rows, "superseded", m.Superseded)
		}
		for _, m := range done.Waiting {
			log.Warn("a month waits: not all of its rows are in Gold yet", "month", m)
		}
		return done, err
	}
}
