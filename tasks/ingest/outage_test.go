package ingest

import (
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"
)

// outageVar is how long the broker is away, as "10m"; by default a moment.
const outageVar = "TIDEMILL_OUTAGE"

// line is the network to a broker, which can be down: connections break, and there are no new ones.
type line struct {
	mu    sync.Mutex
	down  bool
	open  map[net.Conn]bool
	tries int // while it was down
}

// Dial implements golang.org/x/net/proxy.Dialer.
func (l *line) Dial(network, addr string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		l.tries++
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	c, err := net.Dial(network, addr)
	if err == nil {
		l.open[c] = true
	}
	return c, err
}

func (l *line) set(down bool) (tries int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = down
	for c := range l.open {
		_ = c.Close() // it breaks
		delete(l.open, c)
	}
	return l.tries
}

// TestBrokerAway: while the broker cannot be reached the stream says so, goes on asking without a rush, and moves no offset; afterwards
// everything is there once, without a restart. TIDEMILL_OUTAGE=10m makes it as long as that.
func TestBrokerAway(t *testing.T) {
	t.Parallel()
	outage := 2 * time.Second
	if text := os.Getenv(outageVar); text != "" {
		var err error
		if outage, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", outageVar, err)
		}
	}
	w := newWorld(t, 3)
	l := w.lake()
	cfg := w.config(l)
	network := &line{open: map[net.Conn]bool{}}
	cfg.Sarama = sarama.NewConfig()
	cfg.Sarama.Net.Proxy.Enable, cfg.Sarama.Net.Proxy.Dialer = true, network
	cfg.MaxRetryDelay = time.Second
	r := w.run(cfg)
	w.produce(payments(3, 0, 300)...)
	w.caughtUp(l)
	network.set(true)
	w.produce(payments(3, 300, 300)...)
	eventually(t, "the outage is told", func() bool { return r.progress().Error != "" })
	before, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	select { // the outage lasts
	case <-time.After(outage):
	case err := <-r.done:
		r.done <- err
		t.Fatalf("Run ended: %v", err)
	}
	during, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for p := range int32(3) {
		if got, want := during.Next(before.TopicID, p), before.Next(before.TopicID, p); got != want {
			t.Errorf("partition %d moved from %d to %d without a broker", p, want, got)
		}
	}
	tries := network.set(false)
	if most := 100 + int(20*outage/time.Second); tries > most {
		t.Errorf("it tried %d times in %s to connect, want at most %d", tries, outage, most)
	}
	w.caughtUp(l)
	eventually(t, "the error is gone", func() bool { return r.progress().Error == "" })
	r.stop()
	t.Logf("away for %s, asked for %d times", outage, tries)
	w.wantOnce(600)
	w.auditClean(l)
}
