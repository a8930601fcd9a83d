package showcase

import (
	"strings"

	"github.com/tidemill/tidemill/engine"
)

// lineage is the data of daily_transactions: from the sources by models and tests to Gold and those who read it.
func lineage() []engine.LineageNode {
	out := []engine.LineageNode{
		{ID: "source.bronze.transactions", Name: "bronze.transactions", Kind: "source", Doc: "One row per event, as the load brought it."},
		{ID: "source.bronze.merchants", Name: "bronze.merchants", Kind: "source"},
		{ID: "seed.rates", Name: "rates", Kind: "seed", Doc: "Exchange rates to the euro."},
	}
	from := map[string]string{"stg_transactions": "source.bronze.transactions", "stg_merchants": "source.bronze.merchants", "stg_rates": "seed.rates"}
	for _, m := range Models {
		n := engine.LineageNode{ID: uniqueID("dbt_run", m[0]), Name: m[0], Kind: "model", Task: "dbt_run_" + m[0]}
		for _, up := range append([]string{m[1]}, more[m[0]]...) {
			if up != "" {
				n.Upstream = append(n.Upstream, uniqueID("dbt_run", up))
			}
		}
		if up := from[m[0]]; up != "" {
			n.Upstream = []string{up}
		}
		out = append(out, n)
	}
	for _, t := range Tests {
		n := engine.LineageNode{ID: uniqueID("dbt_test", t), Name: t, Kind: "test", Task: "dbt_test_" + t}
		for _, m := range Models {
			if strings.Contains(t, m[0]) {
				n.Upstream = []string{uniqueID("dbt_run", m[0])}
			}
		}
		if n.Upstream == nil {
			n.Upstream = []string{uniqueID("dbt_run", "fct_transactions"), uniqueID("dbt_run", "fct_daily_revenue")}
		}
		out = append(out, n)
	}
	return append(out, engine.LineageNode{ID: "exposure.report", Name: "Monthly report", Kind: "exposure", Doc: "What the board reads.",
		Upstream: []string{uniqueID("dbt_run", "fct_daily_revenue"), uniqueID("dbt_run", "dim_merchants")}})
}
