package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	cancel context.CancelCauseFunc
	lost   atomic.Bool // its lease is gone: nothing of it counts
	ended  atomic.Bool // its end is being stored, or is stored: there is nothing left to stop
	end    AttemptEnd
}

// Causes for which an attempt's context is cancelled.
var (
	errTimedOut  = errors.New("the task's timeout has passed")
	errCancelled = errors.New("cancelled: it was cleared, marked or its run ended by a person")
	errDrained   = errors.New("cancelled: this process is shutting down; another attempt will be made")
)

// begin runs an attempt beside the loops. Its slot and lease are held until its end is stored.
func (r *Runtime) begin(base context.Context, a *attempt) {
	ctx, cancel := context.WithCancelCause(base)
	a.cancel = cancel
	r.held.add(a)
	r.running.Add(1)
	r.spawn(a, func() {
		defer cancel(nil)
		r.execute(ctx, base, a)
	})
}

// execute runs the body and hands its end to the completer: once, when the body returns, or without it when it does not heed its
// cancelled context for a while.
func (r *Runtime) execute(ctx, base context.Context, a *attempt) {
	started := r.clock.Now()
	tc := r.taskContext(a)
	tctx := context.WithValue(ctx, taskContextKey{}, tc)
	var mu sync.Mutex
	over, runs := false, 0
	// end ends the attempt, once. With again it does not: the body's transaction came to nothing by no fault of its own.
	end := func(out []byte, err error) (again bool) {
		mu.Lock()
		defer mu.Unlock()
		if over {
			return false
		}
		var extras map[string][]byte
		if len(tc.updates) > 0 {
			extras = tc.attached()
		}
		if shows := r.refuseSecrets(out, err, extras); shows != nil {
			out, err, extras = nil, shows, nil
		}
		runs++
		last := runs >= maxTxRuns || ctx.Err() != nil
		tx := tc.tx.take()
		if err != nil && tx != nil && tx.Lost() && ctx.Err() == nil {
			if !last {
				return true
			}
			err = tooOften(err)
		}
		a.ended.Store(true)
		a.finish(tctx, out, err, context.Cause(ctx))
		a.end.StartedAt, a.end.Extras = &started, extras
		if tx != nil && a.end.Ending == EndSuccess {
			again = r.endInTx(base, a, tx, last)
			over = !again
			a.ended.Store(over)
			return again
		}
		over = true
		r.ends[r.completerOf(a)] <- a
		return false
	}
	if a.task.timeout > 0 {
		timer := r.clock.AfterFunc(a.task.timeout, func() { a.cancel(errTimedOut) }, "timeout")
		defer timer.Stop()
	}
	stop := context.AfterFunc(ctx, func() {
		r.clock.AfterFunc(abandonAfter, func() {
			end(nil, fmt.Errorf("%w; its body did not heed that for %s and was left behind", context.Cause(ctx), abandonAfter))
		}, "abandon")
	})
	defer stop()
	for delay := firstTxPause; ; delay = min(2*delay, longestTxPause) {
		again := end(call(tctx, a))
		if tx := tc.tx.reset(); tx != nil {
			tx.Rollback(base) // unless it was committed; only now, when the body does not use it any more
		}
		if !again {
			return
		}
		tc.log().Warn("its transaction was rolled back and the body runs again: it collided with another, or its connection was lost")
		if !r.pause(ctx, delay/2+time.Duration(random()*float64(delay))) {
			end(nil, context.Cause(ctx))
			return
		}
	}
}

// taskContext is what the body may ask for. Most attempts of a busy engine log nothing: the log is made when it is first asked for.
func (r *Runtime) taskContext(a *attempt) *taskContext {
	info := TaskInfo{DAG: a.DAG, RunID: a.Run.RunID, Run: a.Lease.Run, Task: a.Lease.Task, MapIndex: a.MapIndex, Try: a.Try, Worker: r.cfg.Name}
	tc := &taskContext{info: info, lease: a.Lease, store: r.store, control: r.control, updates: a.task.spec.Updates}
	tc.log = sync.OnceValue(func() *slog.Logger { return taskLogger(r.log, r.cfg.Secrets, r.logs.attempt(a.TaskKey, a.Try), info) })
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
func (a *attempt) finish(ctx context.Context, out []byte, err, cause error) {
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
	Log(ctx).Error("attempt ended", "ending", string(a.end.Ending), "error", a.end.Error)
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
	for _, a := range r.held.all() {
		a.stop(errDrained)
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
