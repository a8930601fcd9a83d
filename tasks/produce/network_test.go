package produce_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/tasks/produce"
)

// flaky makes connections that break after some answers, so that a record may be on the topic with its
// acknowledgement lost.
type flaky struct {
	left   atomic.Int32 // how many connections still break
	broken atomic.Int32
}

func (f *flaky) Dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address)
	if err != nil || f.left.Add(-1) < 0 {
		return conn, err
	}
	return &flakyConn{Conn: conn, of: f}, nil
}

type flakyConn struct {
	net.Conn
	of    *flaky
	reads int
}

func (c *flakyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.reads++; c.reads > 30 { // the answer has come, and is lost
		c.of.broken.Add(1)
		return 0, errors.Join(errors.New("the connection broke"), c.Close())
	}
	return n, err
}

func TestLostAcknowledgementsNeitherDoubleNorReorder(t *testing.T) {
	brokers := testkit.Broker(t)
	network := new(flaky)
	network.left.Store(12)
	c := config(t, brokers)
	c.Client = func(s *sarama.Config) {
		s.Net.Proxy.Enable, s.Net.Proxy.Dialer = true, network
		s.Producer.Flush.Bytes = 4 << 10 // many requests, so that many answers can be lost
		s.Producer.Flush.MaxMessages = 50
	}
	got, err := produce.Produce(t.Context(), c, list(numbered(20_000)), nil)
	if err != nil || got.Acknowledged != 20_000 {
		t.Fatalf("%+v, %v", got, err)
	}
	if network.broken.Load() < 3 {
		t.Errorf("only %d connections broke: nothing is shown", network.broken.Load())
	}
	checkOnce(t, brokers, 20_000)
}

// A broker that is gone does not hold up the end.
func TestProduceEndsWhileTheBrokerIsGone(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	ctx, cancel := context.WithCancel(t.Context())
	all := numbered(1_000_000)
	closed := false
	done := make(chan error, 1)
	go func() {
		_, err := produce.Produce(ctx, config(t, broker.ListenAddrs()), list(all), func(p produce.Progress) {
			if p.Acknowledged > 0 && !closed {
				closed = true
				broker.Close()
				cancel()
			}
		})
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("no error, although the broker was gone")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("still producing to a broker that is gone")
	}
}

// TestLeaderThatDoesNotKnowYet: a new topic's partition has a leader that for a moment denies it.
func TestLeaderThatDoesNotKnowYet(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	var denials atomic.Int64
	broker.ControlKey(int16(kmsg.ListOffsets), func(request kmsg.Request) (kmsg.Response, error, bool) {
		if denials.Add(1) > 20 {
			return nil, nil, false
		}
		broker.KeepControl()
		asked := request.(*kmsg.ListOffsetsRequest)
		answer := asked.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, t := range asked.Topics {
			topic := kmsg.NewListOffsetsResponseTopic()
			topic.Topic = t.Topic
			for _, p := range t.Partitions {
				partition := kmsg.NewListOffsetsResponseTopicPartition()
				partition.Partition, partition.ErrorCode = p.Partition, kerr.NotLeaderForPartition.Code
				topic.Partitions = append(topic.Partitions, partition)
			}
			answer.Topics = append(answer.Topics, topic)
		}
		return answer, nil, true
	})
	got, err := produce.Once(t.Context(), config(t, broker.ListenAddrs()), produce.Source{ID: "numbers", Events: list(numbered(100))}, nil)
	if err != nil || got.Acknowledged != 100 {
		t.Errorf("%+v, %v, want 100 acknowledged", got.Progress, err)
	}
	if denials.Load() < 20 {
		t.Errorf("the leader denied %d times: nothing was tried", denials.Load())
	}
}
