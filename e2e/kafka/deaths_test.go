package kafka

import (
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/testkit/apachekafka"
)

// TestBrokerKilled: the only broker is killed in mid flight and started again, while records come in and the lake takes them.
func TestBrokerKilled(t *testing.T) {
	if !wanted(t) {
		return
	}
	c := apachekafka.Start(t, apachekafka.Options{})
	w := newWorld(t, c.Addrs(), 3)
	l := w.lake()
	r := w.run(w.config(l))
	p := w.producePayments(3)
	for range rounds(1, 6) {
		grows(t, r)
		if err := c.Kill(0); err != nil {
			t.Fatal(err)
		}
		if long() {
			time.Sleep(20 * time.Second) // more than the group's session
		}
		if err := c.Start(0); err != nil {
			t.Fatal(err)
		}
	}
	grows(t, r)
	sent := p.end(t)
	w.caughtUp(l)
	r.stop()
	w.check(l).all(t, sent)
}

// TestBrokerFrozen: a broker that stands still for longer than the group's session, with its connections open.
func TestBrokerFrozen(t *testing.T) {
	if !wanted(t) {
		return
	}
	if !long() {
		t.Log("it takes a minute: that is for the long version")
		return
	}
	c := apachekafka.Start(t, apachekafka.Options{})
	w := newWorld(t, c.Addrs(), 3)
	l := w.lake()
	r := w.run(w.config(l))
	p := w.producePayments(3)
	grows(t, r)
	if err := c.Freeze(0); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Minute)
	if err := c.Thaw(0); err != nil {
		t.Fatal(err)
	}
	grows(t, r)
	sent := p.end(t)
	w.caughtUp(l)
	r.stop()
	w.check(l).all(t, sent)
}

// TestRollingRestart of three brokers with three replicas, two of which must be in sync: in order, as an operator does it, and by SIGKILL.
// Two processes share the partitions.
func TestRollingRestart(t *testing.T) {
	if !wanted(t) {
		return
	}
	c := apachekafka.Start(t, apachekafka.Options{Brokers: 3})
	w := newWorld(t, c.Addrs(), 6, "min.insync.replicas", "2")
	l := w.lake()
	one, two := w.run(w.config(l)), w.run(w.config(w.lake()))
	p := w.producePayments(6)
	for round := range rounds(1, 4) {
		for i := range 3 {
			grows(t, one, two)
			end := c.Stop
			if (round+i)%3 == 2 {
				end = c.Kill
			}
			if err := end(i); err != nil {
				t.Fatal(err)
			}
			grows(t, one, two) // without it
			if err := c.Start(i); err != nil {
				t.Fatal(err)
			}
		}
	}
	sent := p.end(t)
	w.caughtUp(l)
	one.stop()
	two.stop()
	w.check(l).all(t, sent)
}

// grows waits until the processes have committed more than they had.
func grows(t *testing.T, all ...*running) {
	t.Helper()
	rows := func() (n int64) {
		for _, r := range all {
			n += r.progress().Rows
		}
		return n
	}
	before := rows()
	eventually(t, "more is committed", func() bool { return rows() >= before+100 })
}
