package engine

import (
	"context"
	"time"
)

// Reader is what people look at. What it returns can be a moment old; nothing is decided from it.
type Reader interface {
	DAGStatuses(ctx context.Context) ([]DAGStatus, error)
	// DAGStatus is that of one DAG. ErrNotFound when it was never registered.
	DAGStatus(ctx context.Context, dag string) (DAGStatus, error)
	// DAGHeads is DAGStatuses without the specs, of the DAGs named; with none named, of all.
	DAGHeads(ctx context.Context, dags ...string) ([]DAGStatus, error)
	// Standings tells of all DAGs, in any order, what decides who may start their runs: it is asked every second.
	Standings(ctx context.Context) ([]Standing, error)
	// Spec returns the definition of one version of a DAG. ErrNotFound when it was never registered.
	Spec(ctx context.Context, dag, version string) (Spec, error)
	// DAGVersions returns the versions of a DAG that were ever registered, oldest first; none for a DAG that was not.
	DAGVersions(ctx context.Context, dag string) ([]DAGVersion, error)
	// Runs returns the runs that fit, in the order asked for, and how many fit in all.
	Runs(ctx context.Context, f RunFilter) ([]RunRow, int, error)
	// RunByID returns one run. ErrNotFound when there is none.
	RunByID(ctx context.Context, dag, runID string) (RunRow, error)
	RunsByKey(ctx context.Context, keys []int64) ([]RunRow, error)
	// Queue returns what is queued or leased of these runs.
	Queue(ctx context.Context, runs []int64) ([]QueueRow, error)
	// Attempts returns the history of these runs, oldest first, without outputs and inputs; of one task if task is not "".
	Attempts(ctx context.Context, runs []int64, task string) ([]Attempt, error)
	// Attempt returns one with output and inputs; try −1: the latest. ErrNotFound when there is none.
	Attempt(ctx context.Context, key TaskKey, try int) (Attempt, error)
	Timers(ctx context.Context, runs []int64) ([]Timer, error)
	Virtuals(ctx context.Context, runs []int64) ([]VirtualRow, error)
	ElementNames(ctx context.Context, runs []int64) (map[TaskKey]string, error)
	TaskNotes(ctx context.Context, runs []int64) (map[TaskKey]string, error)
	// Leases returns up to limit leased instances of a DAG, or of a pool where dag is "", oldest lease first, and how many there are in all.
	Leases(ctx context.Context, dag, pool string, limit int) ([]QueueRow, int, error)
	// RunWaits returns what instances of these runs wait for outside them.
	RunWaits(ctx context.Context, runs []int64) ([]Wait, error)
	// Questions returns those of the runs given, or, with none given, the open ones of all, oldest first, at most limit.
	Questions(ctx context.Context, runs []int64, limit int) ([]QuestionRow, error)
	// OldQuestions returns those that an instance asked before its latest, oldest first, all closed.
	OldQuestions(ctx context.Context, key TaskKey) ([]QuestionRow, error)
	// Pools returns all pools with what is taken of them, by name.
	Pools(ctx context.Context) ([]PoolRow, error)
	// RunAssets returns the events that triggered a run, oldest first.
	RunAssets(ctx context.Context, run int64) ([]AssetEvent, error)
	// RunEvents returns the ids of the asset events that triggered each of these runs, ascending; runs without any are left out.
	RunEvents(ctx context.Context, runs []int64) (map[int64][]int64, error)
	// AssetEvents returns the newest events of an asset, or of all for "", newest first.
	AssetEvents(ctx context.Context, asset string, limit int) ([]AssetEvent, error)
	Workers(ctx context.Context) ([]WorkerRow, error)
	// Messages returns the newest items of the outbox, for doctor and UI.
	Messages(ctx context.Context, limit int) ([]MessageRow, error)
}

// A Standing is what decides which processes may start runs of a DAG.
type Standing struct {
	ID      string
	Version string // that of the latest start of a process
	Paused  bool
}

