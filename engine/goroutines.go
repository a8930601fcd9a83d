package engine

import "sync"

// keptGoroutines is how many goroutines a process keeps for its next tasks.
const keptGoroutines = 256

// A crew runs functions in goroutines that it keeps for the next: a goroutine that has run a body has a stack of the right size, which a
// new one would have to grow into.
type crew struct {
	next chan func()
	mu   sync.Mutex
	idle int
	over bool
}

func newCrew() *crew { return &crew{next: make(chan func())} }

// run starts f in a goroutine, at once.
func (c *crew) run(f func()) {
	select {
	case c.next <- f:
	default:
		go c.work(f)
	}
}

func (c *crew) work(f func()) {
	for {
		f()
		if !c.stay() {
			return
		}
		next, ok := <-c.next
		c.mu.Lock()
		c.idle--
		c.mu.Unlock()
		if !ok {
			return
		}
		f = next
	}
}

// stay tells a goroutine that has nothing to do whether it is kept.
func (c *crew) stay() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || c.idle >= keptGoroutines {
		return false
	}
	c.idle++
	return true
}

// dismiss ends the goroutines that are kept; no run comes after it. Those that still run something end with it.
func (c *crew) dismiss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	close(c.next)
}
