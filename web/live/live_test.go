package live_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/quartz"
	"github.com/tidemill/tidemill/web/live"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStreamSendsWhatChanged(t *testing.T) {
	w := httptest.NewRecorder()
	s := live.NewStream(w)
	for _, data := range []string{"a\nb", "a\nb", "c", "a\nb"} {
		if _, err := s.Changed("k", "main", []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "retry: 1000\nid: 1\nevent: main\ndata: a\ndata: b\n\nid: 2\nevent: main\ndata: c\n\nid: 3\nevent: main\ndata: a\ndata: b\n\n"
	if got := w.Body.String(); got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
	for range 15 {
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.TrimPrefix(w.Body.String(), want); got != ": alive\n\n" {
		t.Errorf("a quiet stream says %q", got)
	}
}

func TestPulse(t *testing.T) {
	clock := quartz.NewMock(t)
	wake := make(chan struct{})
	p := live.NewPulse(clock, wake)
	trap := clock.Trap().NewTimer("pulse")
	defer trap.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	wait := func() chan error {
		done := make(chan error, 1)
		go func() { done <- p.Wait(ctx) }()
		trap.MustWait(ctx).MustRelease(ctx)
		return done
	}
	look := func(done chan error, what string) {
		t.Helper()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		case <-ctx.Done():
			t.Fatal(what + ": it does not look")
		}
	}
	// Without a hint: after the interval.
	done := wait()
	clock.Advance(live.Shortest).MustWait(ctx)
	trap.MustWait(ctx).MustRelease(ctx)
	clock.Advance(live.Interval - live.Shortest).MustWait(ctx)
	look(done, "without a hint")
	// A hint that one watcher takes reaches the other.
	a := wait()
	b := wait()
	clock.Advance(live.Shortest).MustWait(ctx)
	trap.MustWait(ctx).MustRelease(ctx)
	trap.MustWait(ctx).MustRelease(ctx)
	wake <- struct{}{}
	look(a, "the first")
	look(b, "the second")
	// An end.
	short, stop := context.WithCancel(ctx)
	stop()
	ended := make(chan error, 1)
	go func() { ended <- p.Wait(short) }()
	trap.MustWait(ctx).MustRelease(ctx)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
