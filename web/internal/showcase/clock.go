package showcase

import (
	"sync"
	"time"

	"github.com/coder/quartz"
)

// A Clock tells a time of its own: it stands where [Clock.Set] put it until [Clock.Go], and runs on from there. Its timers
// are those of the real clock.
type Clock struct {
	quartz.Clock
	mu    sync.Mutex
	at    time.Time
	going time.Time // the real time of Go; zero while it stands
}

// NewClock returns a clock that stands.
func NewClock() *Clock { return &Clock{Clock: quartz.NewReal()} }

// Set moves the clock to t, unless it is past it.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.at) {
		c.at = t
	}
}

// Go lets the clock run.
func (c *Clock) Go() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.going = c.Clock.Now()
}

// Now implements quartz.Clock.
func (c *Clock) Now(...string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.going.IsZero() {
		return c.at
	}
	return c.at.Add(c.Clock.Now().Sub(c.going))
}

// Since implements quartz.Clock.
func (c *Clock) Since(t time.Time, _ ...string) time.Duration { return c.Now().Sub(t) }

// Until implements quartz.Clock.
func (c *Clock) Until(t time.Time, _ ...string) time.Duration { return t.Sub(c.Now()) }
