package engine

import "sync"

// keptGoroutines is how many goroutines a process keeps for its next tasks.
const keptGoroutines = 64

// A crew runs functions beside one another, each as soon as a processor is free for it, in as few goroutines as that takes: one that has
// run a function takes the next itself, and before it begins it sees to it that another one is awake for the rest. So functions that
// return at once are run in a row, on stacks that have grown already, and those that wait hold up nobody: whenever some are left, a
// goroutine is ready to run that takes them. A function that returns with its thread locked hands that on to the next: see [body].
type crew struct {
	mu     sync.Mutex
	queue  []func() // what nobody has taken yet, from next on
	next   int
	idle   []*hand // the last to lie down is woken first: its stack is still warm
	waking bool    // somebody is on the way who will look at queue
	over   bool
}

// A hand is a goroutine of a crew that waits for work.
type hand struct{ wake chan struct{} }

func newCrew() *crew { return &crew{} }

// run has f run by a goroutine, and does not wait for it.
func (c *crew) run(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next > len(c.queue)/2 && c.next >= keptGoroutines {
		c.queue = c.queue[:copy(c.queue, c.queue[c.next:])]
		clear(c.queue[len(c.queue):cap(c.queue)])
		c.next = 0
	}
	c.queue = append(c.queue, f)
	c.rouse()
}

// rouse has somebody look at what there is to do, unless somebody is on the way already. The lock is held.
func (c *crew) rouse() {
	if c.waking {
		return
	}
	c.waking = true
	if n := len(c.idle); n > 0 {
		h := c.idle[n-1]
		c.idle[n-1], c.idle = nil, c.idle[:n-1]
		h.wake <- struct{}{}
		return
	}
	go c.work(&hand{wake: make(chan struct{}, 1)})
}

// work runs what there is to do, until there is nothing and the goroutine is not kept. Somebody has roused it.
func (c *crew) work(h *hand) {
	for roused := true; ; roused = false {
		f := c.take(h, roused)
		if f == nil {
			return
		}
		f()
	}
}

// take returns the next function, and waits for one; nil when the goroutine is not kept.
func (c *crew) take(h *hand, roused bool) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		if roused {
			c.waking = false
		}
		if c.next < len(c.queue) {
			f := c.queue[c.next]
			c.queue[c.next] = nil
			if c.next++; c.next == len(c.queue) {
				c.queue, c.next = c.queue[:0], 0
			} else {
				c.rouse()
			}
			return f
		}
		if c.over || len(c.idle) >= keptGoroutines {
			return nil
		}
		c.idle = append(c.idle, h)
		c.mu.Unlock()
		<-h.wake
		c.mu.Lock()
		roused = true
	}
}

// dismiss ends the goroutines that wait for work; no run comes after it. Those that still run something end with it.
func (c *crew) dismiss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for _, h := range c.idle {
		h.wake <- struct{}{}
	}
	c.idle = nil
}
