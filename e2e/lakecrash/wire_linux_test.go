package lakecrash

import (
	"encoding/binary"
	"net"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// wire connects to brokers; committing offsets to Kafka's group is a step that can be struck.
type wire struct{ steps *steps }

// Dial implements golang.org/x/net/proxy.Dialer.
func (w wire) Dial(network, addr string) (net.Conn, error) {
	c, err := net.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	return conn{c, w.steps}, nil
}

type conn struct {
	net.Conn
	steps *steps
}

// Write gets one request at a time: its length, then its kind.
func (c conn) Write(p []byte) (n int, err error) {
	if len(p) < 6 || kmsg.Key(binary.BigEndian.Uint16(p[4:])) != kmsg.OffsetCommit { //nolint:gosec // two bytes
		return c.Conn.Write(p)
	}
	err = c.steps.do("commit", "Kafka's group", func() (err error) {
		n, err = c.Conn.Write(p)
		return err
	})
	return n, err
}

// throughWire is a client's configuration that connects so.
func throughWire(s *steps) *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = "lakecrash"
	config.Net.Proxy.Enable, config.Net.Proxy.Dialer = true, wire{s}
	return config
}
