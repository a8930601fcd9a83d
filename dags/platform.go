package dags

import (
	"context"
	"log/slog"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/daily"
	"github.com/tidemill/tidemill/tasks/dbt"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// A Platform is what the pipeline stands on: where its lake, its warehouse and its dbt project are.
type Platform struct {
	Tasks  daily.Tasks
	DBT    *dbt.Runner
	Ingest ingest.Config[payment.Row]
	Log    *slog.Logger
	// BronzeMonths is how many whole months of bronze BronzeRetention keeps, at least 1.
	BronzeMonths int
}

// Alert is the pipeline's callback for what a person should look at: one line of level ERROR. Webhooks carry the same event to
// whoever is on call.
func (p Platform) Alert(_ context.Context, e engine.CallbackEvent) error {
	p.Log.Error("needs a look", "event", e.Type, "dag", e.DAG, "run", e.Run, "task", e.Task, "try", e.Try, "state", e.State, "error", e.Error)
	return nil
}
