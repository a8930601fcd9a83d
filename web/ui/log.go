package ui

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

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
	fresh bool                // nothing was sent yet
	kept  []engine.Attachment // what came by that is no line
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
			raw = append(raw, l.split(c.Lines)...)
		}
		if over := len(raw) - maxLogLines; over > 0 {
			raw, left = raw[over:], left+over
		}
		if len(chunks) == 0 {
			break
		}
	}
	return logLines(raw), left, nil
}

// take is the lines of a chunk that are of this log.
func (l *logFollower) take(chunk []byte) []logLine { return logLines(l.split(chunk)) }

func (l *logFollower) split(chunk []byte) [][]byte {
	var part [][]byte
	for line := range bytes.Lines(chunk) {
		if a, ok := engine.ParseAttachment(line); ok {
			l.kept = append(l.kept, a)
			continue
		}
		part = append(part, bytes.TrimSpace(line))
	}
	if l.node != nil {
		part = api.OfNode(part, *l.node)
	}
	return part
}

// logLines are lines as pages show them, with what is personal hidden.
func logLines(raw [][]byte) []logLine {
	var out []logLine
	for _, r := range raw {
		line := api.ParseLine(r)
		line.Text = maskText(line.Text)
		line.Attrs = slices.DeleteFunc(line.Attrs, func(a api.Attr) bool { return a.Value == "" })
		for i, a := range line.Attrs {
			line.Attrs[i].Value = maskValue(a.Name, a.Value)
		}
		out = append(out, logLine{line, levelClass(line.Level)})
	}
	return out
}

func levelClass(level string) string {
	switch level {
	case "ERROR", "WARN", "DEBUG":
		return "l-" + level
	}
	return ""
}

// textLog is the whole log of a try as text, part by part, with what is personal hidden as on the page.
func (s *server) textLog(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	pg, err := s.taskPage(ctx, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if d, ok := pg.Data.(*taskData); ok && d.NoTry != "" {
		s.fail(w, r, notFound("try %s of %s", d.NoTry, d.Label))
		return
	}
	l := &logFollower{key: pg.Log.key, try: pg.Log.try, node: pg.Log.node}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for {
		chunks, err := s.Store.ReadLog(ctx, l.key, l.try, l.after, logPart)
		if err != nil {
			s.Log.Error("a log broke off", "path", r.URL.Path, "error", err)
			panic(http.ErrAbortHandler) // so that the client does not take it for the whole
		}
		if len(chunks) == 0 {
			return
		}
		for _, c := range chunks {
			l.after = c.Seq
			for _, line := range l.take(c.Lines) {
				if _, err := io.WriteString(w, line.plain()+"\n"); err != nil {
					return // the client is gone
				}
			}
		}
	}
}

func (l logLine) plain() string {
	var b strings.Builder
	if !l.At.IsZero() {
		fmt.Fprintf(&b, "%s %-5s ", l.At.UTC().Format("2006-01-02T15:04:05.000Z"), l.Level)
	}
	b.WriteString(l.Text)
	for _, a := range l.Attrs {
		fmt.Fprintf(&b, " %s=%s", a.Name, a.Value)
	}
	return b.String()
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
