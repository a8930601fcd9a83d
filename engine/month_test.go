package engine_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/coder/quartz"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// A jumping clock shows the time that it was set to. Its timers are real ones, which nobody waits for here.
type jumping struct {
	quartz.Clock
	now time.Time
}

func (c *jumping) Now(...string) time.Time { return c.now }

// minutes takes a DAG of one task, due each minute, through so many minutes of the virtual clock, one after the other, and returns how many
// bodies ran and the runs that there are then.
func minutes(tb testing.TB, n int) (bodies int, runs []engine.RunRow) {
	tb.Helper()
	ctx := context.Background()
	d := engine.New[engine.NoParams]("minutely", engine.Schedule("* * * * *", "UTC"))
	engine.After(d.Run(), "count", func(context.Context, run) (int, error) { bodies++; return bodies, nil })
	catalog, err := engine.Compile(d)
	if err != nil {
		tb.Fatal(err)
	}
	clock := &jumping{Clock: quartz.NewReal(), now: enginetest.Epoch.Add(time.Second)}
	store := enginetest.NewStore(clock)
	r, err := engine.NewStepped(engine.Config{Store: store, Catalog: catalog, Clock: clock, Log: slog.New(slog.DiscardHandler)}, func(_ engine.Lease, body func()) { body() })
	if err != nil {
		tb.Fatal(err)
	}
	ok := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	ok(r.Join(ctx))
	for range n {
		clock.now = clock.now.Add(time.Minute)
		ok(r.Schedule(ctx, "scheduled"))
		ok(r.Schedule(ctx, "queued"))
		_, err := r.ClaimOnce(ctx)
		ok(err)
		for c := range r.Completers() {
			for r.Ended(c) {
				r.CompleteOnce(ctx, c)
			}
		}
	}
	runs, _, err = store.Runs(ctx, engine.RunFilter{OrderBy: "logical"})
	ok(err)
	return bodies, runs
}

const month = 30 * 24 * 60

// A month of minutes is 43,200 runs, each of its own minute, none missed and none twice.
func TestMonthOfMinutes(t *testing.T) {
	bodies, runs := minutes(t, month)
	if bodies != month || len(runs) != month {
		t.Fatalf("%d bodies ran in %d runs, want %d", bodies, len(runs), month)
	}
	for i, r := range runs {
		if want := enginetest.Epoch.Add(time.Duration(i) * time.Minute); !r.Logical.Equal(want) || r.State != engine.RunSuccess {
			t.Fatalf("run %d is of %s and %s, want %s and success", i, r.Logical, r.State, want)
		}
	}
}

// BenchmarkMonthOfMinutes is that month through scheduler, queue, claim, body and end, one minute after the other.
func BenchmarkMonthOfMinutes(b *testing.B) {
	for b.Loop() {
		minutes(b, month)
	}
	b.ReportMetric(float64(month)*float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}
