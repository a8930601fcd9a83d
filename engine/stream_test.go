package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

type progress struct{ Rows int }

// counted is a stream that runs until it is stopped, and knows how many replicas of it run.
type counted struct {
	now, most, starts atomic.Int32
	stream            *engine.Stream
}

func newCounted(opts ...engine.StreamOption) *counted {
	c := &counted{}
	c.stream = engine.NewStream("tide", func(ctx context.Context, report func(progress)) error {
		c.starts.Add(1)
		n := c.now.Add(1)
		defer c.now.Add(-1)
		for m := c.most.Load(); n > m && !c.most.CompareAndSwap(m, n); m = c.most.Load() {
		}
		report(progress{Rows: 7})
		<-ctx.Done()
		return ctx.Err()
	}, opts...)
	return c
}

func with(streams ...*engine.Stream) func(*engine.Config) {
	return func(c *engine.Config) { c.Streams = streams }
}

func streamStatus(t *testing.T, store engine.Store) engine.StreamStatus {
	t.Helper()
	all, err := store.Streams(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("streams: %v, %v", all, err)
	}
	return all[0]
}

func TestStreamIsTakenOver(t *testing.T) {
	store, catalog, c := memory(), compiled(t), newCounted()
	_, stop := started(t, store, catalog, with(c.stream))
	eventually(t, "it runs", func() bool { return c.now.Load() == 1 })
	started(t, store, catalog, with(c.stream))
	stop()
	eventually(t, "the other process runs it", func() bool { return c.now.Load() == 1 && c.starts.Load() == 2 })
	if n := c.most.Load(); n != 1 {
		t.Errorf("%d ran at once", n)
	}
	if r := streamStatus(t, store).Replicas[0]; r.Restarts != 0 || r.Error != "" {
		t.Errorf("a drain is shown as a failure: %+v", r)
	}
}

func TestAtMostNReplicas(t *testing.T) {
	store, catalog, c := memory(), compiled(t), newCounted(engine.Replicas(2))
	for range 3 {
		started(t, store, catalog, with(c.stream))
	}
	eventually(t, "two run", func() bool { return c.now.Load() == 2 })
	eventually(t, "both are shown", func() bool {
		s := streamStatus(t, store)
		return s.Replicas[0].State == "running" && s.Replicas[1].State == "running"
	})
	if n := c.most.Load(); n != 2 {
		t.Errorf("%d ran at once", n)
	}
}

func TestStreamPausesAndResumes(t *testing.T) {
	store, clock, tune := mocked(t)
	c := newCounted()
	running(t, store, func(cfg *engine.Config) { tune(cfg); with(c.stream)(cfg) })
	elapse(t, clock, "it reports progress", func() bool {
		var p progress
		raw := streamStatus(t, store).Replicas[0].Progress
		return raw != nil && json.Unmarshal(raw, &p) == nil && p.Rows == 7
	})
	for _, step := range []struct {
		paused bool
		want   string
	}{{true, "paused"}, {false, "running"}} {
		if err := store.SetStreamPaused(t.Context(), "tide", step.paused); err != nil {
			t.Fatal(err)
		}
		elapse(t, clock, "it is "+step.want, func() bool { return streamStatus(t, store).Replicas[0].State == step.want })
	}
	if r := streamStatus(t, store).Replicas[0]; r.Restarts != 0 || r.Error != "" {
		t.Errorf("a pause is shown as a failure: %+v", r)
	}
}

