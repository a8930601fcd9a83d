package engine

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

func limited() *DAG[NoParams] {
	d := New[NoParams]("limited", RunTimeout(time.Minute))
	a := After(d.Run(), "a", number, Retry{Max: 1, Initial: time.Minute})
	After(a, "b", same)
	return d
}

// A run that ends in the transition that starts it leaves no timer behind, although that set one.
func TestRunThatEndsAtItsStartLeavesNoTimer(t *testing.T) {
	s := newSim(t, limited())
	s.do("start; skip a; clear b; start")
	if got := s.String(); got != "success a=skipped b=skipped" {
		t.Errorf("got %s", got)
	}
	if len(s.timers) != 0 {
		t.Errorf("the run is over and leaves behind %v", s.timers)
	}
}

// A retry and the run's time limit fall due together: what the one queues the other takes out.
func TestRetryAndRunLimitTogether(t *testing.T) {
	for _, order := range []string{"retry limit", "limit retry"} {
		s := newSim(t, limited())
		s.do("start; fail a")
		s.now = s.now.Add(time.Minute)
		s.change(func(m *machine) {
			for kind := range strings.FieldsSeq(order) {
				if kind == "retry" {
					m.timerFired(Timer{TaskKey: keyNamed("a"), Kind: TimerRetry})
				} else {
					m.timerFired(m.runTimer(TimerRunLimit))
				}
			}
		})
		if s.row.State != RunFailed || len(s.queue)+len(s.timers) != 0 {
			t.Errorf("%s: %s, queue %v, timers %v", order, s, s.queue, s.timers)
		}
	}
}

// A process reads that a run's time is over, freezes, and goes on when the run has been cleared and started anew: that start has its time.
func TestRunLimitOfAnEarlierStart(t *testing.T) {
	s := newSim(t, limited())
	s.do("start; fail a; wait 1m; clear a")
	s.change(func(m *machine) { m.timerFired(m.runTimer(TimerRunLimit)) })
	if s.row.State != RunQueued {
		t.Errorf("a run that has not begun anew: %s", s)
	}
	s.do("start; wait 10s")
	s.change(func(m *machine) { m.timerFired(m.runTimer(TimerRunLimit)) })
	if s.row.State != RunRunning {
		t.Errorf("a run that has 50 s left: %s", s)
	}
	s.do("wait 50s")
	if s.row.State != RunFailed {
		t.Errorf("a run that has had its minute: %s", s)
	}
}

// A skip that is certain does not wait for an upstream that cannot change it.
func TestCertainSkipDoesNotWait(t *testing.T) {
	d := New[NoParams]("d")
	slow, skipped := After(d.Run(), "slow", number), After(d.Run(), "skipped", number)
	After(Settled(slow), "reader", func(context.Context, Result[int]) (int, error) { return 0, nil }, Waits(skipped))
	s := newSim(t, d)
	s.do("start; skip skipped")
	if got := s.String(); got != "running slow=queued skipped=skipped reader=skipped" {
		t.Errorf("got %s", got)
	}
}

// What started by a clock that is ahead of the store's has not ended before it started.
func TestNothingEndsBeforeItStarted(t *testing.T) {
	d := New[NoParams]("d")
	After(d.Run(), "a", number)
	s := newSim(t, d)
	s.change(func(m *machine) { m.start() })
	ahead := s.now.Add(time.Hour)
	s.row.StartedAt = &ahead
	key := TaskKey{Run: 1, Task: "a", MapIndex: -1}
	delete(s.queue, key)
	var c RunChange
	s.change(func(m *machine) {
		m.endAttempt(AttemptEnd{Lease: Lease{TaskKey: key}, Try: 1, Ending: EndSuccess, Output: []byte("1"), StartedAt: &ahead})
		m.settle()
		c = m.change
	})
	if len(c.Attempts) != 1 || c.Attempts[0].EndedAt.Before(*c.Attempts[0].StartedAt) {
		t.Errorf("attempts are %+v", c.Attempts)
	}
	if c.EndedAt == nil || c.EndedAt.Before(ahead) {
		t.Errorf("the run ended at %v, and started at %v", c.EndedAt, ahead)
	}
}

// A date that JSON cannot tell does not keep a run from its end.
func TestARunOfADateThatCannotBeToldEnds(t *testing.T) {
	d := New[NoParams]("d")
	After(d.Run(), "a", number)
	s := newSim(t, d)
	far := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	s.row.Logical = &far
	s.change(func(m *machine) { m.start() })
	key := TaskKey{Run: 1, Task: "a", MapIndex: -1}
	delete(s.queue, key)
	s.change(func(m *machine) {
		m.endAttempt(AttemptEnd{Lease: Lease{TaskKey: key}, Try: 1, Ending: EndSuccess, Output: []byte("1")})
	})
	if s.row.State != RunSuccess || !slices.Contains(s.told, "event "+EventRunSucceeded) {
		t.Errorf("the run is %s, told was %q", s.row.State, s.told)
	}
}
