package dags

import (
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/compact"
)

// LakeCompaction merges the small files of the lake's closed days, every day at 04:30 UTC, after the day's load. It is a DAG of its own: a lake
// that cannot be compacted is as right as before, and holds up nobody's Gold.
func LakeCompaction(p Platform) *engine.DAG[engine.NoParams] {
	d := engine.New[engine.NoParams]("lake_compaction",
		engine.Doc("Merges the small files of the lake's closed days into large ones, and collects those that were replaced."),
		engine.Tags("payments", "lake"),
		engine.Schedule("30 4 * * *", "UTC"),
		engine.DefaultRetry(engine.Retry{Max: 2, Initial: 5 * time.Minute, Multiplier: 2}),
		engine.OnFailure(p.Alert))
	engine.After(d.Run(), "compact_closed_days", compact.Task[payment.Row]{Lake: p.Ingest.Lake, Contract: payment.ContractVersion}.Run)
	return d
}
