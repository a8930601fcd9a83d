package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	wakeChannel = "tidemill_wake"
	wakePause   = 50 * time.Millisecond  // between two notifications: they take a lock that commits wait for
	wakeLimit   = time.Second            // for sending one, also while the store is closed
	wakeRetry   = time.Second            // before listening anew on a lost connection
	wakeLook    = 100 * time.Millisecond // between two looks at the number of notifications, behind a pooler
)

// A Waker hints at work to whoever waits on the same database. It is only a hint: notifications may be lost, and
// polling stays the truth.
type Waker interface {
	// Wake lets all other waiting processes know that there may be something to do; this one, which knows, only behind a pooler. It returns
	// at once; calls close together become one notification. It errs only when ctx has ended.
	Wake(ctx context.Context) error
	// Woken returns a channel that receives after a Wake of any process; several in a row may come as one. It is closed
	// when ctx ends or the store is closed. It errs when it cannot start to listen.
	Woken(ctx context.Context) (<-chan struct{}, error)
}

var _ Waker = (*Store)(nil)

type waker struct {
	wanted chan struct{} // of size 1: a notification is due
	ctx    context.Context
}

func (s *Store) startWaker(ctx context.Context) {
	s.waker = waker{make(chan struct{}, 1), ctx}
	s.wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				s.lastWake(ctx)
				return
			case <-s.waker.wanted:
			}
			if err := s.notify(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("wake-up not sent", "error", err)
			}
			if s.pause(ctx, wakePause) != nil {
				s.lastWake(ctx)
				return
			}
		}
	})
}

// notify sends one notification, also when the store is being closed: a command that triggers something closes right after it.
func (s *Store) notify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wakeLimit)
	defer cancel()
	_, err := s.look.Exec(ctx, `SELECT pg_notify($1, $2), nextval('tidemill.wakes')`, wakeChannel, s.app)
	return err
}

// lastWake sends the notification that is due when the store is closed.
func (s *Store) lastWake(ctx context.Context) {
	select {
	case <-s.waker.wanted:
		if err := s.notify(ctx); err != nil {
			s.log.Debug("last wake-up not sent", "error", err)
		}
	default:
	}
}

// Wake implements Waker.
func (s *Store) Wake(ctx context.Context) error {
	select {
	case s.waker.wanted <- struct{}{}:
	default: // one is due already
	}
	return ctx.Err()
}

// Woken implements Waker. Each listener has a connection of its own beside the store's pools; behind a pooler, where a session
// cannot listen, it looks every 100 ms whether there was a notification.
func (s *Store) Woken(ctx context.Context) (<-chan struct{}, error) {
	if s.at.pooled {
		return s.watch(ctx)
	}
	conn, err := s.listen(ctx)
	if err != nil {
		return nil, fmt.Errorf("listen for wake-ups: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.waker.ctx, cancel)
	woken := make(chan struct{}, 1)
	s.wg.Go(func() {
		defer close(woken)
		defer cancel()
		defer stop()
		for conn = s.heard(ctx, conn, woken); ctx.Err() == nil; conn = s.heard(ctx, conn, woken) { //nolint:revive // the loop is its condition
		}
		if conn != nil {
			s.hangUp(conn)
		}
	})
	return woken, nil
}

// watch is Woken behind a pooler.
func (s *Store) watch(ctx context.Context) (<-chan struct{}, error) {
	seen, err := s.wakes(ctx)
	if err != nil {
		return nil, fmt.Errorf("watch for wake-ups: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.waker.ctx, cancel)
	woken := make(chan struct{}, 1)
	s.wg.Go(func() {
		defer close(woken)
		defer cancel()
		defer stop()
		pause := wakeLook
		for s.pause(ctx, pause) == nil {
			n, err := s.wakes(ctx)
			if pause = wakeLook; err != nil {
				if ctx.Err() == nil {
					s.log.Warn("cannot watch for wake-ups", "error", err)
				}
				pause = wakeRetry
			} else if n != seen {
				seen = n
				poke(woken)
			}
		}
	})
	return woken, nil
}

// wakes is how many notifications were sent so far. A sequence counts them: it costs no row, and no commit that waits for the disk.
func (s *Store) wakes(ctx context.Context) (n int64, err error) {
	err = s.look.Pool.QueryRow(ctx, `SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM tidemill.wakes`).Scan(&n)
	return n, err
}

func poke(woken chan<- struct{}) {
	select {
	case woken <- struct{}{}:
	default:
	}
}

// heard waits for one notification, passes it on and returns the connection for the next; nil when there is none.
func (s *Store) heard(ctx context.Context, conn *pgx.Conn, woken chan<- struct{}) *pgx.Conn {
	if conn == nil {
		if s.pause(ctx, wakeRetry) != nil {
			return nil
		}
		var err error
		if conn, err = s.listen(ctx); err != nil {
			s.log.Warn("cannot listen for wake-ups", "error", err)
			return nil
		}
	} else if n, err := conn.WaitForNotification(ctx); err == nil && n.Payload == s.app {
		return conn // its own
	} else if err != nil {
		if ctx.Err() == nil {
			s.log.Warn("lost the connection that listens for wake-ups", "error", err)
		}
		s.hangUp(conn)
		return nil
	}
	poke(woken) // also after a gap, in which some may have been missed
	return conn
}

func (s *Store) listen(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, s.look.Config().ConnConfig)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "LISTEN "+wakeChannel); err != nil {
		s.hangUp(conn)
		return nil, err
	}
	return conn, nil
}

func (s *Store) hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := conn.Close(ctx); err != nil {
		s.log.Debug("listening connection closed", "error", err)
	}
}
