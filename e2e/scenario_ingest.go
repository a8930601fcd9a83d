package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment/goldref"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// IngestionKilledUnderLoad is the first scenario: the process that ingests is killed in mid batch, again and again, while events
// keep coming. What is guarded: offsets come from the lake's log and never from Kafka's group, a batch is one commit, and whoever
// starts next finishes the renames of the dead. (Package tasks/ingest kills at each single step, storage/lake cuts the power.)
func IngestionKilledUnderLoad(t *testing.T) {
	t.Parallel()
	h := newOutsideHome(t)
	h.run(0, "migrate", "up")
	h.run(0, "produce", "--events", writeEvents(t, filepath.Join(t.TempDir(), "events.ndjson"), loadEvents(0, 500), false)) // it makes the topic
	stop := produceUnderLoad(t, h.brokers)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // moments of a test
	for _, c := range []struct {
		moment string
		comes  func(p *process)
	}{
		{"a batch is on its way to the disk", func(p *process) { h.sees(p, func() bool { return len(h.list("lake/_tmp/*/*.parquet")) > 0 }) }},
		{"a commit has just been made", func(p *process) {
			before := h.commits()
			h.sees(p, func() bool { return h.commits() > before })
		}},
		{"any moment", func(p *process) {
			before := h.commits()
			h.sees(p, func() bool { return h.commits() > before })
			later := time.NewTimer(time.Duration(random.Int64N(int64(6 * time.Second))))
			defer later.Stop()
			select {
			case <-later.C:
			case <-p.ended:
			}
		}},
	} {
		p := h.start("serve")
		c.comes(p)
		if !p.running() {
			t.Fatal("serve has ended by itself")
		}
		p.kill()
		seen := plainPlaces(t, h.lake()) // fails at a file that is not whole
		for at, n := range seen {
			if n != 1 {
				t.Errorf("killed when %s: a plain reader sees %+v %d times", c.moment, at, n)
			}
		}
		t.Logf("killed when %s: %d commits, a plain reader sees %d records", c.moment, h.commits(), len(seen))
	}
	stop()
	p := h.start("serve")
	l, err := lake.Open(h.lake(), topicName)
	if err != nil {
		t.Fatal(err)
	}
	h.sees(p, func() bool {
		d, err := ingest.Lag(t.Context(), h.brokers, topicName, nil, l)
		return err == nil && d.CaughtUp()
	})
	p.interrupt()
	if code := p.endsWithin(stopLimit); code != 0 {
		t.Errorf("serve ended %d", code)
	}
	h.opened(func(o outcome) {
		want := goldref.Of(o.topic(), time.Now())
		checkLake(t, h.lake(), want)
		t.Logf("%d records accepted, %d dead letters, %d tombstones", len(want.Accepted), len(want.DeadLetters), want.Tombstones)
	})
}

// sees waits for a sign of what a process does.
func (h *home) sees(p *process, sign func() bool) {
	h.t.Helper()
	eventually(h.t, "a sign of the process", func() bool {
		if !p.running() {
			h.t.Fatal("the process has ended by itself")
		}
		return sign()
	})
}

func (h *home) list(pattern string) []string {
	h.t.Helper()
	names, err := filepath.Glob(h.path(pattern))
	if err != nil {
		h.t.Fatal(err)
	}
	return names
}

// commits is the number of the log's last entry.
func (h *home) commits() int {
	h.t.Helper()
	entries, err := os.ReadDir(h.path("lake", "_log", topicName))
	if err != nil && !os.IsNotExist(err) {
		h.t.Fatal(err)
	}
	last := 0
	for _, e := range entries {
		if n, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".json")); err == nil {
			last = max(last, n)
		}
	}
	return last
}

// loadEvents are n events from number from on: mostly payments of two days, some dead letters and tombstones.
func loadEvents(from, n int) []goldref.Event {
	list := make([]goldref.Event, n)
	for i := range list {
		id := from + i
		when := at("2024-06-01T23:00:00Z").Add(time.Duration(id) * 37 * time.Millisecond)
		list[i] = record(id, "SUCCESS", when.Format(time.RFC3339Nano), when, fmt.Sprintf(`"city":"%032d"`, id))
		switch {
		case id%101 == 0:
			list[i].Value = nil
		case id%97 == 0:
			list[i].Value = []byte("{broken")
		}
	}
	return list
}

// produceUnderLoad puts events on the topic without pause until stop is called.
func produceUnderLoad(t *testing.T, brokers []string) (stop func()) {
	t.Helper()
	const batch = 100
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topicName))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		defer client.Close()
		tick := time.NewTicker(50 * time.Millisecond) // the broker keeps all of it in memory
		defer tick.Stop()
		for id := 1000; ; id += batch {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			var records []*kgo.Record
			for _, e := range loadEvents(id, batch) {
				records = append(records, &kgo.Record{Key: e.Key, Value: e.Value, Timestamp: e.Time})
			}
			if err := client.ProduceSync(context.WithoutCancel(ctx), records...).FirstErr(); err != nil {
				t.Errorf("produce under load: %v", err)
				return
			}
		}
	})
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); running.Wait() }) }
	t.Cleanup(stop)
	return stop
}
