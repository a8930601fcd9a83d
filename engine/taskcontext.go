package engine

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
)

// A TaskInfo is what an attempt may know of itself.
type TaskInfo struct {
	DAG, RunID string
	Run        int64
	Task       string
	MapIndex   int // −1 when not mapped
	Try        int
	Worker     string
}

// Key is the same for every attempt of one task instance: what a body hands to others so that doing something twice is noticed
// ("idempotency key").
func (i TaskInfo) Key() string { return fmt.Sprintf("%s/%s/%s/%d", i.DAG, i.RunID, i.Task, i.MapIndex) }

type taskContext struct {
	info   TaskInfo
	lease  Lease
	report func(context.Context, []VirtualState) error
	read   func(context.Context) ([]VirtualState, error)

	runtime *Runtime
	store   Store    // nil outside a runtime
	control *Control // likewise
	updates []string // assets that the task updates
	tx      bodyTx

	mu     sync.Mutex
	log    *slog.Logger      // once it has been asked for
	extras map[string][]byte // by asset
}

// logger is the attempt's log. Most attempts of a busy engine log nothing: it is made when it is first asked for.
func (t *taskContext) logger() *slog.Logger {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log == nil {
		r := t.runtime
		t.log = taskLogger(r.log, r.cfg.Secrets, r.logs.attempt(t.lease.TaskKey, t.info.Try), t.info)
	}
	return t.log
}

// attached are the facts that the body has attached to assets.
func (t *taskContext) attached() map[string][]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.extras
}

type taskContextKey struct{}

// processLogKey has the runtime's log in every context that is made by it.
type processLogKey struct{}

// Log is the attempt's log: what is written there is kept with it and shown live. In a callback and in a stream it is the process's log,
// without secrets; elsewhere it is slog.Default.
func Log(ctx context.Context) *slog.Logger {
	if t, ok := ctx.Value(taskContextKey{}).(*taskContext); ok {
		return t.logger()
	}
	if l, ok := ctx.Value(processLogKey{}).(*slog.Logger); ok {
		return l
	}
	return slog.Default()
}

// Info tells which attempt ctx belongs to; ok is false outside a task.
func Info(ctx context.Context) (info TaskInfo, ok bool) {
	t, ok := ctx.Value(taskContextKey{}).(*taskContext)
	if !ok {
		return TaskInfo{}, false
	}
	return t.info, true
}

// History lets a task look at runs, its own and those of other DAGs, as people do. It errs outside a task.
func History(ctx context.Context) (Reader, error) {
	t, ok := ctx.Value(taskContextKey{}).(*taskContext)
	if !ok || t.store == nil {
		return nil, fmt.Errorf("look at runs: not in a task")
	}
	return t.store, nil
}

// Report stores how the virtual nodes of the task stand: those given, others stay. It errs with ErrLostLease when the attempt may
// not change anything any more, and outside a task made with [Virtual].
func Report(ctx context.Context, nodes ...VirtualState) error {
	t, ok := ctx.Value(taskContextKey{}).(*taskContext)
	if !ok || t.report == nil {
		return fmt.Errorf("report virtual nodes: not in a task that was made with engine.Virtual")
	}
	if len(nodes) == 0 {
		return nil
	}
	return t.report(ctx, nodes)
}

// Reported returns how the virtual nodes of the task stand that its earlier tries have reported, since it was last cleared. It errs
// outside a task made with [Virtual].
func Reported(ctx context.Context) ([]VirtualState, error) {
	t, ok := ctx.Value(taskContextKey{}).(*taskContext)
	if !ok || t.read == nil {
		return nil, fmt.Errorf("read virtual nodes: not in a task that was made with engine.Virtual")
	}
	return t.read(ctx)
}
