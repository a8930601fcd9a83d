package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidemill/tidemill/engine"
)

// Every line is kept, once and in order, though the store is away for a while, and the last ones though the process ends at once.
func TestTaskLogsAreComplete(t *testing.T) {
	const lines = 500
	d := engine.New[engine.NoParams]("d")
	engine.Sink(d.Run(), "chatty", func(ctx context.Context, _ run) error {
		for i := range lines {
			engine.Log(ctx).Info(fmt.Sprintf("line %d;", i))
		}
		return nil
	})
	store := memory()
	var away atomic.Int32
	store.Fail = func(op string) error {
		if op == "AppendLog" && away.Add(1) <= 2 {
			return errors.New("away")
		}
		return nil
	}
	r, stop := started(t, store, compiled(t, d), nil)
	v := settled(t, r, "d")
	eventually(t, "the store was away", func() bool { return away.Load() > 2 })
	stop()
	text := logOf(t, store, v.Tasks[0].TaskKey, 1)
	at := 0
	for i := range lines {
		line := fmt.Sprintf("line %d;", i)
		n := strings.Index(text[at:], line)
		if n < 0 {
			t.Fatalf("%q is missing or out of order", line)
		}
		at += n
	}
	if n := strings.Count(text, "\n"); n != lines {
		t.Errorf("%d lines, want %d", n, lines)
	}
}

// What the store refuses of one log does not hold up the others.
func TestRefusedLogLinesDoNotHoldUpOthers(t *testing.T) {
	d := engine.New[engine.NoParams]("d")
	for _, id := range []string{"bad", "good"} {
		engine.Sink(d.Run(), id, func(ctx context.Context, _ run) error { engine.Log(ctx).Info("from " + id); return nil })
	}
	store := &refusingLogs{memory()}
	r, stop := started(t, store, compiled(t, d), nil)
	v := settled(t, r, "d")
	stop()
	for _, tv := range v.Tasks {
		if got, want := logOf(t, store, tv.TaskKey, 1) != "", tv.Task == "good"; got != want {
			t.Errorf("%s has a log: %v", tv.Task, got)
		}
	}
}

type refusingLogs struct{ engine.Store }

func (s *refusingLogs) AppendLog(ctx context.Context, chunks []engine.LogChunk) error {
	for _, c := range chunks {
		if c.Task == "bad" {
			return fmt.Errorf("append: %w", engine.ErrRefused)
		}
	}
	return s.Store.AppendLog(ctx, chunks)
}
