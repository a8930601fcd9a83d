package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// abandonAfter is how long a body whose context has been cancelled may go on before its attempt ends without it. It can change
// nothing any more, but it holds its goroutine until it returns.
const abandonAfter = 20 * time.Second

// An attempt is one try of a task instance in this process.
type attempt struct {
	Leased
	def    *Definition
	task   *Task
	inputs taskInputs
	lost   atomic.Bool // its lease is gone: nothing of it counts
	ended  atomic.Bool // its end is being stored, or is stored: there is nothing left to stop
	end    AttemptEnd

	base, ctx context.Context // of this process's attempts; of its body
	cancel    context.CancelCauseFunc
	stopped   atomic.Bool
	tc        *taskContext
	started   time.Time

	mu   sync.Mutex // while its end is handed on, which may take as long as a transaction
	over bool       // its end has been handed on
	runs int        // how often its body has returned
}

// Causes for which an attempt's context is cancelled.
var (
	errTimedOut  = errors.New("the task's timeout has passed")
	errCancelled = errors.New("cancelled: it was cleared, marked or its run ended by a person")
	errDrained   = errors.New("cancelled: this process is shutting down; another attempt will be made")
	errWentAway  = Permanent(errors.New("its body ended its goroutine (runtime.Goexit, or FailNow of a test) instead of returning"))
)

// begin runs an attempt beside the loops. Its slot and lease are held until its end is stored.
//
// Its context has the values of base and is cancelled by stop alone: base ends when all attempts have, but for those left behind.
func (r *Runtime) begin(base context.Context, a *attempt) {
	a.tc = r.taskContext(a)
	ctx, cancel := context.WithCancelCause(context.WithValue(context.WithoutCancel(base), taskContextKey{}, a.tc))
	a.base, a.ctx, a.cancel = base, ctx, cancel
	r.held.add(a)
	r.running.Add(1)
	switch {
	case base.Err() != nil:
		r.stop(a, context.Cause(base))
	case r.cut.Load(): // handed over by a commit whose answer came late
		r.stop(a, errDrained)
	}
	r.spawn(a, func() {
		defer cancel(nil)
		r.execute(a)
	})
}

// stop cancels the context of an attempt's body. One that does not heed that for a while is left behind.
func (r *Runtime) stop(a *attempt, cause error) {
	if a.cancel == nil {
		return
	}
	a.cancel(cause)
	if a.ended.Load() || a.stopped.Swap(true) {
		return // its body has returned, or is waited for already
	}
	r.clock.AfterFunc(abandonAfter, func() {
		r.endOnce(a, nil, fmt.Errorf("%w; its body did not heed that for %s and was left behind", context.Cause(a.ctx), abandonAfter))
	}, "abandon")
}

// execute runs the body and hands its end on: once, when the body returns, or without it when it does not heed its cancelled context for a
// while.
func (r *Runtime) execute(a *attempt) {
	a.started = r.clock.Now()
	returned := false
	defer func() {
		if !returned {
			r.endOnce(a, nil, errWentAway)
		}
	}()
	if a.task.timeout > 0 {
		timer := r.clock.AfterFunc(a.task.timeout, func() { r.stop(a, errTimedOut) }, "timeout")
		defer timer.Stop()
	}
	for delay := firstTxPause; ; delay = min(2*delay, longestTxPause) {
		out, err := call(a.ctx, a)
		again := r.endOnce(a, out, err)
		if tx := a.tc.tx.reset(); tx != nil {
			tx.Rollback(a.base) // unless it was committed; only now, when the body does not use it any more
		}
		if !again {
			break
		}
		a.tc.logger().Warn("its transaction was rolled back and the body runs again: it collided with another, or its connection was lost")
		if !r.pause(a.ctx, delay/2+time.Duration(random()*float64(delay))) {
			r.endOnce(a, nil, context.Cause(a.ctx))
			break
		}
	}
	returned = true
}

// endOnce ends an attempt as its body returned, unless it has ended. again tells that it has not, and the body is to run once more: its
// transaction came to nothing by no fault of its own.
func (r *Runtime) endOnce(a *attempt, out []byte, err error) (again bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return false
	}
	var extras map[string][]byte
	if len(a.tc.updates) > 0 {
		extras = a.tc.attached()
	}
	if shows := r.refuseSecrets(out, err, extras); shows != nil {
		out, err, extras = nil, shows, nil
	}
	a.runs++
	last := a.runs >= maxTxRuns || a.ctx.Err() != nil
	tx := a.tc.tx.take()
	if err != nil && tx != nil && tx.Lost() && a.ctx.Err() == nil {
		if !last {
			return true
		}
		err = tooOften(err)
	}
	a.ended.Store(true)
	a.finish(out, err, context.Cause(a.ctx))
	a.end.StartedAt, a.end.Extras = &a.started, extras
	if tx != nil && a.end.Ending == EndSuccess {
		again = r.endInTx(a, tx, last)
		a.ended.Store(!again)
	} else {
		r.ends[r.completerOf(a)] <- a
	}
	a.over = !again
	return again
}

