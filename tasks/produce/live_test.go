package produce_test

import (
	"context"
	"testing"
	"time"

	"github.com/coder/quartz"

	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/produce"
)

// startLive runs Live on a clock of the test's own. tick lets one tick pass, and returns once Live has seen it.
func startLive(t *testing.T, ctx context.Context, brokers []string, o produce.LiveOptions) (clock *quartz.Mock, tick func(), done <-chan produce.Result) {
	t.Helper()
	clock = quartz.NewMock(t).WithLogger(quartz.NoOpLogger)
	clock.Set(time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC))
	made, seen := clock.Trap().NewTicker("live"), clock.Trap().Now("live", "tick")
	t.Cleanup(made.Close)
	t.Cleanup(seen.Close)
	result := make(chan produce.Result, 1)
	go func() {
		got, err := produce.Live(ctx, config(t, brokers), o, clock, nil)
		if err != nil {
			t.Error(err)
		}
		result <- got
	}()
	made.MustWait(ctx).MustRelease(ctx)
	return clock, func() {
		clock.Advance(100 * time.Millisecond).MustWait(t.Context())
		seen.MustWait(t.Context()).MustRelease(t.Context())
	}, result
}

func TestLiveKeepsItsRateAndItsTime(t *testing.T) {
	brokers := testkit.Broker(t)
	clock, tick, done := startLive(t, t.Context(), brokers, produce.LiveOptions{Rate: 400, For: time.Minute, Seed: 1})
	for clock.Now().Before(time.Date(2024, 5, 1, 12, 1, 0, 0, time.UTC)) {
		tick()
	}
	got := <-done
	if got.Sent != 400*60 || got.Acknowledged != got.Sent {
		t.Errorf("%+v, want 24,000 records in a minute", got)
	}
	states := map[string]int{}
	for _, records := range readTopic(t, brokers, "transactions") {
		for _, r := range records {
			var row payment.Row
			if payment.Decode(r.Value, &row) != nil {
				states["broken"]++
				continue
			}
			states[row.Status]++
			if r.Timestamp.Before(time.Date(2024, 5, 1, 11, 59, 55, 0, time.UTC)) || r.Timestamp.After(clock.Now()) {
				t.Fatalf("a record of %s", r.Timestamp)
			}
		}
	}
	if states["PENDING"] < 10_000 || states["SUCCESS"] < 1000 || states["FAILED"] < 80 || states["broken"] < 20 {
		t.Errorf("states %v", states)
	}
}

func TestLiveEndsWithItsContext(t *testing.T) {
	brokers := testkit.Broker(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, tick, done := startLive(t, ctx, brokers, produce.LiveOptions{Rate: 100, Seed: 1})
	for range 10 {
		tick()
	}
	cancel()
	if got := <-done; got.Acknowledged != got.Sent || got.Sent < 90 || got.Sent > 100 {
		t.Errorf("%+v, want 90 to 100 records, all acknowledged", got)
	}
}

func TestLiveRefusesNoRate(t *testing.T) {
	if _, err := produce.Live(t.Context(), config(t, testkit.Broker(t)), produce.LiveOptions{}, quartz.NewReal(), nil); err == nil {
		t.Error("no error")
	}
}
