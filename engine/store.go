package engine

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
)

// A Store is where the engine's state lives. storage/postgres is the one for production, enginetest.Store the one in
// memory; both pass enginetest.Conformance, which is the contract in executable form.
//
// A Store holds no rule: it locks, fences, persists and looks up. What follows from an event is decided by the engine's
// pure functions, inside [Store.Transition]. All methods may be called at once from many goroutines and processes. Each
// error is wrapped with what was being done; ErrNotFound and ErrConflict are recognisable with errors.Is.
type Store interface {
	Registry
	Dispatcher
	Outbox
	StreamStore
	BackfillStore
	AuditStore
	LogStore
	Reader
	// Now is the store's clock: the database's, or the virtual one.
	Now(ctx context.Context) (time.Time, error)
	// Close releases the store's connections.
	Close()
}

// Registry keeps which DAGs there are and which runs they have. acts are what a change leaves in the audit log, see [AuditStore].
type Registry interface {
	// Register makes or renews the records of DAGs, in one transaction, and returns how each stands now, in the order
	// given. A DAG seen for the first time gets RegisteredAt = now. A version seen for the first time is stored with its
	// Spec.
	Register(ctx context.Context, dags []DAGRecord) ([]DAGStatus, error)
	// SetPaused pauses or unpauses a DAG; one that is so already stays as it is, UnpausedAt included. ErrNotFound when there is none of that id.
	SetPaused(ctx context.Context, dag string, paused bool, acts ...AuditEntry) error
	// SetRunNote and SetTaskNote set what people have noted; "" takes a note away. ErrNotFound when there is no such run.
	SetRunNote(ctx context.Context, run int64, note, by string, acts ...AuditEntry) error
	SetTaskNote(ctx context.Context, key TaskKey, note, by string, acts ...AuditEntry) error
	// PruneRuns deletes up to limit runs that ended before a time, the oldest first, with all that hangs on them, and returns how many. Runs
	// of which something is still to be told stay, and of each DAG the newest run and the newest scheduled one: the next follow from those.
	PruneRuns(ctx context.Context, before time.Time, limit int, acts ...AuditEntry) (int, error)
	// PruneAssetEvents deletes up to limit events of assets that are older than a time, the oldest first, and returns how many. The newest
	// of each asset stays, and those that are pending or have triggered a run that there is.
	PruneAssetEvents(ctx context.Context, before time.Time, limit int, acts ...AuditEntry) (int, error)
	// SetPool makes or changes a pool; DeletePool takes it away. A pool that tasks name and that there is not has no slot.
	SetPool(ctx context.Context, p Pool, acts ...AuditEntry) error
	DeletePool(ctx context.Context, name string, acts ...AuditEntry) error
	// CreateRuns stores new runs as queued, all in one transaction, and answers for each, in order: its key, or Exists
	// with the key of the run that has its (DAG, logical date) or (DAG, run id) already.
	CreateRuns(ctx context.Context, runs []NewRun) ([]Created, error)
}

