package dags

import (
	"time"

	"github.com/tidemill/tidemill/engine"
)

// BronzeRetention drops the months of bronze.transactions that ended more than p.BronzeMonths whole months ago, every day at 05:00 UTC,
// after the day's load. The lake and Gold keep what they have.
func BronzeRetention(p Platform) *engine.DAG[engine.NoParams] {
	d := engine.New[engine.NoParams]("bronze_retention",
		engine.Doc("Drops the months of bronze.transactions that are older than TIDEMILL_BRONZE_MONTHS and wholly in Gold."),
		engine.Tags("payments", "warehouse"),
		engine.Schedule("0 5 * * *", "UTC"),
		engine.DefaultRetry(engine.Retry{Max: 2, Initial: 5 * time.Minute, Multiplier: 2}),
		engine.OnFailure(p.Alert))
	engine.After(d.Run(), "drop_old_months", p.Tasks.Retain(p.BronzeMonths))
	return d
}
