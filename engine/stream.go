package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

const (
	streamBeat    = time.Second
	streamHealthy = time.Minute // running so long sets the count of restarts back
)

// A Stream is a task without end: supervised, leased, drained on shutdown, restarted with backoff.
type Stream struct {
	record  StreamRecord
	run     func(ctx context.Context, report func([]byte)) error
	initial time.Duration
	longest time.Duration
	err     error
}

// A StreamOption sets something of a stream.
type StreamOption func(*Stream)

// Replicas is how many of the stream run at once over all processes; the default is 1.
func Replicas(n int) StreamOption {
	return func(s *Stream) {
		if n < 1 {
			s.err = errors.Join(s.err, fmt.Errorf("stream %s: Replicas(%d): must be at least 1", s.record.Name, n))
		}
		s.record.Replicas = n
	}
}

// StreamDoc says what the stream is for.
func StreamDoc(text string) StreamOption { return func(s *Stream) { s.record.Doc = text } }

// RestartBackoff is how long a stream that ended waits before it starts again: initial, doubled each time up to longest. The
// defaults are 1 s and 1 min.
func RestartBackoff(initial, longest time.Duration) StreamOption {
	return func(s *Stream) { s.initial, s.longest = initial, longest }
}

// NewStream makes a stream. body runs until its context is cancelled and then stops cleanly; it is wanted back within the drain
// grace. It calls report with its progress, of a type that encodes as JSON; the latest is shown. An error, a panic, or an end that
// nobody asked for is shown, told (stream.failed) and followed by a restart.
func NewStream[P any](name string, body func(ctx context.Context, report func(P)) error, opts ...StreamOption) *Stream {
	s := &Stream{record: StreamRecord{Name: name, Replicas: 1}, initial: time.Second, longest: time.Minute}
	s.err = checkID("stream name", name)
	for _, o := range opts {
		o(s)
	}
	s.run = func(ctx context.Context, report func([]byte)) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		return body(ctx, func(p P) {
			if raw, err := json.Marshal(p); err == nil {
				report(raw)
			}
		})
	}
	return s
}

// Name is the stream's name.
func (s *Stream) Name() string { return s.record.Name }

// Check tells what is wrong with the stream as it was made; nil when nothing is.
func (s *Stream) Check() error { return s.err }

// supervise runs as many replicas of a stream in this process as the store leases to it.
func (r *Runtime) supervise(ctx, base context.Context, work *errgroup.Group, s *Stream) {
	for range s.record.Replicas {
		work.Go(func() error {
			for {
				l, ok, err := r.store.ClaimStream(ctx, s.record.Name, r.worker.Load(), uuid.New())
				if err != nil {
					r.warn(ctx, "claim stream "+s.record.Name, err)
				}
				if ok {
					r.runReplica(ctx, base, s, l)
				}
				if !r.pause(ctx, r.cfg.Poll) {
					return nil
				}
			}
		})
	}
}

var errStreamEnded = errors.New("the stream ended by itself")

// runReplica runs one replica until it ends, its lease is lost, it is paused or ctx ends; then it is given back.
func (r *Runtime) runReplica(ctx, base context.Context, s *Stream, l StreamLease) {
	log := r.log.With("stream", l.Name, "replica", l.Replica)
	log.Info("stream starts")
	sctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var progress atomic.Pointer[[]byte]
	done := make(chan error, 1)
	var body errgroup.Group
	body.Go(func() error {
		done <- s.run(sctx, func(p []byte) { progress.Store(&p) })
		return nil
	})
	err := r.watchReplica(ctx, l, &progress, cancel, done)
	_ = body.Wait() // its error came through done
	if held := r.giveReplicaBack(base, sctx, s, l, err, log); !held {
		log.Warn("stream lease lost")
	}
}

// watchReplica beats for a replica until its body has ended, and returns how it ended.
func (r *Runtime) watchReplica(ctx context.Context, l StreamLease, progress *atomic.Pointer[[]byte], cancel context.CancelCauseFunc, done <-chan error) error {
	started := r.clock.Now()
	tick := r.clock.NewTicker(streamBeat, "stream")
	defer tick.Stop()
	healthy := l.Restarts == 0
	bctx := context.WithoutCancel(ctx)
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
		}
		if r.sinceBeat() >= CutOff {
			cancel(ErrLostLease)
			continue
		}
		var p []byte
		if latest := progress.Load(); latest != nil {
			p = *latest
		}
		beat, stop := context.WithTimeout(bctx, 5*time.Second)
		held, paused, err := r.store.BeatStream(beat, l, p)
		stop()
		switch {
		case err != nil:
			r.warn(ctx, "stream heartbeat", err)
		case !held:
			cancel(ErrLostLease)
		case paused:
			cancel(errStreamPaused)
		}
		if !healthy && err == nil && r.clock.Now().Sub(started) >= streamHealthy {
			healthy = r.store.ResetRestarts(ctx, l) == nil
		}
	}
}

var errStreamPaused = errors.New("paused")

// giveReplicaBack stores how a replica ended; false when its lease was lost.
func (r *Runtime) giveReplicaBack(base, sctx context.Context, s *Stream, l StreamLease, err error, log logger2) bool {
	cause := context.Cause(sctx)
	if errors.Is(cause, ErrLostLease) {
		return false
	}
	text, next := "", time.Time{}
	var events []Event
	if cause == nil || (err != nil && !errors.Is(err, context.Canceled)) {
		if err == nil {
			err = errStreamEnded
		}
		text = printable(err.Error())
		now, nerr := r.store.Now(base)
		if nerr != nil {
			now = r.clock.Now()
		}
		next = now.Add(restartDelay(s.initial, s.longest, l.Restarts))
		ev := CallbackEvent{ID: uuid.New(), Type: EventStreamFailed, At: now, Task: l.Name, MapIndex: l.Replica, Try: l.Restarts + 1, State: string(Failed), Error: text, RetryAt: &next}
		events = []Event{{ID: ev.ID, Type: ev.Type, At: now, Task: l.Name, Data: marshalEvent(ev)}}
		log.Error("stream failed; it starts again", "error", text, "at", next)
	} else {
		log.Info("stream stopped")
	}
	ctx, stop := context.WithTimeout(base, 10*time.Second)
	defer stop()
	if err := r.store.EndStream(ctx, l, text, next, events); err != nil {
		log.Error("give the stream back", "error", err)
	}
	return true
}

type logger2 interface {
	Error(msg string, args ...any)
	Info(msg string, args ...any)
}

// restartDelay is the wait before a stream starts again after n restarts in a row.
func restartDelay(initial, longest time.Duration, n int) time.Duration {
	b := backoff.NewExponentialBackOff(backoff.WithInitialInterval(initial), backoff.WithMultiplier(2), backoff.WithMaxInterval(longest),
		backoff.WithMaxElapsedTime(0), backoff.WithRandomizationFactor(0))
	d := b.NextBackOff()
	for range min(n, 64) {
		d = b.NextBackOff()
	}
	return d
}
