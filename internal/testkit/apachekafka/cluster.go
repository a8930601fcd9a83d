package apachekafka

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Options says what cluster to run.
type Options struct {
	Brokers  int               // 1 (the default) or 3
	Secure   bool              // a second listener of each broker, with TLS both ways and SASL: see [Cluster.Secure]
	Settings map[string]string // of server.properties, over ours
}

// A Cluster is Apache Kafka with its data in a folder of its own. Brokers are numbered from 0. Its methods are for one goroutine at a time.
type Cluster struct {
	dir     string
	brokers []*broker
	secure  *secrets
}

// Limits of one step.
const (
	startLimit = 2 * time.Minute // of a JVM and what it recovers, on a machine that is busy
	stopLimit  = time.Minute
)

// Start runs a cluster that ends with the test. If the test fails, the ends of the brokers' logs are in its log.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(c.Said())
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// New runs a cluster and returns when all of its brokers serve. Whoever called it closes it. The first call of a user fetches the jars.
func New(o Options) (_ *Cluster, err error) {
	if o.Brokers == 0 {
		o.Brokers = 1
	}
	if o.Brokers != 1 && o.Brokers != 3 {
		return nil, fmt.Errorf("apachekafka: Brokers is %d: give 1 or 3", o.Brokers)
	}
	libs, err := jars()
	if err != nil {
		return nil, err
	}
	c := &Cluster{}
	if c.dir, err = os.MkdirTemp("", "tidemill-kafka-"); err != nil {
		return nil, fmt.Errorf("run Apache Kafka: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if o.Secure {
		if c.secure, err = newSecrets(c.dir); err != nil {
			return nil, fmt.Errorf("run Apache Kafka: %w", err)
		}
	}
	quorum, err := freePorts(o.Brokers)
	if err != nil {
		return nil, err
	}
	for i := range o.Brokers {
		n := node{id: i + 1, dir: filepath.Join(c.dir, fmt.Sprint(i)), ports: quorum[i], quorum: quorum, secure: c.secure, extra: o.Settings}
		c.brokers = append(c.brokers, &broker{libs: libs, node: n})
	}
	id := clusterID()
	return c, c.each(func(b *broker) error {
		if err := b.format(id); err != nil {
			return err
		}
		return b.start()
	})
}

// each does the same with all brokers at once: one alone has no quorum.
func (c *Cluster) each(do func(*broker) error) error {
	errs := make([]error, len(c.brokers))
	var all sync.WaitGroup
	for i, b := range c.brokers {
		all.Go(func() { errs[i] = do(b) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Addrs are the addresses, host:port, of all brokers, without encryption and names.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, b := range c.brokers {
		addrs = append(addrs, address(b.node.ports.broker))
	}
	return addrs
}

// Kill kills a broker as SIGKILL does: its log ends in the middle of something.
func (c *Cluster) Kill(i int) error { return c.brokers[i].kill() }

// Stop ends a broker in order: it hands its partitions over first.
func (c *Cluster) Stop(i int) error { return c.brokers[i].stop() }

// Start starts a broker again that was killed or stopped, with its data and on its ports, and returns when it serves.
func (c *Cluster) Start(i int) error { return c.brokers[i].start() }

// Freeze lets a broker stand still, with its connections open, until [Cluster.Thaw].
func (c *Cluster) Freeze(i int) error { return c.brokers[i].freeze() }

// Thaw lets a frozen broker go on.
func (c *Cluster) Thaw(i int) error { return c.brokers[i].thaw() }

// Said is the end of what each broker has logged.
func (c *Cluster) Said() string {
	said := ""
	for i, b := range c.brokers {
		said += fmt.Sprintf("broker %d:\n%s\n", i, b.said())
	}
	return said
}

// Close kills the brokers and removes their data.
func (c *Cluster) Close() error {
	err := c.each((*broker).kill)
	return errors.Join(err, os.RemoveAll(c.dir))
}

// freePorts finds ports that nobody has. They lie below those that the system gives to connections: while a broker is down, no
// connection takes its port.
func freePorts(n int) ([]ports, error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	one := func() (int, error) {
		for range 1000 {
			port := 20000 + mathrand.IntN(12000) //nolint:gosec // not a secret
			l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address(port))
			if err == nil {
				held = append(held, l)
				return port, nil
			}
		}
		return 0, errors.New("apachekafka: no free port on 127.0.0.1")
	}
	found := make([]ports, n)
	for i := range found {
		for _, p := range []*int{&found[i].broker, &found[i].controller, &found[i].client} {
			port, err := one()
			if err != nil {
				return nil, err
			}
			*p = port
		}
	}
	return found, nil
}

// clusterID is a random id in Kafka's form. Like Kafka's own it does not begin with a dash, which would make an option of it.
func clusterID() string {
	for {
		var id [16]byte
		_, _ = rand.Read(id[:]) // never errs
		if text := base64.RawURLEncoding.EncodeToString(id[:]); text[0] != '-' {
			return text
		}
	}
}
