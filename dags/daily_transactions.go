package dags

import (
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/tasks/daily"
	"github.com/tidemill/tidemill/tasks/dbt"
)

// DailyTransactions makes Gold of a day's payments: every day at 02:00 UTC, and each missed day after an outage.
func DailyTransactions(p Platform) *engine.DAG[daily.Params] {
	d := engine.New[daily.Params]("daily_transactions",
		engine.Doc("A day of payments from the bronze lake to Gold: loaded, modelled and tested by dbt, measured, audited."),
		engine.Tags("payments", "gold"),
		engine.Schedule("0 2 * * *", "UTC"), engine.Catchup(),
		engine.DefaultRetry(engine.Retry{Max: 2, Initial: 5 * time.Minute, Multiplier: 2}), // 5 min, 10 min
		engine.DefaultTask(engine.OnFailure(p.Alert)),
		engine.Deadline(60*time.Minute), engine.OnDeadline(p.Alert), engine.OnFailure(p.Alert))

	fresh := engine.After(d.Run(), "check_data_freshness", p.Tasks.CheckFreshness)
	loaded := engine.After(fresh, "load_to_postgres", p.Tasks.Load)
	built := dbt.Run(loaded, p.DBT)  // one task instance per model: dbt_run_<model>
	tested := dbt.Test(built, p.DBT) // one per test: dbt_test_<test>
	measured := engine.After2(loaded, tested, "quality_metrics", p.Tasks.QualityMetrics)
	engine.After2(loaded, measured, "audit", p.Tasks.Audit)
	return d
}
