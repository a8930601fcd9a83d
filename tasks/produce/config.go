package produce

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/IBM/sarama"
)

// Config says where to produce.
type Config struct {
	// Brokers are addresses as host:port.
	Brokers []string
	Topic   string
	// Client sets what a connection needs (TLS, SASL, client id). It may be nil.
	Client func(*sarama.Config)
	// Log takes warnings. Nil: slog.Default().
	Log *slog.Logger
	// Now is the clock for warnings about old records. Nil: time.Now.
	Now func() time.Time
}

func (c Config) check() error {
	if len(c.Brokers) == 0 {
		return errors.New("produce: no brokers are given")
	}
	if c.Topic == "" {
		return errors.New("produce: no topic is given")
	}
	return nil
}

func (c Config) log() *slog.Logger {
	if c.Log == nil {
		return slog.Default()
	}
	return c.Log
}

func (c Config) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// sarama returns the client's settings. When ctx ends, nothing waits before it tries again, and so fails soon.
func (c Config) sarama(ctx context.Context) *sarama.Config {
	s := sarama.NewConfig()
	s.ClientID = "tidemill-produce"
	s.Metadata.AllowAutoTopicCreation = false
	s.Producer.Idempotent = true
	s.Producer.RequiredAcks = sarama.WaitForAll
	s.Net.MaxOpenRequests = 1 // what an idempotent producer needs to keep the order
	s.Producer.Partitioner = sarama.NewManualPartitioner
	s.Producer.Return.Successes = true
	s.Producer.Return.Errors = true
	s.Producer.Flush.Bytes = 512 << 10
	s.Producer.Flush.Frequency = 5 * time.Millisecond
	s.Producer.Retry.Max = 40 // some 70 s without a broker, then the run fails and can be repeated
	s.Metadata.Retry.BackoffFunc = func(_, _ int) time.Duration {
		if ctx.Err() != nil {
			return 0
		}
		return s.Metadata.Retry.Backoff
	}
	s.Producer.Retry.BackoffFunc = func(retries, _ int) time.Duration {
		if ctx.Err() != nil {
			return 0
		}
		return min(time.Duration(retries+1)*100*time.Millisecond, 2*time.Second)
	}
	s.ChannelBufferSize = 4096
	if c.Client != nil {
		c.Client(s)
	}
	return s
}
