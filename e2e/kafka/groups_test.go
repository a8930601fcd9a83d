package kafka

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestClassicGroup: two processes share the partitions through joins and leaves, by the group protocol that all clients speak. Ours speaks
// no other: sarama has the heartbeats of KIP-848 not yet.
func TestClassicGroup(t *testing.T) {
	if !wanted(t) {
		return
	}
	t.Parallel()
	w := newWorld(t, sharedBroker(t), 6)
	l := w.lake()
	p := w.producePayments(6)
	one := w.run(w.config(l))
	grows(t, one)
	for range rounds(2, 20) {
		two := w.run(w.config(w.lake()))
		eventually(t, "both have partitions", func() bool {
			return len(one.progress().Partitions) == 3 && len(two.progress().Partitions) == 3
		})
		grows(t, two)
		one.stop()
		one = two
	}
	if kind := w.groupType(); kind != "classic" {
		t.Errorf("the group is of type %q, want classic", kind)
	}
	sent := p.end(t)
	w.caughtUp(l)
	one.stop()
	w.check(l).all(t, sent)
}

// TestGroupOfTheNewProtocol: another program joins our group by the protocol of KIP-848. Kafka turns the group into one of the new kind, in
// which we stay as a classic member, and gives it some of our partitions; when it leaves we have all of them again, and have lost nothing,
// whatever it has committed to the group meanwhile.
func TestGroupOfTheNewProtocol(t *testing.T) {
	if !wanted(t) {
		return
	}
	t.Parallel()
	w := newWorld(t, sharedBroker(t), 6)
	l := w.lake()
	p := w.producePayments(6)
	r := w.run(w.config(l))
	grows(t, r)
	other, err := kgo.NewClient(kgo.SeedBrokers(w.addrs...), kgo.ConsumerGroup(w.topic), kgo.ConsumeTopics(w.topic),
		kgo.Balancers(kgo.RangeBalancer()), kgo.ServerSideBalancer())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	taken := 0
	eventually(t, "the other program is given partitions and reads them", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), patience/10)
		defer cancel()
		taken += other.PollFetches(ctx).NumRecords()
		return taken > 0
	})
	if kind := w.groupType(); kind != "consumer" {
		t.Errorf("the group is of type %q with a member of the new protocol, want consumer", kind)
	}
	eventually(t, "we have but some of the partitions", func() bool {
		other.PollRecords(nil, 1000) //nolint:staticcheck // nil: what is there
		n := len(r.progress().Partitions)
		return n > 0 && n < 6
	})
	grows(t, r)
	if err := other.CommitUncommittedOffsets(t.Context()); err != nil {
		t.Fatal(err)
	}
	other.Close() // and leaves
	eventually(t, "we have all partitions again", func() bool { return len(r.progress().Partitions) == 6 })
	sent := p.end(t)
	w.caughtUp(l)
	r.stop()
	w.check(l).all(t, sent)
}

// groupType is what Kafka calls the kind of our group.
func (w *world) groupType() string {
	w.t.Helper()
	answer, err := kmsg.NewPtrListGroupsRequest().RequestWith(w.t.Context(), w.client)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, g := range answer.Groups {
		if g.Group == w.topic {
			return g.GroupType
		}
	}
	return ""
}