// Dispatcher is the queue, the leases and the transitions of runs.
type Dispatcher interface {
	// Join makes a row for a worker process and returns its id, never used before.
	Join(ctx context.Context, w WorkerInfo) (int64, error)
	// Beat raises the worker's counter and tells what became of its leases.
	Beat(ctx context.Context, b Beat) (BeatAnswer, error)
	// Leave deletes the worker's row. Leases that it still holds become orphans.
	Leave(ctx context.Context, worker int64) error
	// Bury deletes the rows of dead workers and ends what sessions they left in the database.
	Bury(ctx context.Context, workers []int64) error
	// Orphans returns up to limit leases whose worker has no row.
	Orphans(ctx context.Context, limit int) ([]Lease, error)

	// Claim leases ready tasks to a worker, at most Slots, none of a paused DAG. A worker without a row gets none (no error).
	Claim(ctx context.Context, c ClaimRequest) ([]Leased, error)
	// Ready returns those of the DAGs given that have tasks in these queues which nobody has claimed yet; not those that are paused.
	Ready(ctx context.Context, dags, queues []string) ([]string, error)
	// Transition is the only way to change a run, in one transaction: it locks t.Runs in ascending order in a statement of
	// its own, then ends t.Ends (deletes those queue rows that still carry their lease), then reads the runs and what is left of t.Timers,
	// t.Waits and t.Worker, calls t.Decide and stores what it returns. Decide may be called again when the transaction has to be repeated, so it
	// must not have effects. An error of Decide rolls all back and is returned as it is.
	Transition(ctx context.Context, t Transition) error
	// StartRuns picks up to limit queued runs of the DAGs given: not those of paused DAGs or paused backfills, not more
	// than each DAG's and backfill's limit of running runs allows (two processes never exceed it together), scheduled
	// before manual before backfill, then by order and key. It locks them, calls decide and stores what it returns, as in
	// Transition, in one transaction or several. It returns the number of runs it handed to decide; after an error those of the transactions
	// before.
	StartRuns(ctx context.Context, dags []string, limit int, decide Decide) (int, error)

	// DueTimers returns up to limit timers that are due by the store's clock, for runs of the DAGs given.
	DueTimers(ctx context.Context, dags []string, limit int) ([]Timer, error)
	// NextTimer returns when the next timer of these DAGs falls due; zero when there is none.
	NextTimer(ctx context.Context, dags []string) (time.Time, error)
	// Waits returns up to limit waits of the given kind that runs of these DAGs have, in the order of their keys, from after on. Of kind
	// WaitRun only those whose run has ended, or is not there.
	Waits(ctx context.Context, dags []string, kind WaitKind, after TaskKey, limit int) ([]DueWait, error)
	// HeldRuns returns up to limit queued runs of these DAGs that are held, oldest first, and Release lets one start.
	HeldRuns(ctx context.Context, dags []string, limit int) ([]RunRow, error)
	Release(ctx context.Context, run int64) error
	// PendingAssets returns, for each of these DAGs that is scheduled by assets, the events that it has not been run for, oldest first.
	PendingAssets(ctx context.Context, dags []string) ([]AssetEvent, error)
	// CreateAssetRun stores a run that these events of its DAG have triggered, in one transaction with taking them out of what is pending.
	// ErrConflict when one of them is not pending any more: nothing is stored then.
	CreateAssetRun(ctx context.Context, n NewRun, events []int64) (int64, error)
	// DropPending makes the events of an asset pending no more for a DAG, and returns how many were: those of before a time, or all when it is
	// zero. "" stands for every DAG and for every asset.
	DropPending(ctx context.Context, dag, asset string, before time.Time, acts ...AuditEntry) (int, error)

	// Idle returns up to limit runs of the DAGs given that are running and have nothing queued, leased, timed (but the run's own
	// timers), waiting or asked.
	Idle(ctx context.Context, dags []string, limit int) ([]int64, error)

	// Inputs returns, for each key in order, the latest successful attempt's output, or the latest end for Settled ones.
	Inputs(ctx context.Context, keys []InputKey) ([]Input, error)
	// NameElement stores the name of the element that a lease works on. ErrLostLease when it is not held any more.
	NameElement(ctx context.Context, lease Lease, name string) error
	// ReportVirtual stores the state of virtual nodes under their runner's lease. ErrLostLease when it is not held any
	// more: nothing is stored then.
	ReportVirtual(ctx context.Context, lease Lease, nodes []VirtualState) error
}

// A DAGRecord is what the store keeps of a DAG's definition.
type DAGRecord struct {
	ID            string
	Version       string
	Build         string
	Spec          Spec // Spec.Assets names the assets that schedule it
	MaxActiveRuns int
}

// A DAGStatus is how a DAG stands.
type DAGStatus struct {
	ID            string
	Version       string
	Paused        bool
	UnpausedAt    *time.Time // when it was last unpaused; nil: never
	RegisteredAt  time.Time
	LastScheduled *time.Time // logical date of the newest scheduled run; nil when there is none
	Spec          Spec
	MaxActiveRuns int
	SeenAt        time.Time // when a process last registered it
}

// A NewRun is a run to be made. Its State is queued.
type NewRun struct {
	DAG, RunID  string
	Type        RunType
	Logical     *time.Time // nil: a manual run without a logical date
	Start, End  *time.Time // data interval
	Params      []byte     // JSON object
	Version     string
	Backfill    int64 // 0: none
	Order       int   // within its backfill
	TriggeredBy string
	Note        string
	Priority    int
	Deadline    time.Duration // 0: none; a timer of kind TimerDeadline is set at queueing + Deadline
	OnlyTasks   []string      // a subset of tasks (backfill --tasks); nil: all
	IgnorePast  bool          // the first of a backfill: DependsOnPast does not hold it
	Hold        *Hold         // nil: it may start at once
	Acts        []AuditEntry  // stored when the run is made
}

// A Hold keeps a queued run from starting until a stream's watermark has passed a time.
type Hold struct {
	Stream string
	Passed time.Time  // the watermark that is asked for
	Limit  *time.Time // when the run fails if that has not come; nil: it waits for ever
}

// A DueWait is a wait to be looked at.
type DueWait struct {
	Wait
	Target RunState // of WaitRun: how that run ended; "" when there is none
}

