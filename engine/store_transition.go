package engine

import (
	"time"
)

// A Decide function says what follows from what was found. It is pure: it may be called again.
type Decide func(now time.Time, runs []RunRow, found Found) ([]RunChange, error)

// Found tells, of what a transition's caller believed, what is still so under the locks of its runs. Who was frozen between reading and
// deciding finds here that the world has moved on.
type Found struct {
	Held   []bool // for each of Ends: it still held its lease; of one that is there twice the first says so
	Due    []bool // for each of Timers: it is still set, for the same time
	Wait   []bool // for each of Waits: its instance still waits for the same, since the same time
	Worker bool   // Worker has a row, and keeps it until the transition is over
}

// A Transition is a change of runs. See [Dispatcher].
type Transition struct {
	Runs   []int64
	Ends   []Lease
	Timers []Timer // of these runs
	Waits  []Wait  // of these runs
	Worker int64   // to whom Decide may hand tasks over; 0: nobody
	Decide Decide
	// Heads is what the caller knows of the runs, all of them or none: a store may spare itself reading again what of a run never changes.
	// State, Version, FailedTasks, Backfill and States are always read.
	Heads map[int64]*RunRow
}

// A RunChange is what a decision does to one run. Zero fields change nothing but State, States, Version and FailedTasks, which
// are always written. What is taken out goes before what is put in: Dequeue before Enqueue, Untimers before Timers.
type RunChange struct {
	Key     int64
	State   RunState
	States  []byte
	Version string // the version States is aligned with
	// Pin is the version that the run is pinned to: only processes of that take what it queues, times and lets wait (see [PinnedTo]). Repin
	// says that it was not until now, or to another: then what it has of these moves along.
	Pin         string
	Repin       bool
	StartedAt   *time.Time
	EndedAt     *time.Time // with Reopened: cleared to null
	Reopened    bool       // a finished run that is queued or running again
	FailedTasks int
	Attempts    []Attempt // history; a row of the same try is replaced
	Enqueue     []QueueItem
	Dequeue     []TaskKey // rows taken out of the queue, whatever their lease
	Cancel      []TaskKey // leased rows whose worker is asked to cancel
	Timers      []Timer   // set, replacing one of the same kind and instance
	Untimers    []Timer   // taken out; DueAt is ignored
	Close       []VirtualClose
	Waits       []Wait        // set, replacing the instance's
	Unwaits     []TaskKey     // taken out
	Assets      []AssetEvent  // what was updated; each becomes pending for every DAG that is scheduled by its asset
	Ask         []QuestionRow // set, replacing the instance's
	Unask       []TaskKey     // closed; the row stays for people to see
	Events      []Event
	Callbacks   []CallbackCall
	Acts        []AuditEntry // by a person's word
}

// An Attempt is one try of a task instance, as history keeps it once it has ended. Try 0 is not an attempt but a
// decision not to run (skipped, upstream_failed, failed to map); its Error says why.
type Attempt struct {
	TaskKey
	Try       int
	State     State  // what became of the instance: success, failed, skipped, up_for_retry …
	Ending    Ending // how this attempt ended; empty for a decision
	QueuedAt  *time.Time
	StartedAt *time.Time
	EndedAt   time.Time
	Worker    string
	Version   string
	Build     string
	Output    []byte // JSON as encoded; nil when there is none
	Error     string
	Inputs    []byte // JSON object of what it read: upstream task id → {"try": n} ; nil when none
	By        string // who, when a person's mark made it
}

// TimerKind says what a timer is for.
type TimerKind string

// The kinds of timers.
const (
	TimerRetry    TimerKind = "retry"     // an instance up for retry becomes ready
	TimerRestart  TimerKind = "restart"   // the grace of a cleared, still running attempt ends
	TimerPoke     TimerKind = "poke"      // a sensor looks again
	TimerGiveUp   TimerKind = "give_up"   // an instance has waited as long as it may
	TimerDeadline TimerKind = "deadline"  // the run's deadline passes
	TimerSettle   TimerKind = "settle"    // a process of an older version has ended an attempt: one of the run's decides what follows
	TimerRunLimit TimerKind = "run_limit" // the run has taken as long as it may
)

// A Timer is due at a time of the store's clock.
type Timer struct {
	TaskKey // Task is "" for a run's own timer, MapIndex −1
	Kind    TimerKind
	DueAt   time.Time
}

// An InputKey asks for what a task left behind.
type InputKey struct {
	Run      int64
	Task     string
	MapIndex int  // −1: not mapped; [AllElements]: every element
	Settled  bool // how it ended, rather than its latest success
	// Seen is the attempt whose output the asker has, if any: when it is still the one asked for, the answer is Same. Not with AllElements.
	Seen SeenAttempt
}

// A SeenAttempt tells an attempt of a task instance from the others: a task that left its DAG and came back counts from 1 anew.
type SeenAttempt struct {
	Try     int
	EndedAt time.Time
}

// AllElements as a MapIndex asks for all elements of a mapped task.
const AllElements = -2

// An Input is what was found for an InputKey: one element for a plain task, one for each element, in order, for
// AllElements; none when the task has no such attempt.
type Input struct {
	Attempts []Attempt // key, Try, State, EndedAt, Output and Error are set
	Same     bool      // it is the one that the asker has Seen: Attempts is empty
}

// A VirtualState is how a virtual node (a dbt model, a dbt test) stands.
type VirtualState struct {
	ID        string // task id as people see it, such as dbt_run_stg_transactions
	State     State
	StartedAt *time.Time
	EndedAt   *time.Time
	Message   string
	Details   []byte // JSON object for people: rows, SQL path …
	Upstream  []string
	Try       int // the runner's that reported it; the engine sets it
}

// A VirtualClose ends the virtual nodes of a runner that are not terminal when its attempt ends. With Forget it deletes all of them
// instead: the runner was cleared and starts from nothing. With Again it gives those nodes alone the state none, no times and no message, and
// the try that is to run them: they were cleared, and the others stay.
type VirtualClose struct {
	Task   TaskKey
	State  State
	Why    string
	Forget bool
	Again  []string // ids; nil: none
	Try    int      // of Again
}
