package lakecrash

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// point is a moment in the life of an ingesting process: before or after a step that changes something outside of it.
type point struct {
	Step  string // what it does, to what, with ids left out: "link _log/transactions/1.json"
	Nth   int    // which of the steps of this name, from 1
	After bool   // the step is done
}

func (p point) String() string {
	when := "before"
	if p.After {
		when = "after"
	}
	if p.Nth > 1 {
		return fmt.Sprintf("%s %s (%d)", when, p.Step, p.Nth)
	}
	return when + " " + p.Step
}

// blow is what happens to the process at a point.
type blow string

const (
	kill    blow = "SIGKILL"
	stop    blow = "SIGSTOP"
	noSpace blow = "ENOSPC"
	ioError blow = "EIO"
	denied  blow = "EACCES"
)

// strike does it. Of a blow that leaves the process alive it returns what the step is to answer.
func (b blow) strike() error {
	switch b {
	case kill:
		return syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	case stop:
		// To this very thread: it stops before it returns, not just soon.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		return unix.Tgkill(syscall.Getpid(), unix.Gettid(), syscall.SIGSTOP)
	case noSpace:
		return syscall.ENOSPC
	case ioError:
		return syscall.EIO
	case denied:
		return syscall.EACCES
	}
	return fmt.Errorf("no such blow: %q", b)
}

// steps is told of every step of a process, and strikes at one point.
type steps struct {
	at     point
	blow   blow // "" strikes nowhere
	record bool // say each point

	mu   sync.Mutex
	seen map[string]int
}

var ids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|~\d{13}~`)

// do does a step, unless the blow is there.
func (s *steps) do(op, name string, step func() error) error {
	at := point{Step: op + " " + ids.ReplaceAllString(name, "*")}
	at.Nth = s.count(at.Step)
	if err := s.strikeAt(at); err != nil {
		return fmt.Errorf("%s %s: %w", op, name, err)
	}
	if err := step(); err != nil {
		return err
	}
	at.After = true
	if err := s.strikeAt(at); err != nil {
		return fmt.Errorf("%s %s: %w", op, name, err)
	}
	return nil
}

func (s *steps) count(step string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string]int{}
	}
	s.seen[step]++
	return s.seen[step]
}

func (s *steps) strikeAt(at point) error {
	if s.record {
		text, err := json.Marshal(at)
		if err != nil {
			return err
		}
		say(pointWord, string(text))
	}
	if s.blow == "" || at != s.at {
		return nil
	}
	say(struckWord, at.String())
	return s.blow.strike()
}

// What a process says, a line each, begins with one of these words.
const (
	pointWord  = "step"
	struckWord = "struck"
)

// say writes a line in one write, so that it is out before the process dies.
func say(word, text string) {
	_, _ = os.Stdout.WriteString(word + " " + text + "\n") // a parent that has gone needs no answer
}
