package lakecrash

import (
	"encoding/binary"
	"net"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// session is how long a member of the group may be silent: ours ask for 15 seconds, which would make a cell take as long.
const session = 2 * time.Second

// wire connects to brokers. Committing offsets to Kafka's group is a step that can be struck; who joins a group asks for our session.
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
	if len(p) < 8 {
		return c.Conn.Write(p)
	}
	switch kmsg.Key(binary.BigEndian.Uint16(p[4:])) { //nolint:gosec // two bytes
	case kmsg.JoinGroup:
		if n, err := c.Conn.Write(withSession(p)); err != nil {
			return n, err
		}
		return len(p), nil
	case kmsg.OffsetCommit:
	default:
		return c.Conn.Write(p)
	}
	err = c.steps.do("commit", "Kafka's group", func() (err error) {
		n, err = c.Conn.Write(p)
		return err
	})
	return n, err
}

// withSession is a request to join a group with another session.
func withSession(p []byte) []byte {
	join := kmsg.JoinGroupRequest{Version: int16(binary.BigEndian.Uint16(p[6:]))} //nolint:gosec // two bytes
	body := 4 + 2 + 2 + 4                                                         // after its length, kind, version and correlation,
	body += 2 + int(binary.BigEndian.Uint16(p[body:]))                            // the client's id,
	if join.IsFlexible() {
		body++ // and no tags
	}
	if err := join.ReadFrom(p[body:]); err != nil {
		panic(err) // sarama wrote it
	}
	join.SessionTimeoutMillis = int32(session.Milliseconds())
	return join.AppendTo(slices.Clone(p[:body]))
}

// throughWire is a client's configuration that connects so.
func throughWire(s *steps) *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = "lakecrash"
	config.Net.Proxy.Enable, config.Net.Proxy.Dialer = true, wire{s}
	return config
}
