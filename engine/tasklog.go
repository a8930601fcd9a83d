package engine

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tidemill/tidemill/engine/secret"
)

// Sizes of a task's log on its way to the store.
const (
	logFlushEvery = 300 * time.Millisecond
	logFlushBytes = 64 << 10
)

// logSink collects the logs of a process's attempts and writes them to the store in batches. When the store cannot take them
// for a while, lines wait up to maxPending bytes; beyond that writers wait too, so that nothing is lost and memory is bounded.
type logSink struct {
	store Store
	log   *slog.Logger
	mu    sync.Mutex
	room  *sync.Cond
	open  []*attemptLog
	size  int
	wake  chan struct{}
	ended bool
}

const maxPending = 2 << 20

func newLogSink(s Store, log *slog.Logger) *logSink {
	l := &logSink{store: s, log: log, wake: make(chan struct{}, 1)}
	l.room = sync.NewCond(&l.mu)
	return l
}

// attemptLog is the log of one attempt: an io.Writer of NDJSON lines.
type attemptLog struct {
	sink   *logSink
	key    TaskKey
	try    int
	buf    bytes.Buffer
	queued bool
}

func (l *logSink) attempt(key TaskKey, try int) *attemptLog {
	return &attemptLog{sink: l, key: key, try: try}
}

// Write adds one or more lines. It never fails; it waits while too much is pending.
func (a *attemptLog) Write(p []byte) (int, error) {
	l := a.sink
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.size > maxPending && !l.ended {
		l.room.Wait()
	}
	a.buf.Write(p)
	l.size += len(p)
	if !a.queued {
		a.queued = true
		l.open = append(l.open, a)
	}
	if l.size >= logFlushBytes {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return len(p), nil
}

// run writes what comes until ctx ends, and then the rest.
func (l *logSink) run(ctx context.Context, clock Clock) {
	tick := clock.NewTicker(logFlushEvery, "logs")
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			l.flush(last)
			l.mu.Lock()
			l.ended = true
			l.room.Broadcast()
			l.mu.Unlock()
			return
		case <-tick.C:
		case <-l.wake:
		}
		l.flush(ctx)
	}
}

// flush writes what is pending. What cannot be written stays pending.
func (l *logSink) flush(ctx context.Context) {
	l.mu.Lock()
	open := l.open
	l.open = nil
	chunks := make([]LogChunk, 0, len(open))
	for _, a := range open {
		a.queued = false
		chunks = append(chunks, LogChunk{TaskKey: a.key, Try: a.try, Lines: a.buf.Bytes()})
		a.buf = bytes.Buffer{} // the lines are the chunk's now
	}
	l.mu.Unlock()
	if len(chunks) == 0 {
		return
	}
	err := l.append(ctx, chunks)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.log.Warn("task logs could not be stored; trying again", "error", err)
		for i, a := range open {
			rest := bytes.Clone(a.buf.Bytes())
			a.buf.Reset()
			a.buf.Write(chunks[i].Lines)
			a.buf.Write(rest)
			if !a.queued {
				a.queued = true
				l.open = append(l.open, a)
			}
		}
		return
	}
	for _, c := range chunks {
		l.size -= len(c.Lines)
	}
	l.room.Broadcast()
}

// append stores chunks. One that the store refuses, whatever is tried, is left out, so that it does not hold up the others.
func (l *logSink) append(ctx context.Context, chunks []LogChunk) error {
	err := l.store.AppendLog(ctx, chunks)
	if !errors.Is(err, ErrRefused) {
		return err
	}
	if len(chunks) == 1 {
		l.log.Error("lines of a task's log were refused and are lost", "task", chunks[0].Task, "run", chunks[0].Run, "bytes", len(chunks[0].Lines), "error", err)
		return nil
	}
	for _, c := range chunks {
		if err := l.append(ctx, []LogChunk{c}); err != nil {
			return err
		}
	}
	return nil
}

// taskLogger writes an attempt's records, without secrets, to its log, and to the process's own log as well, which masks them itself.
func taskLogger(process *slog.Logger, known *secret.Redactor, a *attemptLog, info TaskInfo) *slog.Logger {
	own := known.Handler(slog.NewJSONHandler(a, &slog.HandlerOptions{Level: slog.LevelDebug}))
	attrs := []any{"dag", info.DAG, "run", info.RunID, "task", info.Task, "try", info.Try}
	if info.MapIndex >= 0 {
		attrs = append(attrs, "map_index", info.MapIndex)
	}
	return slog.New(teeHandler{own, process.With(attrs...).Handler()})
}

type teeHandler struct{ task, process slog.Handler }

func (h teeHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h teeHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.task.Handle(ctx, r)
	if h.process.Enabled(ctx, r.Level) {
		if perr := h.process.Handle(ctx, r); err == nil {
			err = perr
		}
	}
	return err
}

func (h teeHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return teeHandler{h.task.WithAttrs(attrs), h.process.WithAttrs(attrs)}
}

func (h teeHandler) WithGroup(name string) slog.Handler {
	return teeHandler{h.task.WithGroup(name), h.process.WithGroup(name)}
}
