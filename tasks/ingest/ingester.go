package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/cenkalti/backoff/v4"

	"github.com/tidemill/tidemill/storage/lake"
)

// Ingester carries one topic into its lake.
type Ingester[R any] struct {
	cfg    Config[R]
	log    *slog.Logger
	asks   *broker
	writer *lake.Writer[R]
	mirror mirrorCursor

	mu       sync.Mutex
	progress Progress
}

// New checks the configuration and fills in its defaults. It connects to
// nothing.
func New[R any](cfg Config[R]) (*Ingester[R], error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return &Ingester[R]{cfg: cfg, log: cfg.Log.With("topic", cfg.Topic, "group", cfg.Group), mirror: mirrorCursor{target: cfg.Mirror},
		progress: Progress{DeadLetters: map[string]int64{}}}, nil
}

// Run ingests until ctx ends; then it commits what it has read and returns nil.
// It returns an error when it cannot go on by itself: the broker cannot be
// reached at the start, the topic does not exist, a record was left out. Run may
// be called again after it returned; whatever it had not committed is read again.
func (in *Ingester[R]) Run(ctx context.Context) (err error) {
	if err := in.cfg.Lake.Finish(ctx); ctx.Err() != nil { // it needs no broker
		return nil
	} else if err != nil {
		return err
	}
	if err := in.cfg.Lake.Agree(ctx, lake.ContractOf[R](in.cfg.Contract)); err != nil {
		return err
	}
	in.asks, err = newBroker(in.cfg.Brokers, in.cfg.Topic, in.cfg.Sarama)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.asks.Close()) }()
	if err := in.awaitTopic(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	group, err := sarama.NewConsumerGroup(in.cfg.Brokers, in.cfg.Group, in.cfg.Sarama)
	if err != nil {
		return fmt.Errorf("join consumer group %s: %w", in.cfg.Group, err)
	}
	var logging sync.WaitGroup
	logging.Go(func() {
		for err := range group.Errors() {
			in.log.Warn("consumer group", "error", err)
		}
	})
	defer logging.Wait()
	defer func() { err = errors.Join(err, group.Close()) }()

	in.writer = in.newWriter()
	defer func() { err = errors.Join(err, in.writer.Close()) }()
	if err := in.collect(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return in.sessions(ctx, group)
}

// collect clears away what dead writers left. One that is taken for dead itself meanwhile goes on as another.
func (in *Ingester[R]) collect(ctx context.Context) error {
	for {
		_, err := in.writer.Collect(ctx, in.cfg.CollectAfter)
		if !errors.Is(err, lake.ErrFenced) {
			return err
		}
		in.log.Warn("this writer was taken for dead: going on with a new one", "error", err)
		in.writer = in.newWriter()
	}
}

func (in *Ingester[R]) newWriter() *lake.Writer[R] {
	return lake.NewWriter[R](in.cfg.Lake, lake.OfContract(in.cfg.Contract))
}

// sessions goes from one session of the group to the next.
func (in *Ingester[R]) sessions(ctx context.Context, group sarama.ConsumerGroup) error {
	wait := in.retries()
	for ctx.Err() == nil {
		s := &session[R]{in: in, began: make(chan struct{}, 1)}
		began := in.now()
		err := group.Consume(ctx, []string{in.cfg.Topic}, s)
		if s.err != nil { // ours is the cause, sarama's what followed from it
			err = s.err
		}
		switch {
		case ctx.Err() != nil:
			return s.lost()
		case err == nil && in.now().Sub(began) >= in.cfg.Tick: // a rebalance
		case errors.Is(err, errTopicChanged):
			in.log.Error("the topic was deleted and made anew: its new incarnation is read from its beginning", "error", err)
		case errors.Is(err, lake.ErrConflict):
			in.log.Info("another process took partitions over and committed first", "error", err)
		case errors.Is(err, lake.ErrFenced):
			in.log.Warn("this writer was taken for dead: going on with a new one", "error", err)
			in.writer = in.newWriter()
		case errors.Is(err, ErrNoTopic):
			if err := in.awaitTopic(ctx); err != nil && !isTransient(err) {
				return err
			}
		case err == nil || isTransient(err) || errors.Is(err, context.Canceled): // the last: shared out anew while it began
			in.log.Warn("the session ended early: joining again", "error", err)
			if err != nil {
				in.report(func(p *Progress) { p.Error = err.Error() })
			}
			if err := in.sleep(ctx, wait.NextBackOff()); err != nil {
				return nil
			}
			continue
		default:
			return err
		}
		wait.Reset()
	}
	return nil
}

// isTransient says whether Kafka may work again by itself: it answered with an error of its own, or the network did.
func isTransient(err error) bool {
	var (
		k       sarama.KError
		network net.Error
	)
	return errors.As(err, &k) || errors.As(err, &network) || slices.ContainsFunc(passing, func(e error) bool { return errors.Is(err, e) })
}

// passing are errors of a connection or a cluster that may be whole again a moment later.
var passing = []error{
	errBroker, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
	sarama.ErrOutOfBrokers, sarama.ErrClosedClient, sarama.ErrNotConnected, sarama.ErrControllerNotAvailable, sarama.ErrIncompleteResponse,
}

// errBroker marks what went wrong in asking the broker, within a session.
var errBroker = errors.New("ingest: the broker does not answer")

// awaitTopic returns nil when the topic exists, or ctx has ended.
func (in *Ingester[R]) awaitTopic(ctx context.Context) error {
	for told := false; ; told = true {
		_, err := in.asks.describe(ctx)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if !errors.Is(err, errDisagree) && (!errors.Is(err, ErrNoTopic) || !in.cfg.WaitForTopic) {
			return err
		}
		if !told {
			in.log.Warn("waiting for the topic to be created", "because", err)
		}
		if err := in.sleep(ctx, in.cfg.Tick); err != nil {
			return nil
		}
	}
}

// retries is how long to wait between tries.
func (in *Ingester[R]) retries() *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(backoff.WithInitialInterval(100*time.Millisecond), backoff.WithMultiplier(2),
		backoff.WithMaxInterval(in.cfg.MaxRetryDelay), backoff.WithMaxElapsedTime(0))
}

func (in *Ingester[R]) sleep(ctx context.Context, d time.Duration) error {
	t := in.cfg.Clock.NewTimer(d, "ingest", "sleep")
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (in *Ingester[R]) now() time.Time { return in.cfg.Clock.Now() }

// report changes the progress and passes a copy on.
func (in *Ingester[R]) report(change func(*Progress)) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.progress.At = in.now()
	change(&in.progress)
	in.cfg.Progress(in.progress.clone())
}