// RunFilter selects runs; zero fields select all.
type RunFilter struct {
	DAGs          []string
	States        []RunState
	Types         []RunType
	LogicalFrom   *time.Time // ≥
	LogicalTo     *time.Time // ≤
	Logicals      []time.Time
	Backfill      int64
	Limit, Offset int
	// OrderBy: one of "key", "logical", "queued", "started", "ended", "run_id", "state"; a leading "-" turns it round. Default "-key".
	OrderBy string
}

// A QueueRow is a queued or leased task instance.
type QueueRow struct {
	TaskKey
	DAG       string
	Try       int
	Priority  int
	Queue     string
	QueuedAt  time.Time
	Leased    bool
	Worker    string // name of the worker that holds it; "" when not leased or its row is gone
	WorkerID  int64  // that worker, or 0 when not leased
	LeasedAt  *time.Time
	Cancelled bool
	RunID     string // in an answer of Leases
	Pool      string
	Slots     int // of the pool
}

// A VirtualRow is a virtual node of a run.
type VirtualRow struct {
	Runner TaskKey
	VirtualState
}

// A WorkerRow is a worker process.
type WorkerRow struct {
	ID int64
	WorkerInfo
	Beats    int64
	JoinedAt time.Time
	BeatAt   time.Time
	Leases   int
}

// A DAGVersion is a version of a DAG's definition.
type DAGVersion struct {
	Version string    // hash of its structure
	At      time.Time // when it was first registered
}

// A PoolRow is a pool and how it stands.
type PoolRow struct {
	Pool
	Running int // slots that leased tasks take
	Queued  int // slots that ready tasks ask for
}

// A MessageRow is an item of the outbox as people see it.
type MessageRow struct {
	Message
	State   string // pending, delivered, failed
	Error   string
	NextAt  *time.Time
	EndedAt *time.Time
}

// A Spec is a DAG's definition as data: what UI, API and other processes see of it.
type Spec struct {
	DAG            string         `json:"dag"`
	Doc            string         `json:"doc,omitempty"`
	Tags           []string       `json:"tags,omitempty"`
	Owners         []string       `json:"owners,omitempty"`
	Schedule       string         `json:"schedule,omitempty"` // as written; "" for none
	Zone           string         `json:"zone,omitempty"`
	Catchup        bool           `json:"catchup,omitempty"`
	StartDate      *time.Time     `json:"start_date,omitempty"`
	EndDate        *time.Time     `json:"end_date,omitempty"`
	MaxActiveRuns  int            `json:"max_active_runs"`
	MaxActiveTasks int            `json:"max_active_tasks"`
	Deadline       Duration       `json:"deadline,omitempty"`
	RunTimeout     Duration       `json:"run_timeout,omitempty"`
	Assets         *AssetSpec     `json:"assets,omitempty"` // what schedules it, beside Schedule
	Watermark      *WatermarkSpec `json:"watermark,omitempty"`
	Weight         int            `json:"weight,omitempty"`
	MaxFailedRuns  int            `json:"max_consecutive_failed_runs,omitempty"`
	Pin            bool           `json:"pin,omitempty"`
	Params         []byte         `json:"params,omitempty"` // JSON Schema of the params
	FailOnAnyTask  bool           `json:"fail_on_any_task,omitempty"`
	Tasks          []TaskSpec     `json:"tasks"` // in topological order
	Groups         []GroupSpec    `json:"groups,omitempty"`
}

// An AssetSpec is a condition on assets: of one asset, or that all or any of several hold. Exactly one field is set.
type AssetSpec struct {
	Asset string      `json:"asset,omitempty"`
	All   []AssetSpec `json:"all,omitempty"`
	Any   []AssetSpec `json:"any,omitempty"`
}

// A WatermarkSpec holds scheduled runs until a stream has passed the end of their day.
type WatermarkSpec struct {
	Stream string   `json:"stream"`
	Limit  Duration `json:"limit,omitempty"` // after it fell due; 0: for ever
}

