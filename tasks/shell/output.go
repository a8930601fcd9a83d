package shell

import (
	"bytes"
	"io"
	"log/slog"
	"strings"

	"github.com/tidemill/tidemill/tasks/internal/mask"
)

// A sink takes one of a command's streams: masked, its lines are logged and its end is kept.
type sink struct {
	masked io.WriteCloser
	lines  *lineLog // nil: not logged
	tail   tail
}

func newSink(log *slog.Logger, stream string, m *mask.Masker, keep int) *sink {
	s := &sink{lines: &lineLog{log: log.With("stream", stream)}, tail: tail{keep: keep}}
	s.masked = m.Writer(writerFunc(s.take))
	return s
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

func (s *sink) take(p []byte) {
	s.tail.add(p)
	if s.lines != nil {
		s.lines.add(p)
	}
}

// close logs what is left of a last line without an end.
func (s *sink) close() {
	_ = s.masked.Close() // take does not fail
	if s.lines != nil {
		s.lines.end()
	}
}

// maxLine is how much of a line is one entry of the log. A longer one becomes several, numbered by the attribute part.
const maxLine = 16 << 10

// A lineLog logs a stream line by line.
type lineLog struct {
	log  *slog.Logger
	open []byte
	part int // of the line that is open: parts logged
}

func (l *lineLog) add(p []byte) {
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		room := maxLine - len(l.open)
		switch {
		case i >= 0 && i <= room:
			l.open = append(l.open, p[:i]...)
			p = p[i+1:]
			l.write(true)
		case len(p) >= room:
			l.open = append(l.open, p[:room]...)
			p = p[room:]
			l.write(false)
		default:
			l.open = append(l.open, p...)
			return
		}
	}
}

func (l *lineLog) end() {
	if len(l.open) > 0 {
		l.write(true)
	}
}

// write logs what is open. Where the line goes on, a character that is cut goes with the rest of it.
func (l *lineLog) write(whole bool) {
	text, rest := l.open, []byte(nil)
	if whole {
		text = bytes.TrimSuffix(text, []byte{'\r'})
	} else {
		text, rest = wholeRunes(text)
	}
	if whole && len(text) == 0 && l.part > 0 { // its last part has been logged
		l.open, l.part = l.open[:0], 0
		return
	}
	log := l.log
	if !whole || l.part > 0 {
		l.part++
		log = log.With("part", l.part)
	}
	if whole {
		l.part = 0
	}
	log.Info(strings.ToValidUTF8(string(text), "�"))
	l.open = append(l.open[:0], rest...)
}

// wholeRunes cuts a text before its last character where that is not all there.
func wholeRunes(p []byte) (whole, rest []byte) {
	for i := len(p) - 1; i >= max(0, len(p)-3); i-- { // a character has at most 4 bytes
		b := p[i]
		if b < 0x80 {
			break
		}
		if b >= 0xC0 {
			need := 2
			if b >= 0xF0 {
				need = 4
			} else if b >= 0xE0 {
				need = 3
			}
			if len(p)-i < need {
				return p[:i], p[i:]
			}
			break
		}
	}
	return p, nil
}

// A tail keeps the end of what is added.
type tail struct {
	keep int
	all  int64 // bytes added
	buf  []byte
}

func (t *tail) add(p []byte) {
	t.all += int64(len(p))
	if len(p) >= t.keep {
		t.buf = append(t.buf[:0], p[len(p)-t.keep:]...)
		return
	}
	if len(t.buf)+len(p) > 2*t.keep { // so that what is kept is moved once per keep bytes, not at each add
		n := copy(t.buf, t.buf[len(t.buf)-(t.keep-len(p)):])
		t.buf = t.buf[:n]
	}
	t.buf = append(t.buf, p...)
}

// String is the end, without a character that is cut at its beginning.
func (t *tail) String() string {
	end := t.buf[max(0, len(t.buf)-t.keep):]
	if int64(len(end)) < t.all {
		for i := 0; i < 3 && len(end) > 0 && end[0]&0xC0 == 0x80; i++ {
			end = end[1:]
		}
	}
	return strings.ToValidUTF8(string(end), "�")
}
