package showcase

import (
	"context"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// The ids of the DAGs that use what DAGs can have: waits, branches, questions, assets, pools.
const (
	Scores   = "fraud_scores"
	Digest   = "fraud_digest"
	Ledger   = "ledger_close"
	ScoresOf = "gold.fraud_scores"
	Rates    = "s3://treasury/fx_rates.parquet"
)

// A Decision is an answer to the question whether scores may be published.
type Decision string

// The decisions.
const (
	Publish  Decision = "publish"
	Withhold Decision = "withhold"
	Escalate Decision = "escalate"
)

// FeatureCatalog compiles the DAGs that use what DAGs can have.
func FeatureCatalog() (*engine.Catalog, error) {
	reported := reportDAG()
	return engine.Compile(scores(), digest(), ledger(reported), reported)
}

func scores() engine.AnyDAG {
	d := engine.New[engine.NoParams](Scores, engine.Schedule("0 3 * * *", "UTC"), engine.Catchup(), engine.AfterWatermark("bronze_ingest", 6*time.Hour), engine.Tags("fraud", "gold"), engine.Owners("risk"),
		engine.Doc("Scores a day of payments, asks a person before what is doubtful is published."), engine.MaxConsecutiveFailedRuns(5), engine.RunTimeout(4*time.Hour))
	cluster := engine.Setup(d.Run(), "start_cluster", func(context.Context, run) (string, error) { return "", nil })
	files := engine.After(cluster, "list_files", func(context.Context, string) ([]string, error) { return nil, nil })
	scored := engine.Map(files, "score_file", func(context.Context, string) (int, error) { return 0, nil }, engine.InPool("warehouse", 2),
		engine.ElementName(func(f string) string { return f }))
	rates := engine.Sensor(d.Run(), "wait_for_rates", engine.Poke{Every: 5 * time.Minute, Timeout: 3 * time.Hour}, func(context.Context, run) (string, bool, error) { return "", true, nil })
	summed := engine.After2(scored, rates, "sum_up", func(context.Context, []int, string) (int, error) { return 0, nil })
	yes, no := engine.If(summed, "is_doubtful", func(n int) bool { return n > 100 })
	deep := engine.After(yes, "deep_check", next, engine.InPool("warehouse"))
	quick := engine.After(no, "quick_check", next)
	checked := engine.First("checked", deep, quick)
	asked := engine.Approve(checked, "release", engine.Question[int, Decision]{Text: func(int) string { return "" }, Answers: []Decision{Publish, Withhold, Escalate}, Timeout: 12 * time.Hour, Default: Withhold})
	engine.After2(asked, engine.Optional(deep), "publish", func(context.Context, engine.Answer[Decision], engine.Opt[int]) (int, error) { return 0, nil }, engine.Updates(ScoresOf))
	engine.Teardown(cluster, "stop_cluster", func(context.Context, string) error { return nil }, engine.Covers(scored))
	return d
}

func digest() engine.AnyDAG {
	d := engine.New[engine.NoParams](Digest, engine.OnAssets(engine.All(engine.Asset(ScoresOf), engine.Any(engine.Asset(Rates), engine.Asset("manual_rates")))), engine.Doc("A page for the risk team whenever scores and rates are new."), engine.Owners("risk"))
	read := engine.After(d.Run(), "read_scores", nothing, engine.InPool("warehouse"))
	engine.After(read, "send_digest", next)
	return d
}

func ledger(reported *engine.DAG[ReportParams]) engine.AnyDAG {
	d := engine.New[engine.NoParams](Ledger, engine.Schedule("@daily", "UTC"), engine.Doc("Closes the books of a day after those of the day before."))
	rates := engine.After(d.Run(), "import_rates", nothing, engine.Updates(Rates))
	closed := engine.After(rates, "close_books", next, engine.DependsOnPast(), engine.InPool("ledger"))
	engine.TriggerDAG(closed, "report", reported, func(int) ReportParams { return ReportParams{} }, engine.AwaitRun(2*time.Hour))
	return d
}