// A Pool is a number of slots that tasks of any DAG share.
type Pool struct {
	Name        string
	Slots       int // 0: nothing of it runs
	Description string
}

// An AssetEvent says that an asset was updated.
type AssetEvent struct {
	ID       int64
	Asset    string
	At       time.Time
	DAG      string // that updated it; "" for a person
	Run      int64
	RunID    string
	Task     string
	MapIndex int
	Extra    []byte // JSON object; nil: none
	For      string // DAG for which it is pending, in an answer of PendingAssets
}

// Created answers for one NewRun.
type Created struct {
	Key    int64
	Exists bool
}

// A RunRow is a run as the store keeps it.
type RunRow struct {
	Key         int64
	DAG, RunID  string
	Type        RunType
	State       RunState
	Logical     *time.Time
	Start, End  *time.Time // data interval
	Params      []byte
	Version     string
	Backfill    int64
	Order       int
	TriggeredBy string
	Note        string
	Priority    int
	OnlyTasks   []string
	IgnorePast  bool
	Hold        *Hold // while it is held
	QueuedAt    time.Time
	StartedAt   *time.Time
	EndedAt     *time.Time
	FailedTasks int
	States      []byte // encoded RunStates, see runstate.go; empty before the run has started
	Deadline    time.Duration
	DAGPaused   bool   // whether the DAG is paused; read in Transition and StartRuns
	DAGVersion  string // version that the DAG is on, that of the latest start of a process; likewise
}

// A TaskKey names a task instance.
type TaskKey struct {
	Run      int64
	Task     string
	MapIndex int // −1 when not mapped
}

// A Lease is a claim on a task instance. Whoever holds it may end the attempt; nobody else can.
type Lease struct {
	TaskKey
	ID uuid.UUID
}

// A QueueItem is a task instance that is ready to run.
type QueueItem struct {
	TaskKey
	DAG      string
	Try      int
	Priority int
	Queue    string
	Pool     string // "": none
	Slots    int    // that it takes of the pool, 1 or more; 0 without one
	// Lease and Worker are set when the item is handed over to a worker in the transition that makes it ready: to [Transition.Worker], and
	// only when it was found. Anything else is an error.
	Lease  uuid.UUID
	Worker int64
	// Free says of an item that is handed over that it is under no limit over processes: nobody counts it.
	Free bool
}

// A Leased is what a claim yields.
type Leased struct {
	Lease
	DAG string
	Try int
	Run RunRow // without States
}

// A ClaimRequest asks for ready tasks.
type ClaimRequest struct {
	Worker int64
	Lease  uuid.UUID // fresh for each request
	Slots  int
	Queues []string
	DAGs   []ClaimDAG // in the order in which they are served
}

// A ClaimDAG is a DAG whose tasks the worker has.
type ClaimDAG struct {
	ID   string
	Room int // at most so many of its tasks now
	// MaxActive, when above 0, is a limit over all processes, held exactly: it is counted under a lock.
	MaxActive int
	// TaskLimits are limits per task over all processes, held exactly; nil: none.
	TaskLimits map[string]int
	// Pooled tells that some of its tasks take slots of pools: held exactly too.
	Pooled bool
	// Weight is its share of the slots beside those of others that have ready tasks; 0 counts as 1.
	Weight int
}

// A WorkerInfo is what a worker process tells of itself when it joins.
type WorkerInfo struct {
	Name    string   `json:"name"` // host and pid
	Build   string   `json:"build"`
	Kind    string   `json:"kind"` // serve or worker
	Slots   int      `json:"slots"`
	Queues  []string `json:"queues"`
	DAGs    []string `json:"dags"`
	Streams []string `json:"streams"`
	// Versions are those of its DAGs, in their order; empty where it is not known.
	Versions []string `json:"versions"`
}

// Has tells whether the process has a DAG, in the version given where it told its versions; "" is any.
func (w *WorkerInfo) Has(dag, version string) bool {
	i := slices.Index(w.DAGs, dag)
	return i >= 0 && (version == "" || i >= len(w.Versions) || w.Versions[i] == version)
}

// A Beat is a worker's sign of life, with the leases that it believes to hold.
type Beat struct {
	Worker int64
	Leases []Lease
}

// A BeatAnswer tells a worker what the store knows of it.
type BeatAnswer struct {
	Alive   bool    // false: it has no row; all it holds is lost and it must join anew
	Lost    []Lease // told in the beat, not held any more
	Cancel  []Lease // held, and somebody asked that the attempt be cancelled
	Unknown []Lease // held by this worker in the store and not told in the beat
}
