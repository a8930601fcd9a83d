package showcase

import (
	"sync"
	"time"

	"github.com/coder/quartz"
)

// A Clock stands where [Clock.Set] put it. Its timers are those of the real clock.
type Clock struct {
	quartz.Clock
	mu sync.Mutex
	at time.Time
}

// NewClock returns a clock that stands at the zero time.
func NewClock() *Clock { return &Clock{Clock: quartz.NewReal()} }

// Set moves the clock to t, unless it is past it.
func (c *Clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.at) {
		c.at = t
	}
}

// Now implements quartz.Clock.
func (c *Clock) Now(...string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Since implements quartz.Clock.
func (c *Clock) Since(t time.Time, _ ...string) time.Duration { return c.Now().Sub(t) }

// Until implements quartz.Clock.
func (c *Clock) Until(t time.Time, _ ...string) time.Duration { return t.Sub(c.Now()) }
