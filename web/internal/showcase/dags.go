// Package showcase fills a store with what a payments platform looks like after some weeks: for tests of the web and for
// pictures of it. Its DAGs have the shape of the reference pipeline; their bodies do nothing.
package showcase

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// The ids of the DAGs.
const (
	Daily  = "daily_transactions"
	Audit  = "bronze_audit"
	Report = "merchant_report"
)

// Freshness, Loaded, Built, Tested and Metrics are what the tasks of [Daily] hand on.
type (
	Freshness struct {
		NewestFile time.Time `json:"newest_file"`
		AgeMinutes int       `json:"age_minutes"`
		Watermark  time.Time `json:"watermark"`
	}
	Loaded struct {
		Files      int `json:"files"`
		Rows       int `json:"rows_loaded"`
		Duplicates int `json:"rows_duplicate"`
		Rejected   int `json:"rows_rejected"`
	}
	Built struct {
		Models int            `json:"models"`
		Rows   map[string]int `json:"rows"`
	}
	Tested struct {
		Tests    int      `json:"tests"`
		Warnings []string `json:"warnings"`
	}
	Metrics struct {
		Day       string  `json:"day"`
		FraudRate float64 `json:"fraud_rate"`
		Late      int     `json:"late_rows"`
	}
)

// ReportParams are the params of [Report].
type ReportParams struct {
	Currency  string   `json:"currency" doc:"ISO 4217, such as EUR"`
	Days      int      `json:"days" doc:"How many days back"`
	Threshold float64  `json:"threshold" doc:"Smallest amount that is listed"`
	Deep      bool     `json:"deep" doc:"Read Bronze too"`
	Merchants []string `json:"merchants" doc:"Only these"`
}

// Validate implements the check of params.
func (p ReportParams) Validate() error {
	if p.Days < 0 || p.Days > 366 {
		return errors.New("days is at most 366")
	}
	return nil
}

// Models are the dbt models with what each reads.
var Models = [][2]string{
	{"stg_transactions", ""}, {"stg_merchants", ""}, {"stg_rates", ""},
	{"int_settled", "stg_transactions"}, {"int_refunds", "stg_transactions"}, {"int_converted", "stg_rates"},
	{"fct_transactions", "int_settled"}, {"fct_daily_revenue", "fct_transactions"}, {"dim_merchants", "stg_merchants"},
}

// more are further edges between models.
var more = map[string][]string{"fct_transactions": {"int_refunds", "int_converted"}, "int_converted": {"stg_transactions"}, "fct_daily_revenue": {"dim_merchants"}}

// Tests are the dbt tests.
var Tests = []string{
	"not_null_stg_transactions_transaction_id", "not_null_stg_transactions_event_time", "accepted_values_stg_transactions_status", "unique_fct_transactions_transaction_id",
	"not_null_fct_transactions_amount", "relationships_fct_transactions_merchant_id", "not_null_fct_daily_revenue_day", "unique_combination_fct_daily_revenue",
	"assert_revenue_matches_transactions", "assert_no_pending_older_than_3_days", "unique_dim_merchants_merchant_id", "not_null_int_settled_settled_at",
}

func models() []engine.VirtualSpec {
	var out []engine.VirtualSpec
	for _, m := range Models {
		v := engine.VirtualSpec{ID: "dbt_run_" + m[0], Upstream: upstream(m)}
		out = append(out, v)
	}
	return out
}

func upstream(m [2]string) []string {
	var up []string
	if m[1] != "" {
		up = append(up, "dbt_run_"+m[1])
	}
	for _, u := range more[m[0]] {
		up = append(up, "dbt_run_"+u)
	}
	return up
}

func tests() []engine.VirtualSpec {
	var out []engine.VirtualSpec
	for _, t := range Tests {
		out = append(out, engine.VirtualSpec{ID: "dbt_test_" + t})
	}
	return out
}

type run = engine.Run[engine.NoParams]

// Catalog compiles the DAGs.
func Catalog() (*engine.Catalog, error) {
	return engine.Compile(daily(), audit(), report())
}

func daily() engine.AnyDAG {
	d := engine.New[engine.NoParams](Daily, engine.Schedule("0 2 * * *", "UTC"), engine.Catchup(),
		engine.Doc("Loads a day of payments from the lake into PostgreSQL, builds and tests Gold with dbt, and records the day's quality."),
		engine.Tags("payments", "gold"), engine.Owners("data-platform"), engine.Deadline(time.Hour),
		engine.DefaultRetry(engine.Retry{Max: 2, Initial: 5 * time.Minute, Multiplier: 2}))
	fresh := engine.After(d.Run(), "check_data_freshness", func(context.Context, run) (Freshness, error) { return Freshness{AgeMinutes: 4}, nil })
	loaded := engine.After(fresh, "load_to_postgres", func(context.Context, Freshness) (Loaded, error) { return Loaded{Rows: 1}, nil })
	built := engine.After(loaded, "dbt_run", func(context.Context, Loaded) (Built, error) { return Built{Models: len(Models)}, nil }, engine.Virtual(models), engine.Lineage(lineage))
	tested := engine.After(built, "dbt_test", func(context.Context, Built) (Tested, error) { return Tested{Tests: len(Tests)}, nil }, engine.Virtual(tests))
	engine.After2(loaded, tested, "quality_metrics", func(context.Context, Loaded, Tested) (Metrics, error) { return Metrics{}, nil })
	return d
}

func audit() engine.AnyDAG {
	d := engine.New[engine.NoParams](Audit, engine.Schedule("@hourly", "Europe/Zurich"), engine.Doc("Proves partition by partition that every offset is accounted for."), engine.Tags("lake"))
	list := engine.After(d.Run(), "list_partitions", func(context.Context, run) ([]int, error) { return []int{0, 1, 2, 3, 4, 5}, nil })
	check := engine.NewGroup(d.Run(), "check")
	audited := engine.Map(list, "audit_partition", func(_ context.Context, n int) (string, error) {
		if n == 4 {
			return "", engine.Permanent(errors.New("partition 4: offsets 118204 to 118209 are in no file"))
		}
		return fmt.Sprintf("partition %d: no gap", n), nil
	}, check)
	engine.Sink(list, "compare_heads", func(context.Context, []int) error { return nil }, check)
	engine.Sink(audited, "summarise", func(context.Context, []string) error { return nil })
	return d
}

func report() engine.AnyDAG { return reportDAG() }

func reportDAG() *engine.DAG[ReportParams] {
	d := engine.New[ReportParams](Report, engine.Doc("Revenue by merchant, on request."), engine.Tags("gold", "on-demand"), engine.Owners("finance"))
	rows := engine.After(d.Run(), "select_rows", func(ctx context.Context, r engine.Run[ReportParams]) (int, error) {
		engine.Log(ctx).Info("selecting", "currency", r.Params.Currency, "days", r.Params.Days)
		return r.Params.Days, nil
	})
	engine.Sink(rows, "render", func(ctx context.Context, n int) error {
		engine.Log(ctx).Info("rendered", "days", n)
		return nil
	})
	return d
}

// Broken is a DAG of which one task fails, for tests of clearing and marking.
func Broken() engine.AnyDAG {
	d := engine.New[engine.NoParams]("broken")
	bad := engine.After(d.Run(), "bad", func(ctx context.Context, _ run) (json.Number, error) {
		engine.Log(ctx).Error("this one always fails", "reason", "boom")
		return "", errors.New("boom")
	})
	engine.Sink(bad, "below", func(context.Context, json.Number) error { return nil })
	return d
}
