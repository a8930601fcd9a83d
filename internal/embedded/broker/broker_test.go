package broker_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/tidemill/tidemill/internal/embedded/broker"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ownerEnv turns the test binary into a process that owns the broker of the folder it names, until it is killed.
const ownerEnv = "TIDEMILL_TEST_BROKER_OWNER"

func TestMain(m *testing.M) {
	if dir, ok := os.LookupEnv(ownerEnv); ok {
		s, err := broker.Start(context.Background(), broker.Options{Dir: dir})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.Brokers()[0])
		select {}
	}
	os.Exit(m.Run())
}

func client(t *testing.T, brokers []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append(opts, kgo.SeedBrokers(brokers...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func createTopic(t *testing.T, c *kgo.Client, topic string) {
	t.Helper()
	if _, err := kadm.NewClient(c).CreateTopic(t.Context(), -1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

func produce(t *testing.T, c *kgo.Client, topic string, values ...string) {
	t.Helper()
	for i, v := range values {
		// A timestamp that any retention would drop.
		r := &kgo.Record{Topic: topic, Value: []byte(v), Timestamp: time.Date(2024, 1, 5, 0, 0, i, 0, time.UTC)}
		if err := c.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func values(t *testing.T, brokers []string, topic string, n int) []string {
	t.Helper()
	c := client(t, brokers, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []string
	for len(got) < n {
		f := c.PollFetches(ctx)
		if err := f.Err(); err != nil {
			t.Fatalf("%v, having read %d of %d", err, len(got), n)
		}
		f.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	slices.Sort(got)
	return got
}

func start(t *testing.T, dir string) *broker.Server {
	t.Helper()
	s, err := broker.Start(t.Context(), broker.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestRestartKeepsRecordsTopicAndAddress(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	c := client(t, s.Brokers())
	createTopic(t, c, "payments")
	produce(t, c, "payments", "a", "b", "c")
	before, err := kadm.NewClient(c).ListTopics(t.Context(), "payments")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(before["payments"].Partitions); n != broker.DefaultPartitions {
		t.Errorf("%d partitions, want %d", n, broker.DefaultPartitions)
	}
	if _, err := broker.Start(t.Context(), broker.Options{Dir: dir}); !errors.Is(err, broker.ErrBusy) {
		t.Errorf("second owner: %v, want ErrBusy", err)
	}
	if found, ok := broker.FindRunning(dir); !ok || !slices.Equal(found, s.Brokers()) {
		t.Errorf("FindRunning: %v, %v", found, ok)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if found, ok := broker.FindRunning(dir); ok {
		t.Errorf("FindRunning after Stop: %v", found)
	}

	again := start(t, dir)
	if !slices.Equal(again.Brokers(), s.Brokers()) {
		t.Errorf("address changed from %v to %v", s.Brokers(), again.Brokers())
	}
	after, err := kadm.NewClient(client(t, again.Brokers())).ListTopics(t.Context(), "payments")
	if err != nil {
		t.Fatal(err)
	}
	if after["payments"].ID != before["payments"].ID {
		t.Error("the topic has another id")
	}
	if got := values(t, again.Brokers(), "payments", 3); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("read %q", got)
	}
}

func TestKilledBrokerKeepsWhatItAcknowledged(t *testing.T) {
	dir := t.TempDir()
	addr, kill := owner(t, dir)
	c := client(t, []string{addr})
	createTopic(t, c, "payments")
	var want []string
	for i := range 200 {
		want = append(want, fmt.Sprintf("%03d", i))
	}
	produce(t, c, "payments", want...)
	kill()
	if found, ok := broker.FindRunning(dir); ok {
		t.Errorf("FindRunning after SIGKILL: %v", found)
	}
	s := start(t, dir)
	if s.Brokers()[0] != addr {
		t.Errorf("address changed from %s to %s", addr, s.Brokers()[0])
	}
	if got := values(t, s.Brokers(), "payments", len(want)); !slices.Equal(got, want) {
		t.Errorf("read %d records, want %d: %q", len(got), len(want), got)
	}
}

// owner starts another process that owns the broker of dir; kill ends it with SIGKILL and waits.
func owner(t *testing.T, dir string) (addr string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), ownerEnv+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(kill)
	line, _, err := bufio.NewReader(out).ReadLine()
	if err != nil {
		t.Fatal(err)
	}
	return string(line), kill
}
