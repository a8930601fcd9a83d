package dbt

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/quartz"
	"github.com/jackc/pgx/v5"
)

// Postgres is the Guard that asks the database which dbt writes to: an advisory lock on a session of its own, and
// pg_stat_activity.
type Postgres struct {
	// Connect opens a session in the database of dbt's target, as a role that may end dbt's sessions (the same role
	// will do). Required. The guard closes it.
	Connect func(ctx context.Context) (*pgx.Conn, error)
	Clock   quartz.Clock // default: the real one
}

// lockPoll is how often a taken lock is asked for again. A session that waits inside pg_advisory_lock would hold back
// vacuum for as long as it waits.
const lockPoll = 250 * time.Millisecond

// terminateWait is how long an ended session may take to go, in milliseconds: it has to roll back.
const terminateWait = 5000

const terminateSQL = `
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, $2))::int, count(*)::int
FROM pg_stat_activity
WHERE application_name = $1 AND datname = current_database() AND pid <> pg_backend_pid()`

// Lock takes the advisory lock that belongs to the name.
func (g Postgres) Lock(ctx context.Context, name string) (context.Context, func(), error) {
	conn, err := g.Connect(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("lock %s: connect: %w", name, err)
	}
	if err := g.waitForLock(ctx, conn, name); err != nil {
		closeConn(ctx, conn)
		return nil, nil, fmt.Errorf("lock %s: %w", name, err)
	}
	held, cancel := context.WithCancelCause(ctx)
	watch, stopWatch := context.WithCancel(context.WithoutCancel(ctx))
	var wait sync.WaitGroup
	wait.Go(func() { // nothing is ever notified here: it returns when the session is lost, or is released
		for watch.Err() == nil {
			if _, err := conn.WaitForNotification(watch); err != nil {
				cancel(fmt.Errorf("%w: %w", ErrLockLost, err))
			}
		}
	})
	return held, sync.OnceFunc(func() {
		stopWatch()
		wait.Wait()
		cancel(nil)
		closeConn(ctx, conn) // the lock goes with its session
	}), nil
}

func (g Postgres) waitForLock(ctx context.Context, conn *pgx.Conn, name string) error {
	clock := g.Clock
	if clock == nil {
		clock = quartz.NewReal()
	}
	again := clock.NewTicker(lockPoll)
	defer again.Stop()
	for {
		var got bool
		if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", lockKey(name)).Scan(&got); err != nil {
			return err
		}
		if got {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-again.C:
		}
	}
}

// Terminate ends the sessions of that name.
func (g Postgres) Terminate(ctx context.Context, name string) (int, error) {
	if name == "" {
		return 0, errors.New("end dbt's sessions: the application name is empty")
	}
	conn, err := g.Connect(ctx)
	if err != nil {
		return 0, fmt.Errorf("end the sessions of %s: connect: %w", name, err)
	}
	defer closeConn(ctx, conn)
	var ended, found int
	if err := conn.QueryRow(ctx, terminateSQL, name, terminateWait).Scan(&ended, &found); err != nil {
		return 0, fmt.Errorf("end the sessions of %s: %w", name, err)
	}
	if ended < found {
		return ended, fmt.Errorf("end the sessions of %s: %d of %d are still there after %d ms", name, found-ended, found, terminateWait)
	}
	return ended, nil
}

// lockKey is the advisory lock's number: 64 bits of a hash, so that other users of advisory locks do not meet it.
func lockKey(name string) int64 {
	sum := sha256.Sum256([]byte("tidemill/dbt/" + name))
	return int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // any number will do
}

// closeConn says good-bye to the server even when ctx has ended, within a second.
func closeConn(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // what cannot be said good-bye to is gone
}
