package live

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"net/http"
	"strings"
	"time"
)

// How long a client may take to accept an event, and how often a quiet stream says that it is alive.
const (
	writeTimeout = 10 * time.Second
	aliveEvery   = 15 // looks without news
)

// A Stream writes server-sent events to one client. It is not safe for concurrent use.
type Stream struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	seed  maphash.Seed
	sent  map[string]uint64
	id    int64
	quiet int
	dirty bool
}

// NewStream starts a stream of events on w.
func NewStream(w http.ResponseWriter) *Stream {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	return &Stream{w: w, rc: http.NewResponseController(w), seed: maphash.MakeSeed(), sent: map[string]uint64{}}
}

// Changed sends an event unless the last one under the same key had the same data, and tells whether it did. data may
// have several lines.
func (s *Stream) Changed(key, event string, data []byte) (bool, error) {
	sum := maphash.Bytes(s.seed, data)
	if last, ok := s.sent[key]; ok && last == sum {
		return false, nil
	}
	if err := s.Send(event, data); err != nil {
		return false, err
	}
	s.sent[key] = sum
	return true, nil
}

// Send sends an event, whatever was sent before.
func (s *Stream) Send(event string, data []byte) error {
	s.id++
	var b bytes.Buffer
	if s.id == 1 {
		b.WriteString("retry: 1000\n")
	}
	fmt.Fprintf(&b, "id: %d\nevent: %s\n", s.id, strings.ReplaceAll(event, "\n", " "))
	for line := range bytes.Lines(data) {
		b.WriteString("data: ")
		b.Write(bytes.TrimRight(line, "\r\n"))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	s.dirty = true
	return s.write(b.Bytes())
}

// Flush hands over what was sent since the last flush; after many in a row with nothing, it sends a comment so that a
// connection that is gone is noticed.
func (s *Stream) Flush() error {
	if !s.dirty {
		if s.quiet++; s.quiet < aliveEvery {
			return nil
		}
		if err := s.write([]byte(": alive\n\n")); err != nil {
			return err
		}
	}
	s.quiet, s.dirty = 0, false
	return s.rc.Flush()
}

func (s *Stream) write(b []byte) error {
	// The kernel's deadlines are by the real clock. A writer without deadlines (in tests) is as good.
	_ = s.rc.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := s.w.Write(b)
	return err
}
