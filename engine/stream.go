package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
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
	if problem := jsonProblem(reflect.TypeFor[P](), map[reflect.Type]bool{}); problem != "" {
		s.err = errors.Join(s.err, fmt.Errorf("stream %s: its progress does not survive JSON: %s", name, problem))
	}
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

// checkStreams refuses streams that were made wrongly or share a name.
func checkStreams(streams []*Stream) error {
	var errs []error
	names := map[string]bool{}
	for _, s := range streams {
		errs = append(errs, s.err)
		if names[s.record.Name] {
			errs = append(errs, fmt.Errorf("stream %s: there are two of this name", s.record.Name))
		}
		names[s.record.Name] = true
	}
	return errors.Join(errs...)
}

// supervise runs as many replicas of a stream in this process as the store leases to it.
func (r *Runtime) supervise(ctx, base context.Context, work *errgroup.Group, s *Stream) {
	for range s.record.Replicas {
		work.Go(func() error {
			for {
				lease, worker := uuid.New(), r.worker.Load()
				l, ok, err := r.store.ClaimStream(ctx, s.record.Name, worker, lease)
				switch {
				case err != nil:
					r.warn(ctx, "claim stream "+s.record.Name, err)
					r.unclaim(ctx, base, StreamLease{Name: s.record.Name, ID: lease, Worker: worker}, s.record.Replicas)
				case ok:
					r.runReplica(ctx, base, s, l)
				}
				if !r.pause(ctx, r.cfg.Poll) {
					return nil
				}
			}
		})
	}
}

// unclaim gives back whichever replica a claim leased whose answer was lost. It is fenced by the lease: the others do not notice.
func (r *Runtime) unclaim(ctx, base context.Context, l StreamLease, replicas int) {
	for l.Replica = range replicas {
		r.endStream(ctx, base, l, "", time.Time{}, nil)
	}
}

// endStream gives a replica back. It tries until the store has taken it, or ctx has ended: then leaving frees the replica.
func (r *Runtime) endStream(ctx, base context.Context, l StreamLease, cause string, next time.Time, events []Event) {
	for {
		ectx, stop := context.WithTimeout(base, finishTimeout)
		err := r.store.EndStream(ectx, l, cause, next, events)
		stop()
		if err == nil {
			return
		}
		r.log.Warn("give the stream back; trying again", "stream", l.Name, "replica", l.Replica, "error", err)
		if !r.pause(ctx, r.cfg.Poll) {
			return
		}
	}
}

// Causes for which a replica's context is cancelled, besides the end of the process's.
var (
	errStreamPaused = errors.New("paused")
	errStreamEnded  = errors.New("the stream ended by itself")
	errStreamStuck  = errors.New("the stream did not heed its cancelled context and was left behind")
)

// runReplica runs one replica until it ends, its lease is lost, it is paused or ctx ends; then it is given back.
func (r *Runtime) runReplica(ctx, base context.Context, s *Stream, l StreamLease) {
	log := r.log.With("stream", l.Name, "replica", l.Replica)
	log.Info("stream starts")
	sctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var progress atomic.Pointer[[]byte]
	done := make(chan error, 1)
	shows := make(chan error, 1) // its progress contains a secret
	go func() {
		done <- s.run(sctx, func(p []byte) {
			if err := refuseSecret(r.cfg.Secrets, "its progress", string(p)); err != nil {
				select {
				case shows <- err:
					cancel(err)
				default:
				}
				return
			}
			progress.Store(&p)
		})
	}()
	err := r.watchReplica(ctx, l, &progress, cancel, done)
	cause := context.Cause(sctx)
	select {
	case err = <-shows:
		cause = nil
	default:
	}
	switch {
	case errors.Is(err, errStreamStuck):
		log.Error("stream is left behind", "error", err)
		return // it still runs: its replica is free once this process has left
	case cause == nil || err != nil && !errors.Is(err, context.Canceled) && !errors.Is(cause, ErrLostLease):
		if err == nil {
			err = errStreamEnded
		}
		next, events := r.streamFailed(base, s, l, err)
		log.Error("stream failed; it starts again", "error", err, "at", next)
		r.endStream(ctx, base, l, r.cfg.Secrets.Mask(printable(err.Error())), next, events)
	default:
		log.Info("stream stopped", "cause", cause)
		r.endStream(ctx, base, l, "", time.Time{}, nil)
	}
}

// watchReplica beats for a replica until its body has ended, and returns how it ended. While the process shuts down it waits for the
// body no longer than the drain's grace.
func (r *Runtime) watchReplica(ctx context.Context, l StreamLease, progress *atomic.Pointer[[]byte], cancel context.CancelCauseFunc, done <-chan error) error {
	started := r.clock.Now()
	tick := r.clock.NewTicker(streamBeat, "stream")
	defer tick.Stop()
	stuck := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		r.clock.AfterFunc(r.cfg.DrainGrace, func() { close(stuck) }, "stream drain")
	})
	defer unwatch()
	healthy := l.Restarts == 0
	bctx := context.WithoutCancel(ctx)
	for {
		select {
		case err := <-done:
			return err
		case <-stuck:
			return errStreamStuck
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
		beat, stop := context.WithTimeout(bctx, finishTimeout)
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

// streamFailed says when a replica that failed starts again, and what is told of it.
func (r *Runtime) streamFailed(base context.Context, s *Stream, l StreamLease, err error) (next time.Time, events []Event) {
	now, nerr := r.store.Now(base)
	if nerr != nil {
		now = r.clock.Now()
	}
	next = now.Add(restartDelay(s.initial, s.longest, l.Restarts))
	ev := CallbackEvent{ID: uuid.New(), Type: EventStreamFailed, At: now, Task: l.Name, MapIndex: l.Replica, Try: l.Restarts + 1, State: string(Failed), Error: r.cfg.Secrets.Mask(printable(err.Error())), RetryAt: &next}
	return next, []Event{{ID: ev.ID, Type: ev.Type, At: now, Task: l.Name, Data: marshalEvent(ev)}}
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
