package postgres

import "github.com/tidemill/tidemill/engine"

// runColumns are those of a run that people and workers see: all but its states.
const runColumns = `r.id, r.dag_id, r.run_id, r.run_type, r.state, r.logical_date, r.interval_start, r.interval_end, r.params,
	r.version, r.backfill_id, r.position, r.triggered_by, r.note, r.priority, r.only_tasks, r.queued_at, r.started_at, r.ended_at,
	r.failed_tasks, r.deadline, r.ignore_past, r.hold`

// runTargets are where runColumns are scanned to.
func runTargets(r *engine.RunRow) []any {
	return []any{&r.Key, &r.DAG, &r.RunID, (*string)(&r.Type), (*string)(&r.State), &r.Logical, &r.Start, &r.End, &r.Params,
		&r.Version, &r.Backfill, &r.Order, &r.TriggeredBy, &r.Note, &r.Priority, &r.OnlyTasks, &r.QueuedAt, &r.StartedAt, &r.EndedAt,
		&r.FailedTasks, &r.Deadline, &r.IgnorePast, &r.Hold}
}

// typeRank orders the types of runs: those of a schedule or of assets before manual before backfill.
const typeRank = `CASE r.run_type WHEN 'scheduled' THEN 0 WHEN 'asset_triggered' THEN 0 WHEN 'manual' THEN 1 ELSE 2 END`
