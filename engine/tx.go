package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A TxStore is a store whose tasks may write through the transaction that records their success: see [Tx].
type TxStore interface {
	// BeginTask begins a transaction for a task's body. Whoever begins it ends it, by End or by Rollback.
	BeginTask(ctx context.Context) (TaskTx, error)
}

// A TaskTx is a transaction that a task's body writes through.
type TaskTx interface {
	// Handle is what the body gets, a pgx.Tx for PostgreSQL. Its Commit and Rollback are refused.
	Handle() any
	// End makes the transition within the transaction and commits both together. When the lease is not held any more it is ErrLostLease
	// and nothing is stored. An error of Decide is returned as it is, and the transaction can be ended anew; any other error rolls it back.
	// ErrTxConflict says that the database asked for a repetition, or went away: the body has to run again.
	End(ctx context.Context, t Transition) error
	// Lost tells that the transaction's connection is gone, and with it what was written.
	Lost() bool
	// Rollback gives up what was written. After End it does nothing.
	Rollback(ctx context.Context)
}

// ErrTxConflict says that a task's transaction collided with another and was rolled back.
var ErrTxConflict = errors.New("the task's transaction collided with another")

// Tx is the transaction that records the task's success: what the body writes through it is committed together with the task's state and
// output, or not at all, whatever dies when. T is the store's type of transaction, pgx.Tx for PostgreSQL. It begins at the first call and
// is the same from then on. The body can neither commit nor roll it back; a body that fails or skips has it rolled back. A statement of it
// that fails spoils it, as PostgreSQL has it: return the error, or work in a savepoint (tx.Begin). When it collides with another (a
// deadlock, say) as it ends, or its connection is lost, the body runs again within the same attempt, up to ten times in all.
//
// The transaction holds a connection of the engine's until the body returns, so do the slow work before the first call.
func Tx[T any](ctx context.Context) (T, error) {
	var none T
	t, ok := ctx.Value(taskContextKey{}).(*taskContext)
	if !ok || t.store == nil {
		return none, fmt.Errorf("begin the task's transaction: not in a task")
	}
	s, ok := t.store.(TxStore)
	if !ok {
		return none, Permanent(errNoTx)
	}
	tx, err := t.tx.begin(ctx, s)
	if err != nil {
		return none, fmt.Errorf("begin the task's transaction: %w", err)
	}
	h, ok := tx.Handle().(T)
	if !ok {
		return none, Permanent(fmt.Errorf("begin the task's transaction: it is a %T, not a %T", tx.Handle(), none))
	}
	return h, nil
}

// errNoTx is the error of a body that asks for a transaction where state is kept in memory.
var errNoTx = errors.New("engine.Tx needs PostgreSQL; `dag test` and package enginetest have no database: run it with serve")

// A bodyTx is the transaction of one attempt, once its body has asked for it.
type bodyTx struct {
	mu sync.Mutex
	tx TaskTx
}

func (b *bodyTx) begin(ctx context.Context, s TxStore) (TaskTx, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tx != nil {
		return b.tx, nil
	}
	var err error
	b.tx, err = s.BeginTask(ctx)
	return b.tx, err
}

// reset returns the transaction, as take does, and lets the body begin another.
func (b *bodyTx) reset() TaskTx {
	b.mu.Lock()
	defer b.mu.Unlock()
	tx := b.tx
	b.tx = nil
	return tx
}

// A body whose transaction comes to nothing by no fault of its own runs again within its attempt: that many times in all, with pauses that
// double from the first to the longest.
const (
	maxTxRuns      = 10
	firstTxPause   = 50 * time.Millisecond
	longestTxPause = 5 * time.Second
)

// tooOften is the error of an attempt whose transactions all came to nothing.
func tooOften(err error) error {
	return fmt.Errorf("its transaction came to nothing %d times in a row, the last time: %w", maxTxRuns, err)
}

// take returns the transaction, nil when the body has not asked for one.
func (b *bodyTx) take() TaskTx {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tx
}

// endInTx stores the success of an attempt through the transaction of its body. When that cannot be, the attempt ends as failed by the
// usual way: what the body wrote is rolled back then. After a collision it says that the body has to run again, unless this was the last time.
func (r *Runtime) endInTx(a *attempt, tx TaskTx, last bool) (again bool) {
	ctx := a.base
	a.end.Random = random()
	worker := r.worker.Load()
	var next handover
	err := r.versions.retry(ctx, func() error {
		return tx.End(ctx, Transition{Runs: []int64{a.Lease.Run}, Ends: []Lease{a.Lease}, Worker: worker, Decide: func(now time.Time, rows []RunRow, found Found) ([]RunChange, error) {
			next = newHandover(worker, 1)
			if !found.Held[0] {
				return nil, ErrLostLease
			}
			changes, err := r.decideEnds(now, rows, found, []*attempt{a}, map[int64]*Definition{a.Lease.Run: a.def}, &next)
			if err == nil && !succeeds(changes, a) {
				err = errNoSuccess
			}
			return changes, err
		}})
	})
	if err == nil {
		r.ended(ctx, []*attempt{a}, next)
		r.running.Done()
		return false
	}
	tx.Rollback(ctx)
	if errors.Is(err, errNoSuccess) {
		r.ends[r.completerOf(a)] <- a
		return false
	}
	if errors.Is(err, ErrTxConflict) {
		if !last {
			return true
		}
		err = tooOften(err)
	}
	a.end.Err, a.end.Output = err, nil
	a.end.Error = "its transaction was rolled back: " + printable(err.Error())
	switch {
	case errors.Is(err, ErrLostLease):
		a.end.Ending = EndLost
	default:
		a.end.Ending = EndFailed
		if errors.Is(err, ErrRefused) {
			a.end.Err = Permanent(err)
		}
	}
	r.ends[r.completerOf(a)] <- a
	return false
}

// errNoSuccess says that the end of an attempt does not become a success of its task (it was cleared meanwhile, say): then what its body
// wrote must not stay.
var errNoSuccess = errors.New("the attempt is no success any more")

// succeeds tells whether changes make an attempt a success.
func succeeds(changes []RunChange, a *attempt) bool {
	for _, c := range changes {
		for _, at := range c.Attempts {
			if at.TaskKey == a.TaskKey && at.Try == a.Try {
				return at.Ending == EndSuccess && at.State == Success
			}
		}
	}
	return false
}
