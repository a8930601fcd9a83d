package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// A CallbackEvent is what a callback is told. It is the same on every redelivery; ID is its key.
type CallbackEvent struct {
	ID       uuid.UUID  `json:"id"`
	Type     string     `json:"type"` // one of the Event… constants
	At       time.Time  `json:"timestamp"`
	DAG      string     `json:"dag_id"`
	Run      string     `json:"run_id"`
	RunType  RunType    `json:"run_type"`
	Logical  *time.Time `json:"logical_date,omitempty"`
	Task     string     `json:"task_id,omitempty"` // "" for a run's callback
	MapIndex int        `json:"map_index"`
	Try      int        `json:"try_number,omitempty"`
	State    string     `json:"state"`
	Ending   Ending     `json:"ending,omitempty"` // how the attempt ended
	Error    string     `json:"error,omitempty"`
	RetryAt  *time.Time `json:"retry_at,omitempty"`
	Failed   int        `json:"failed_tasks,omitempty"` // of a run: tasks that failed, even if it succeeded all the same
	// FailedIDs are those tasks, an element of a mapped one as load[2]; at most the first 100.
	FailedIDs []string `json:"failed_task_ids,omitempty"`
	By        string   `json:"by,omitempty"` // who, when a person's mark did it
}

// The types of events, as webhooks carry them.
const (
	EventTaskFailed     = "task.failed"
	EventTaskRetry      = "task.retry"
	EventTaskSucceeded  = "task.succeeded" // callbacks only
	EventTaskSkipped    = "task.skipped"   // callbacks only
	EventRunFailed      = "run.failed"
	EventRunSucceeded   = "run.succeeded"
	EventDeadlineMissed = "run.deadline_missed"
	EventStreamFailed   = "stream.failed"
)

// A Callback is called after something has ended. It is called at least once, with the same event; when it errs it is called
// again with backoff, up to 5 times, and then shown as failed. It never changes the state.
type Callback func(ctx context.Context, e CallbackEvent) error

// hook says on what a callback hangs.
type hook string

const (
	onSuccess  hook = "on_success"
	onFailure  hook = "on_failure"
	onRetry    hook = "on_retry"
	onSkipped  hook = "on_skipped"
	onDeadline hook = "on_deadline"
)

type callbackSet map[hook][]Callback

func (s *callbackSet) add(h hook, f Callback) {
	if *s == nil {
		*s = callbackSet{}
	}
	// A new slice each time: sets are copied from defaults.
	(*s)[h] = append((*s)[h][:len((*s)[h]):len((*s)[h])], f)
}

func callbackOption(h hook, f Callback) bothOption {
	return bothOption{func(g *graph) { g.callbacks.add(h, f) }, func(t *Task) { t.callbacks.add(h, f) }}
}

// OnSuccess is called when a task, or on a DAG a run, has succeeded.
func OnSuccess(f Callback) Option { return callbackOption(onSuccess, f) }

// OnFailure is called when a task, or on a DAG a run, has failed for good, whatever ended it.
func OnFailure(f Callback) Option { return callbackOption(onFailure, f) }

// OnRetry is called when an attempt has failed and there will be another.
func OnRetry(f Callback) TaskOption { return taskOption(callbackOption(onRetry, f).task) }

// OnSkipped is called when a task has been skipped.
func OnSkipped(f Callback) TaskOption { return taskOption(callbackOption(onSkipped, f).task) }

// OnDeadline is called when a run's [Deadline] has passed before it was over.
func OnDeadline(f Callback) DAGOption { return dagOption(callbackOption(onDeadline, f).dag) }

// hookName is how the outbox names a callback of a definition, such as "on_failure/0".
func hookName(h hook, i int) string { return string(h) + "/" + strconv.Itoa(i) }

// callbackFor finds the callback that a call in the outbox names: by task ("" for the DAG's) and hook.
func (d *Definition) callbackFor(task, name string) (Callback, error) {
	set := d.callbacks
	if task != "" {
		t, ok := d.byID[task]
		if !ok {
			return nil, fmt.Errorf("callback %s of task %s: the task has left DAG %s", name, task, d.Spec.DAG)
		}
		set = t.callbacks
	}
	h, index, _ := strings.Cut(name, "/")
	i, err := strconv.Atoi(index)
	if err != nil || i < 0 || i >= len(set[hook(h)]) {
		return nil, fmt.Errorf("callback %s of %s/%s: DAG %s has none of that name any more", name, d.Spec.DAG, task, d.Spec.DAG)
	}
	return set[hook(h)][i], nil
}

func marshalEvent(e CallbackEvent) []byte {
	raw, err := json.Marshal(e)
	if err != nil { // a date of no four-digit year, as checkYear refuses them: no reason for a run never to end
		e.Logical, e.RetryAt = nil, nil
		raw, err = json.Marshal(e)
	}
	if err != nil {
		panic(fmt.Sprintf("engine: a callback event does not encode: %v", err)) // plain fields: cannot happen
	}
	return raw
}
