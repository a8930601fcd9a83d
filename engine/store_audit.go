package engine

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// AuditStore keeps what people have done. There is no method that only adds an entry: an entry is given with the change that it tells of (to
// the method that makes it, in [NewRun].Acts or in [RunChange].Acts) and stored in that change's transaction, so that there is never one
// without the other. A change that fails, or that finds all as it was to be already, leaves none.
type AuditStore interface {
	// Audit returns the entries that fit, in the order asked for, and how many fit in all.
	Audit(ctx context.Context, f AuditFilter) ([]AuditEntry, int, error)
	// AuditEntry returns one. ErrNotFound when there is none of that id.
	AuditEntry(ctx context.Context, id int64) (AuditEntry, error)
	// PruneAudit deletes up to limit entries that are older than a time, the oldest first, and returns how many.
	PruneAudit(ctx context.Context, before time.Time, limit int, acts ...AuditEntry) (int, error)
}

// An AuditEntry tells what a person did.
type AuditEntry struct {
	ID       int64     // set by the store; of two changes one after the other the later has the higher
	At       time.Time // set by the store: when the change was made
	By       string    // who, or through what: ui, rest_api, cli; "": nobody said
	Event    string    // what, see the Act constants
	DAG      string    // "": of none
	RunID    string    // "": of none
	Task     string    // "": of none, or of several
	MapIndex int       // −1: not mapped, or all elements
	Try      int       // the instance's latest when it was done; 0: none
	Logical  *time.Time
	Extra    []byte // JSON object with the rest, without secrets; nil: none
}

// What people do, by the names that Airflow's audit log has for it. Those of streams and history are ours.
const (
	ActTriggerRun       = "trigger_dag_run"
	ActClearRun         = "clear_dag_run"
	ActMarkRun          = "patch_dag_run" // and its note
	ActClearTasks       = "post_clear_task_instances"
	ActMarkTask         = "patch_task_instance" // and its note
	ActAnswer           = "update_hitl_detail"
	ActPauseDAG         = "patch_dag" // and its unpausing
	ActCreatePool       = "post_pool"
	ActChangePool       = "patch_pool"
	ActDeletePool       = "delete_pool"
	ActCreateBackfill   = "create_backfill"
	ActPauseBackfill    = "pause_backfill"
	ActUnpauseBackfill  = "unpause_backfill"
	ActCancelBackfill   = "cancel_backfill"
	ActUpdateAsset      = "create_asset_event"
	ActDropPending      = "delete_dag_asset_queued_events"
	ActDropPendingOne   = "delete_dag_asset_queued_event"
	ActDropPendingAsset = "delete_asset_queued_events"
	ActPauseStream      = "pause_stream"
	ActUnpauseStream    = "resume_stream"
	ActPrune            = "prune_history"
)

// AuditFilter selects entries; zero fields select all.
type AuditFilter struct {
	DAG, RunID, Task, By string
	MapIndex             *int // of entries that name a task
	Try                  *int
	Events, NotEvents    []string
	After, Before        *time.Time // both excluded
	Match                []AuditMatch
	Limit, Offset        int
	// OrderBy: of "id", "when", "dag_id", "task_id", "run_id", "event", "logical_date", "owner", "extra"; a leading "-" turns one round.
	// Entries that are equal by these go by id, and without a logical date after those that have one. Any other is an error.
	OrderBy []string
}

// Check refuses a pattern that cannot be, with an [InvalidError] that names the field. Stores ask it.
func (m AuditMatch) Check() error {
	for _, p := range m.Patterns {
		escapes := len(p) - len(strings.TrimRight(p, `\`))
		if escapes%2 == 1 {
			return &InvalidError{Field: m.Field + " pattern", Message: fmt.Sprintf(`%q ends in a \ that takes nothing as it is; write \\ for a \`, p)}
		}
	}
	return nil
}

// An AuditMatch asks that a field of an entry is not empty and fits one of several patterns, as of SQL's LIKE: % is any text, _ one character,
// and \ takes the next as it is: a pattern does not end in one that is not taken itself.
type AuditMatch struct {
	Field    string // "dag_id", "run_id", "task_id", "owner" or "event"
	Patterns []string
	Fold     bool // upper and lower case are the same
}
