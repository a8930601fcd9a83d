package engine

import (
	"context"
	"time"
)

// BackfillStore keeps backfills. acts are what a change leaves in the audit log, see [AuditStore].
type BackfillStore interface {
	// CreateBackfill stores a backfill with its new runs in one transaction and returns its id. ErrConflict when it overlaps
	// an open one of the same DAG, both ends included. The engine clears what is to be reprocessed afterwards and sets its backfill id.
	CreateBackfill(ctx context.Context, b NewBackfill) (int64, []Created, error)
	// AdoptRuns makes existing runs part of a backfill (reprocessing).
	AdoptRuns(ctx context.Context, backfill int64, runs []int64) error
	// SetBackfillPaused pauses an open backfill, or lets it go on. ErrConflict when it has ended.
	SetBackfillPaused(ctx context.Context, id int64, paused bool, acts ...AuditEntry) error
	// EndBackfill sets its completion time, and cancelled with it. It is paused no more: a run of it that is cleared later can
	// start. ErrConflict when it has ended already: it stays as it ended, and of two who end it at once one is told so.
	EndBackfill(ctx context.Context, id int64, cancelled bool, acts ...AuditEntry) error
	// FinishBackfills ends the open backfills of which every run is over and returns their ids. A paused one stays open.
	FinishBackfills(ctx context.Context) ([]int64, error)
	Backfills(ctx context.Context, f BackfillFilter) ([]BackfillRow, int, error)
	Backfill(ctx context.Context, id int64) (BackfillRow, error)
}

// A NewBackfill is a backfill to be made.
type NewBackfill struct {
	DAG           string
	From, To      time.Time
	MaxActiveRuns int
	Backwards     bool
	Reprocess     string
	Params        []byte
	Tasks         []string
	TriggeredBy   string
	Paused        bool // until its finished runs that are to be reprocessed have been cleared
	Runs          []NewRun
	Acts          []AuditEntry
}

// A BackfillRow is how a backfill stands.
type BackfillRow struct {
	ID            int64
	DAG           string
	From, To      time.Time
	MaxActiveRuns int
	Backwards     bool
	Reprocess     string
	Params        []byte
	Tasks         []string
	TriggeredBy   string
	Paused        bool
	Cancelled     bool
	CreatedAt     time.Time
	UpdatedAt     time.Time
	CompletedAt   *time.Time
	Counts        map[RunState]int
}

// BackfillFilter selects backfills; zero fields select all.
type BackfillFilter struct {
	DAG           string
	Open          bool // not completed
	Limit, Offset int
}

// LogStore keeps the logs of attempts, readable from any process.
type LogStore interface {
	// AppendLog adds lines (NDJSON, each ending in a newline) to the log of an attempt.
	AppendLog(ctx context.Context, chunks []LogChunk) error
	// ReadLog returns chunks after a position (0: from the start), in order, up to about limit bytes.
	ReadLog(ctx context.Context, key TaskKey, try int, after int64, limit int) ([]LogChunk, error)
}

// A LogChunk is a piece of an attempt's log.
type LogChunk struct {
	TaskKey
	Try   int
	Seq   int64 // position, rising, set by the store
	Lines []byte
}
