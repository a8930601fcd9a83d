package engine

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRetryDelay(t *testing.T) {
	const never = 0.5 // jitter's middle: no change
	for _, c := range []struct {
		name  string
		retry Retry
		n     int
		rnd   float64
		want  time.Duration
	}{
		{"the pipeline's first", Retry{Max: 2, Initial: 5 * time.Minute, Multiplier: 2}, 1, never, 5 * time.Minute},
		{"the pipeline's second", Retry{Max: 2, Initial: 5 * time.Minute, Multiplier: 2}, 2, never, 10 * time.Minute},
		{"multiplier 1 is constant", Retry{Initial: time.Minute, Multiplier: 1}, 40, never, time.Minute},
		{"multiplier 0 is constant", Retry{Initial: time.Minute}, 40, never, time.Minute},
		{"a fraction is exact to the nanosecond", Retry{Initial: time.Second, Multiplier: 1.1}, 3, never, 1210 * time.Millisecond},
		{"max delay", Retry{Initial: time.Minute, Multiplier: 2, MaxDelay: 5 * time.Minute}, 4, never, 5 * time.Minute},
		{"a day by default", Retry{Initial: time.Hour, Multiplier: 10}, 3, never, 24 * time.Hour},
		{"try 50,000", Retry{Initial: time.Second, Multiplier: 2}, 50_000, never, 24 * time.Hour},
		{"try 50,000 with the longest bound", Retry{Initial: time.Second, Multiplier: 2, MaxDelay: math.MaxInt64, Jitter: 1}, 50_000, 0.999, math.MaxInt64},
		{"no initial delay, late", Retry{Multiplier: 2}, 50_000, never, 0},
		{"jitter at its lowest", Retry{Initial: 100 * time.Second, Jitter: 0.25}, 1, 0, 75 * time.Second},
		{"jitter in the middle", Retry{Initial: 100 * time.Second, Jitter: 0.25}, 1, 0.5, 100 * time.Second},
		{"jitter after the bound", Retry{Initial: time.Hour, Multiplier: 100, Jitter: 0.5}, 9, 0.75, 30 * time.Hour},
		{"full jitter at its lowest", Retry{Initial: time.Second, Jitter: 1}, 1, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.retry.Delay(c.n, c.rnd); got != c.want {
				t.Errorf("%+v.Delay(%d, %v) = %s, want %s", c.retry, c.n, c.rnd, got, c.want)
			}
		})
	}
}

func TestRetryDelayStaysInBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Retry{
			Initial:    time.Duration(rapid.Int64Range(0, int64(DefaultMaxDelay)).Draw(t, "initial")),
			MaxDelay:   time.Duration(rapid.Int64Range(int64(DefaultMaxDelay), math.MaxInt64).Draw(t, "max delay")),
			Multiplier: rapid.Float64Range(1, 1e9).Draw(t, "multiplier"),
		}
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(1, 100_000).Draw(t, "n")
		this, next := r.Delay(n, 0.5), r.Delay(n+1, 0.5)
		if this < r.Initial || this > r.MaxDelay || next < this {
			t.Fatalf("delays %s, %s are not between %s and %s and rising", this, next, r.Initial, r.MaxDelay)
		}
		r.Jitter = rapid.Float64Range(0, 1).Draw(t, "jitter")
		if d := r.Delay(n, rapid.Float64Range(0, 0.999).Draw(t, "rnd")); d < 0 {
			t.Fatalf("delay %s is below 0", d)
		}
	})
}