// taskContext is what the body may ask for.
func (r *Runtime) taskContext(a *attempt) *taskContext {
	info := TaskInfo{DAG: a.DAG, RunID: a.Run.RunID, Run: a.Lease.Run, Task: a.Lease.Task, MapIndex: a.MapIndex, Try: a.Try, Worker: r.cfg.Name}
	tc := &taskContext{info: info, lease: a.Lease, runtime: r, store: r.store, control: r.control, updates: a.task.spec.Updates}
	if a.task.elementName != nil {
		a.inputs.relabel = func(ctx context.Context, name string) error {
			if err := refuseSecret(r.cfg.Secrets, "the name of its element", name); err != nil {
				return err
			}
			if err := r.store.NameElement(ctx, a.Lease, cutLabel(name)); err != nil && !errors.Is(err, ErrLostLease) {
				r.warn(ctx, "name an element", err) // it shows by its number
			}
			return nil
		}
	}
	if !a.task.spec.HasVirtual {
		return tc
	}
	tc.report = func(ctx context.Context, nodes []VirtualState) error {
		nodes = slices.Clone(nodes)
		for i := range nodes {
			nodes[i].Try = a.Try
		}
		if err := r.maskedNodes(nodes); err != nil {
			return err
		}
		return r.store.ReportVirtual(ctx, a.Lease, nodes)
	}
	tc.read = func(ctx context.Context) ([]VirtualState, error) {
		rows, err := r.store.Virtuals(ctx, []int64{a.Lease.Run})
		var nodes []VirtualState
		for _, row := range rows {
			if row.Runner == a.TaskKey {
				nodes = append(nodes, row.VirtualState)
			}
		}
		return nodes, err
	}
	return tc
}

// call calls the body. A panic is a failure with its stack in the log.
func call(ctx context.Context, a *attempt) (out []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			Log(ctx).Error("panic", "value", fmt.Sprint(p), "stack", string(debug.Stack()))
			out, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	return a.task.body(ctx, &a.inputs)
}

// finish says how the attempt ended, by what its body returned and why its context was cancelled.
func (a *attempt) finish(out []byte, err, cause error) {
	a.end = AttemptEnd{Lease: a.Lease, Try: a.Try, Ending: endingOf(err, cause), Err: err, Output: out, Inputs: inputsRead(a.inputs.from)}
	if suspended := (*suspendError)(nil); a.end.Ending == EndSuspended && errors.As(err, &suspended) {
		a.end.Suspend = &suspended.Suspension
		return
	}
	a.end.GivenBack = a.end.Ending == EndCancelled && errors.Is(cause, errDrained)
	switch a.end.Ending {
	case EndSuccess:
		return
	case EndTimedOut:
		a.end.Error = printable(fmt.Sprintf("timed out after %s: %v", a.task.timeout, err))
	case EndCancelled:
		a.end.Error = cause.Error()
	case EndLost:
		a.end.Error = "cut off: this process could not reach the store"
	default:
		a.end.Error = printable(err.Error())
	}
	a.tc.logger().Error("attempt ended", "ending", string(a.end.Ending), "error", a.end.Error)
}

// endedAt is how an attempt ended, for a store whose clock shows now, when its process's shows ours. When it started is reckoned back from there:
// how long it took is the process's to say, what time it is the store's.
func (a *attempt) endedAt(now, ours time.Time) AttemptEnd {
	e := a.end
	if e.StartedAt != nil {
		at := now.Add(-max(0, ours.Sub(*e.StartedAt)))
		e.StartedAt = &at
	}
	return e
}

// storeGrace is how long a drain waits for the store to take the last ends. What it has not taken then is found as lost later.
const storeGrace = 10 * time.Second

// drainAttempts waits until the running attempts have ended and are stored, at most the grace; then it cancels and gives back those
// that have not. When the store does not answer, it gives up by calling stop.
func (r *Runtime) drainAttempts(stop func()) {
	done := make(chan struct{})
	go func() {
		r.running.Wait()
		close(done)
	}()
	if r.within(r.cfg.DrainGrace, done) {
		return
	}
	r.cut.Store(true) // before they are looked up: what begins later sees it
	for _, a := range r.held.all() {
		r.stop(a, errDrained)
	}
	if !r.within(abandonAfter+storeGrace, done) {
		r.log.Error("ended attempts could not be stored before the shutdown; others will find them lost")
		stop()
		<-done
	}
}

// within waits for done; false when d passed first.
func (r *Runtime) within(d time.Duration, done <-chan struct{}) bool {
	timer := r.clock.NewTimer(d, "within")
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
