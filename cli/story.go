package cli

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// quiet is how often a plain line repeats what goes on where there is no terminal.
const quiet = 5 * time.Second

// A story tells a person what happens, each line with the seconds since the start. What goes on is a live line on a terminal, and a
// plain line every few seconds otherwise.
type story struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	now      func() time.Time
	start    time.Time
	lastLive time.Time
	open     bool // a live line stands on the terminal
}

func newStory(out io.Writer, now func() time.Time) *story {
	start := now()
	return &story{out: out, terminal: isTerminal(out), now: now, start: start, lastLive: start}
}

// say tells that something has happened.
func (s *story) say(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLive()
	s.write(s.stamp() + line + "\n")
}

// print writes lines without the time.
func (s *story) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLive()
	s.write(text)
}

// live tells what goes on.
func (s *story) live(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terminal {
		s.write("\r\x1b[2K" + s.stamp() + line)
		s.open = true
		return
	}
	if now := s.now(); now.Sub(s.lastLive) >= quiet {
		s.lastLive = now
		s.write(s.stamp() + line + "\n")
	}
}

func (s *story) endLive() {
	if s.open {
		s.write("\r\x1b[2K")
		s.open = false
	}
}

func (s *story) stamp() string { return fmt.Sprintf("%6.1fs  ", s.now().Sub(s.start).Seconds()) }

// write gives up silently when nobody reads any more: the work goes on without its story.
func (s *story) write(text string) {
	_, err := io.WriteString(s.out, text)
	if err != nil {
		s.out = io.Discard
	}
}
