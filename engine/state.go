package engine

// A State is where a task instance stands. The names are Airflow's.
type State string

// The states of a task instance.
const (
	None            State = "none"              // waits for its upstreams
	Scheduled       State = "scheduled"         // decided to run; held back by a limit or its DAG's pause
	Queued          State = "queued"            // ready: any worker that knows it may claim it
	Running         State = "running"           // claimed by a worker
	Success         State = "success"           // ended well; its output is stored
	Failed          State = "failed"            // ended badly, with no retries left
	Skipped         State = "skipped"           // decided not to run
	UpstreamFailed  State = "upstream_failed"   // cannot run: what it needs failed
	UpForRetry      State = "up_for_retry"      // failed; runs again at a known time
	UpForReschedule State = "up_for_reschedule" // a sensor between two pokes
	Deferred        State = "deferred"          // waits for something outside its run, without a slot
	AwaitingInput   State = "awaiting_input"    // a person is asked
	Restarting      State = "restarting"        // cleared while it ran; starts anew when that attempt has ended
	Removed         State = "removed"           // its task left the DAG
)

// Terminal tells whether s is final unless somebody clears it.
func (s State) Terminal() bool {
	switch s {
	case Success, Failed, Skipped, UpstreamFailed, Removed:
		return true
	}
	return false
}

// Bad tells whether s is failed or upstream_failed.
func (s State) Bad() bool { return s == Failed || s == UpstreamFailed }

// A RunState is where a DAG run stands.
type RunState string

// The states of a DAG run.
const (
	RunQueued  RunState = "queued"
	RunRunning RunState = "running"
	RunSuccess RunState = "success"
	RunFailed  RunState = "failed"
)

// Terminal tells whether the run is over unless somebody clears a task of it.
func (s RunState) Terminal() bool { return s == RunSuccess || s == RunFailed }

// An Ending is how one attempt ended.
type Ending string

// The ways an attempt ends.
const (
	EndSuccess   Ending = "success"
	EndFailed    Ending = "failed"
	EndSkipped   Ending = "skipped"
	EndTimedOut  Ending = "timed_out" // its ExecutionTimeout passed
	EndLost      Ending = "lost"      // its worker died or was cut off
	EndCancelled Ending = "cancelled" // cleared, marked or given back by a drain
	EndSuspended Ending = "suspended" // never in history: the try goes on later
)

// A RunType is why a run exists.
type RunType string

// The types of runs.
const (
	ScheduledRun RunType = "scheduled"
	ManualRun    RunType = "manual"
	BackfillRun  RunType = "backfill"
	AssetRun     RunType = "asset_triggered" // assets that schedule the DAG were updated
)

// A TriggerRule says which ends of its upstreams let a task run. The rules are Airflow's; see [TriggerRule.Decide].
type TriggerRule string

// The trigger rules.
const (
	AllSuccess              TriggerRule = "all_success"
	AllFailed               TriggerRule = "all_failed"
	AllDone                 TriggerRule = "all_done"
	OneSuccess              TriggerRule = "one_success"
	OneFailed               TriggerRule = "one_failed"
	OneDone                 TriggerRule = "one_done"
	NoneFailed              TriggerRule = "none_failed"
	NoneFailedMinOneSuccess TriggerRule = "none_failed_min_one_success"
	NoneSkipped             TriggerRule = "none_skipped"
	AllSkipped              TriggerRule = "all_skipped"
	AllDoneMinOneSuccess    TriggerRule = "all_done_min_one_success"
	AllDoneSetupSuccess     TriggerRule = "all_done_setup_success"
	Always                  TriggerRule = "always"
)