// A GroupSpec is a task group.
type GroupSpec struct {
	ID     string `json:"id"`
	Parent string `json:"parent,omitempty"`
}

// A TaskSpec is a task's definition as data.
type TaskSpec struct {
	ID                string        `json:"id"`
	Doc               string        `json:"doc,omitempty"`
	Group             string        `json:"group,omitempty"`
	Upstream          []EdgeSpec    `json:"upstream,omitempty"`
	Rule              TriggerRule   `json:"rule"`
	Retry             Retry         `json:"retry"`
	Timeout           Duration      `json:"timeout,omitempty"`
	Queue             string        `json:"queue"`
	Priority          int           `json:"priority,omitempty"`
	MaxActive         int           `json:"max_active,omitempty"`
	MapOver           string        `json:"map_over,omitempty"`  // task whose list this one is mapped over
	MapLimit          int           `json:"map_limit,omitempty"` // 0: DefaultMapLimit
	Exclusive         bool          `json:"exclusive,omitempty"`
	Input             string        `json:"input,omitempty"` // Go types, for people
	Output            string        `json:"output,omitempty"`
	Virtual           []VirtualSpec `json:"virtual,omitempty"` // nodes that its runner reports, where they are known
	HasVirtual        bool          `json:"has_virtual,omitempty"`
	Body              string        `json:"body,omitempty"`      // name of the Go function
	Chooses           bool          `json:"chooses,omitempty"`   // If, Switch, First: its output says which way it took
	Ports             []string      `json:"ports,omitempty"`     // those ways
	MapCross          string        `json:"map_cross,omitempty"` // task whose list is paired with that of MapOver
	Setup             bool          `json:"setup,omitempty"`
	Teardown          bool          `json:"teardown,omitempty"`
	FailRun           bool          `json:"fail_run,omitempty"`   // a teardown whose failure fails the run
	PokeEvery         Duration      `json:"poke_every,omitempty"` // of a sensor
	WaitLimit         Duration      `json:"wait_limit,omitempty"` // how long it may wait without a slot; 0: for ever
	AwaitsRun         bool          `json:"awaits_run,omitempty"`
	Updates           []string      `json:"updates,omitempty"` // assets
	Pool              string        `json:"pool,omitempty"`
	PoolSlots         int           `json:"pool_slots,omitempty"`
	Answers           []string      `json:"answers,omitempty"` // of a question
	DefaultAnswer     string        `json:"default_answer,omitempty"`
	DependsOnPast     bool          `json:"depends_on_past,omitempty"`
	WaitForDownstream bool          `json:"wait_for_downstream,omitempty"`
	Triggers          string        `json:"triggers,omitempty"` // DAG that it triggers
	Setups            []string      `json:"setups,omitempty"`   // that must succeed before it runs, whatever its rule
}

// An EdgeSpec is an edge into a task.
type EdgeSpec struct {
	Task string   `json:"task"`
	Kind EdgeKind `json:"kind"`
	Port string   `json:"port,omitempty"` // the way out of a task that chooses
}

// A VirtualSpec is a virtual node before it has run.
type VirtualSpec struct {
	ID       string   `json:"id"`
	Doc      string   `json:"doc,omitempty"`
	Upstream []string `json:"upstream,omitempty"` // ids of other virtual nodes of the same runner
}

// An EdgeKind says what an edge hands over.
type EdgeKind string

// The kinds of edges.
const (
	ValueEdge    EdgeKind = "value"    // the upstream's output; asks for its success
	OrderEdge    EdgeKind = "order"    // nothing: Waits
	SettledEdge  EdgeKind = "settled"  // how the upstream ended, whatever it was
	OptionalEdge EdgeKind = "optional" // the upstream's output, or nothing when it was skipped
	FirstEdge    EdgeKind = "first"    // the output of the first of several that succeeded
)

// A Duration is a time.Duration that reads as text in JSON, such as "5m0s".
type Duration time.Duration

// MarshalText writes d as time.Duration does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration takes.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}