// A stream that fails starts again after 1 s, 2 s, 4 s …, and each failure is told. An end that nobody asked for and a panic fail too.
func TestStreamStartsAgainWithBackoff(t *testing.T) {
	var starts atomic.Int32
	s := engine.NewStream("tide", func(context.Context, func(progress)) error {
		switch starts.Add(1) {
		case 1:
			return errors.New("broker away")
		case 2:
			return nil
		}
		panic("bad record")
	})
	store, clock := dated(t, "2024-01-01")
	if err := store.RegisterReceiver(t.Context(), "pager", ""); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var told []engine.CallbackEvent
	running(t, store, func(c *engine.Config) {
		c.Streams = []*engine.Stream{s}
		c.Deliver = map[string]engine.DeliverFunc{"pager": func(_ context.Context, m engine.Message) error {
			mu.Lock()
			defer mu.Unlock()
			var e engine.CallbackEvent
			if err := json.Unmarshal(m.Data, &e); err != nil {
				return err
			}
			told = append(told, e)
			return nil
		}}
	})
	for i, want := range []struct {
		after time.Duration
		error string
	}{{time.Second, "broker away"}, {2 * time.Second, "the stream ended by itself"}, {4 * time.Second, "panic: bad record"}} {
		eventually(t, "it has failed and that is told", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(told) == i+1 && streamStatus(t, store).Replicas[0].State == "restarting"
		})
		r := streamStatus(t, store).Replicas[0]
		if d := r.NextStart.Sub(clock.Now()); d != want.after || r.Restarts != i+1 {
			t.Errorf("after failure %d it starts in %s, restarts %d", i+1, d, r.Restarts)
		}
		if e := told[i]; e.Type != engine.EventStreamFailed || e.Task != "tide" || len(e.Error) < len(want.error) || e.Error[:len(want.error)] != want.error {
			t.Errorf("told %+v, want %s", e, want.error)
		}
		clock.Set(*r.NextStart)
	}
}

// A process that cannot reach the store stops its streams after 10 s. When it can again, they go on.
func TestStreamIsCutOffAndGoesOn(t *testing.T) {
	store, clock, tune := mocked(t)
	c := newCounted()
	l := &link{Store: store}
	running(t, l, func(cfg *engine.Config) { tune(cfg); with(c.stream)(cfg) })
	elapse(t, clock, "it runs", func() bool { return c.now.Load() == 1 })
	l.cut.Store(true)
	cutAt := clock.Now()
	elapse(t, clock, "it is stopped", func() bool { return c.now.Load() == 0 })
	if d := clock.Now().Sub(cutAt); d > engine.DefaultDeadAfter {
		t.Errorf("it was stopped after %s: another process may run it already", d)
	}
	l.cut.Store(false)
	elapse(t, clock, "it runs again", func() bool { return c.now.Load() == 1 })
}

// A claim is committed and its answer lost: the replica is not left leased to a process that does not run it.
func TestStreamClaimWithoutAnAnswer(t *testing.T) {
	for _, op := range []string{"ClaimStream.commit", "EndStream"} {
		t.Run(op, func(t *testing.T) {
			store, c := memory(), newCounted()
			var failed atomic.Bool
			store.Fail = func(o string) error {
				if o == op && !failed.Swap(true) {
					return errors.New("connection reset")
				}
				return nil
			}
			var first atomic.Bool
			s := engine.NewStream("tide", func(ctx context.Context, _ func(progress)) error {
				c.now.Add(1)
				if op == "EndStream" && !first.Swap(true) {
					return errors.New("once")
				}
				<-ctx.Done()
				return nil
			}, engine.RestartBackoff(time.Millisecond, time.Millisecond))
			running(t, store, with(s))
			want := int32(1)
			if op == "EndStream" {
				want = 2
			}
			eventually(t, "it runs", func() bool { return failed.Load() && c.now.Load() == want })
		})
	}
}

// A stream that does not heed its context does not hold up the shutdown for longer than the grace.
func TestDeafStreamIsLeftBehind(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	s := engine.NewStream("tide", func(context.Context, func(progress)) error { close(begun); <-release; return nil })
	_, stop := started(t, memory(), compiled(t), func(c *engine.Config) { c.Streams, c.DrainGrace = []*engine.Stream{s}, 10*time.Millisecond })
	<-begun
	stop()
	close(release)
}

func TestStreamsThatAreRefused(t *testing.T) {
	body := func(context.Context, func(progress)) error { return nil }
	for name, streams := range map[string][]*engine.Stream{
		"name":     {engine.NewStream("no spaces", body)},
		"replicas": {engine.NewStream("s", body, engine.Replicas(0))},
		"progress": {engine.NewStream("s", func(context.Context, func(chan int)) error { return nil })},
		"twice":    {engine.NewStream("s", body), engine.NewStream("s", body)},
	} {
		if _, err := engine.NewRuntime(engine.Config{Store: enginetest.NewStore(enginetest.NewClock(t)), Catalog: compiled(t), Streams: streams}); err == nil {
			t.Errorf("%s: it is not refused", name)
		}
	}
}