func TestRetryNext(t *testing.T) {
	r := Retry{Max: 2, Initial: 5 * time.Minute, Multiplier: 2}
	boom := errors.New("boom")
	for _, c := range []struct {
		name       string
		retry      Retry
		end        Ending
		err        error
		failures   int
		lostBefore bool
		want       bool
		delay      time.Duration
	}{
		{"failed once", r, EndFailed, boom, 1, false, true, 5 * time.Minute},
		{"failed twice", r, EndFailed, boom, 2, false, true, 10 * time.Minute},
		{"failed three times", r, EndFailed, boom, 3, false, false, 0},
		{"no retries", Retry{}, EndFailed, boom, 1, false, false, 0},
		{"timed out counts", r, EndTimedOut, nil, 2, false, true, 10 * time.Minute},
		{"timed out for the last time", r, EndTimedOut, nil, 3, false, false, 0},
		{"lost for the first time: at once", r, EndLost, nil, 1, false, true, 0},
		{"lost after failing: at once", r, EndLost, nil, 2, false, true, 0},
		{"lost again: by the delay", r, EndLost, nil, 2, true, true, 10 * time.Minute},
		{"lost counts against max", r, EndLost, nil, 3, false, false, 0},
		{"lost without retries", Retry{}, EndLost, nil, 1, false, false, 0},
		{"cancelled", r, EndCancelled, boom, 1, false, false, 0},
		{"succeeded", r, EndSuccess, nil, 0, false, false, 0},
		{"skipped", r, EndSkipped, Skip("no data"), 0, false, false, 0},
		{"permanent", r, EndFailed, Permanent(boom), 1, false, false, 0},
		{"permanent, wrapped", r, EndFailed, fmt.Errorf("loading: %w", Permanent(boom)), 1, false, false, 0},
		{"permanent, joined", r, EndFailed, errors.Join(boom, Permanent(boom)), 1, false, false, 0},
		{"permanent beats retry after", r, EndFailed, RetryAfter(Permanent(boom), time.Hour), 1, false, false, 0},
		{"permanent as its time ran out", r, EndTimedOut, Permanent(boom), 1, false, false, 0},
		{"retry after", r, EndFailed, RetryAfter(boom, 7*time.Second), 1, false, true, 7 * time.Second},
		{"retry after, wrapped, beyond max delay", r, EndFailed, fmt.Errorf("calling: %w", RetryAfter(boom, 48*time.Hour)), 2, false, true, 48 * time.Hour},
		{"retry after counts against max", r, EndFailed, RetryAfter(boom, time.Second), 3, false, false, 0},
		{"retry after below 0", r, EndFailed, RetryAfter(boom, -time.Second), 1, false, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, delay := c.retry.Next(c.end, c.err, c.failures, c.lostBefore, 0.5)
			if got != c.want || delay != c.delay {
				t.Errorf("retry %v after %s, want %v after %s", got, delay, c.want, c.delay)
			}
		})
	}
}

func TestRetryValidate(t *testing.T) {
	for _, c := range []struct {
		retry Retry
		field string // "": valid
	}{
		{Retry{}, ""},
		{Retry{Max: 2, Initial: 5 * time.Minute, Multiplier: 2, MaxDelay: time.Hour, Jitter: 1}, ""},
		{Retry{Max: -1}, "retry.max"},
		{Retry{Initial: -1}, "retry.initial"},
		{Retry{MaxDelay: -1}, "retry.max_delay"},
		{Retry{Initial: time.Hour, MaxDelay: time.Minute}, "retry.max_delay"},
		{Retry{Initial: 25 * time.Hour}, "retry.max_delay"},
		{Retry{Multiplier: 0.5}, "retry.multiplier"},
		{Retry{Multiplier: -2}, "retry.multiplier"},
		{Retry{Multiplier: math.NaN()}, "retry.multiplier"},
		{Retry{Multiplier: math.Inf(1)}, "retry.multiplier"},
		{Retry{Jitter: -0.1}, "retry.jitter"},
		{Retry{Jitter: 1.1}, "retry.jitter"},
		{Retry{Jitter: math.NaN()}, "retry.jitter"},
	} {
		err := c.retry.Validate()
		if c.field == "" {
			if err != nil {
				t.Errorf("%+v: %v", c.retry, err)
			}
			continue
		}
		invalid, ok := errors.AsType[*InvalidError](err)
		if !ok || invalid.Field != c.field || !strings.Contains(invalid.Message, "; ") {
			t.Errorf("%+v: %v, want an InvalidError of %s that names the fix", c.retry, err, c.field)
		}
	}
}

func TestTaskErrorsKeepWhatTheyWrap(t *testing.T) {
	for _, err := range []error{Permanent(io.ErrUnexpectedEOF), RetryAfter(io.ErrUnexpectedEOF, time.Second)} {
		if !errors.Is(err, io.ErrUnexpectedEOF) || err.Error() != io.ErrUnexpectedEOF.Error() {
			t.Errorf("%#v hides what it wraps", err)
		}
	}
	if err := Permanent(nil); err != nil {
		t.Errorf("Permanent(nil) = %v", err)
	}
	if err := RetryAfter(nil, time.Second); err != nil {
		t.Errorf("RetryAfter(nil) = %v", err)
	}
	skip, ok := errors.AsType[*SkipError](fmt.Errorf("checking: %w", Skip("no data")))
	if !ok || skip.Reason != "no data" {
		t.Errorf("the skip's reason is lost: %v", skip)
	}
}
