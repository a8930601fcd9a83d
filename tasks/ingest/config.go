package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/IBM/sarama"
	"github.com/coder/quartz"

	"github.com/tidemill/tidemill/storage/lake"
)

// Config says what to carry where. Brokers, Topic, Group, Lake and Transform
// are required.
type Config[R any] struct {
	Brokers   []string // host:port
	Topic     string
	Group     string
	Lake      *lake.Lake // of the same topic
	Transform lake.Transform[R]
	Contract  int // version of the contract that the rows keep, told in each file; 0: none

	FlushRows  int64         // commit after so many offsets; default 250,000
	FlushBytes int64         // or so many bytes of keys and values; default 128 MiB
	FlushAge   time.Duration // or when a batch is so old, also if nothing arrives; default 30 s

	WaitForTopic  bool          // wait for a topic that does not exist; otherwise Run returns ErrNoTopic
	DrainTimeout  time.Duration // for the last commit of a session; default 10 s
	WatermarkAge  time.Duration // an idle topic's watermark is not older than this; default 1 min
	CollectAfter  time.Duration // leavings of a writer silent for so long are collected; default 1 h
	Tick          time.Duration // how often age, gaps at the end and idle partitions are looked at; default 1 s
	FinishEvery   time.Duration // how often dead writers' commits are finished; default 10 s
	MaxRetryDelay time.Duration // between tries of a commit that fails; default 15 s, from 100 ms doubling

	Clock    quartz.Clock   // default the real one
	Log      *slog.Logger   // default slog.Default()
	Progress func(Progress) // called after each commit and each tick, by one goroutine at a time; must not block
	Lost     func(Loss)     // called for each span that the broker deleted unread, once its gap is committed; must not block; ERROR is logged in any case
	Mirror   *Mirror        // default none
	Sarama   *sarama.Config // TLS, SASL, client id, instance id; what exactness needs is set over it
}

// Mirror copies the lake's log elsewhere for people to look at, other processes'
// entries included. It is best effort: what fails is tried again at the next
// commit and on the next start.
type Mirror struct {
	// Last is the number of the last entry that was put; 0 if there is none.
	Last func(ctx context.Context) (int64, error)
	// Put takes one entry, in order. It may see an entry again.
	Put func(ctx context.Context, e lake.Entry) error
}

// ErrNoTopic: the topic does not exist. Create it, or set WaitForTopic.
var ErrNoTopic = errors.New("ingest: the topic does not exist")

func (c *Config[R]) complete() error {
	switch {
	case len(c.Brokers) == 0:
		return errors.New("ingest: Brokers is empty: name at least one host:port")
	case c.Topic == "":
		return errors.New("ingest: Topic is empty")
	case c.Group == "":
		return errors.New("ingest: Group is empty: name the consumer group")
	case c.Lake == nil:
		return errors.New("ingest: Lake is nil")
	case c.Lake.Topic() != c.Topic:
		return fmt.Errorf("ingest: Topic is %q, the Lake is that of %q", c.Topic, c.Lake.Topic())
	case c.Transform == nil:
		return errors.New("ingest: Transform is nil")
	}
	setDefault(&c.FlushRows, 250_000)
	setDefault(&c.FlushBytes, 128<<20)
	setDefault(&c.FlushAge, 30*time.Second)
	setDefault(&c.DrainTimeout, 10*time.Second)
	setDefault(&c.WatermarkAge, time.Minute)
	setDefault(&c.CollectAfter, time.Hour)
	setDefault(&c.Tick, time.Second)
	setDefault(&c.FinishEvery, 10*time.Second)
	setDefault(&c.MaxRetryDelay, 15*time.Second)
	if c.Clock == nil {
		c.Clock = quartz.NewReal()
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	if c.Lost == nil {
		c.Lost = func(Loss) {}
	}
	c.Sarama = saramaConfig(c.Sarama)
	return c.Sarama.Validate()
}

func setDefault[T int64 | time.Duration](v *T, to T) {
	if *v <= 0 {
		*v = to
	}
}

// saramaConfig is a copy of base, or sarama's defaults, with what exactness
// needs and what the ingestion is tuned to.
func saramaConfig(base *sarama.Config) *sarama.Config {
	if base == nil {
		base = sarama.NewConfig()
		base.ClientID = "tidemill"
	}
	c := *base
	if !c.Version.IsAtLeast(sarama.V2_8_0_0) {
		c.Version = sarama.V2_8_0_0 // the first that tells topic ids
	}
	c.Metadata.AllowAutoTopicCreation = false
	c.Metadata.RefreshFrequency = 10 * time.Second // how soon a member that reads nothing sees a new partition; the others look at each tick
	c.ChannelBufferSize = 4 * maxChunk             // so that its goroutines take turns seldom

	c.Consumer.IsolationLevel = sarama.ReadCommitted
	c.Consumer.Return.Errors = true
	c.Consumer.Fetch.Default = 1 << 20               // compressed, per partition: what is in flight is some ten times that
	c.Consumer.Fetch.Max = 0                         // with a limit, sarama skips a record that exceeds it
	c.Consumer.MaxProcessingTime = 2 * time.Second   // a commit holds the claims up; unsubscribing would cost a fetch
	c.Consumer.Offsets.Initial = sarama.OffsetOldest // of a partition that the log does not know
	c.Consumer.Offsets.AutoCommit.Enable = false     // a courtesy, after our own commit
	c.Consumer.Group.ResetInvalidOffsets = true      // what retention deleted becomes a gap
	c.Consumer.Group.Session.Timeout = 15 * time.Second
	c.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond // the default of 3 s is how long a rebalance would take
	return &c
}
