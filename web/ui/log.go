package ui

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
	"github.com/tidemill/tidemill/web/live"
)

// How much of a log a page shows: the last lines of it. All of it is a link away.
const (
	maxLogLines = 2000
	logPart     = 1 << 20
)

// A logFollower reads the log of one try, part by part.
type logFollower struct {
	key   engine.TaskKey
	try   int
	node  *engine.TaskView // a virtual node whose lines are picked; nil: all
	after int64
	fresh bool // nothing was sent yet
}

// follow goes on with a log if it is the same one, and starts with the other if not.
func (l *logFollower) follow(now *logFollower) (*logFollower, error) {
	if l != nil && l.key == now.key && l.try == now.try && sameNode(l.node, now.node) {
		return l, nil
	}
	return &logFollower{key: now.key, try: now.try, node: now.node, fresh: true}, nil
}

func sameNode(a, b *engine.TaskView) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Task == b.Task && string(a.Details) == string(b.Details)
}

// A logLine is a line as pages show it.
type logLine struct {
	api.Line
	Class string
}

// next reads what was written since, at most the last lines of it; left is how many lines before were left out.
func (l *logFollower) next(ctx context.Context, s engine.Store) (lines []logLine, left int, err error) {
	var raw [][]byte
	for {
		chunks, err := s.ReadLog(ctx, l.key, l.try, l.after, logPart)
		if err != nil {
			return nil, 0, fmt.Errorf("read the log of %s: %w", l.key.Task, err)
		}
		for _, c := range chunks {
			l.after = c.Seq
			var part [][]byte
			for line := range bytes.Lines(c.Lines) {
				part = append(part, bytes.TrimSpace(line))
			}
			if l.node != nil {
				part = api.OfNode(part, *l.node)
			}
			raw = append(raw, part...)
		}
		if over := len(raw) - maxLogLines; over > 0 {
			raw, left = raw[over:], left+over
		}
		if len(chunks) == 0 {
			break
		}
	}
	for _, r := range raw {
		line := api.ParseLine(r)
		line.Text = maskText(line.Text)
		for i, a := range line.Attrs {
			line.Attrs[i].Value = maskValue(a.Name, a.Value)
		}
		lines = append(lines, logLine{line, levelClass(line.Level)})
	}
	return lines, left, nil
}

func levelClass(level string) string {
	switch level {
	case "ERROR", "WARN", "DEBUG":
		return "l-" + level
	}
	return ""
}

// logData is what the template of lines gets.
type logData struct {
	Lines []logLine
	Left  int
}

// sendLog sends the lines that were written since; the first time also that the log starts anew.
func (s *server) sendLog(ctx context.Context, out *live.Stream, l *logFollower) error {
	lines, left, err := l.next(ctx, s.Store)
	if err != nil || len(lines) == 0 && !l.fresh {
		return err
	}
	event := "log"
	if l.fresh {
		event = "log-reset"
	}
	var b bytes.Buffer
	if err := s.templates["task"].ExecuteTemplate(&b, "lines", logData{lines, left}); err != nil {
		return err
	}
	l.fresh = false
	return out.Send(event, b.Bytes())
}
