package engine

import (
	"container/list"
	"sync"
	"time"
)

const (
	// outputCacheSize bounds what an output cache keeps, in bytes.
	outputCacheSize = 8 << 20
	// outputCacheAge is how long it keeps what nobody asks for any more.
	outputCacheAge = time.Minute
	// outputOverhead is about what an entry takes beside its output.
	outputOverhead = 512
)

// An outputCache keeps, within bounds, outputs that the instances of mapped tasks read, so that a run of n elements reads and indexes its
// list once and not n times. It says what was there, not what is: whoever uses an entry asks the store whether it is still the newest
// attempt (see [InputKey.Seen]).
type outputCache struct {
	mu    sync.Mutex
	most  int
	size  int
	byKey map[InputKey]*list.Element
	order list.List // of *cachedOutput: used last comes first
}

// A cachedOutput is what one attempt of an upstream left behind. It never changes.
type cachedOutput struct {
	key     InputKey
	attempt Attempt
	list    jsonList // of a task that others are mapped over
	err     error    // why it has none
	used    time.Time
}

func newOutputCache(most int) *outputCache {
	return &outputCache{most: most, byKey: map[InputKey]*list.Element{}}
}

// get returns what is kept for a key without Seen; nil when there is nothing.
func (c *outputCache) get(key InputKey, now time.Time) *cachedOutput {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.byKey[key]
	if at == nil {
		return nil
	}
	c.order.MoveToFront(at)
	o := at.Value.(*cachedOutput)
	o.used = now
	return o
}

// put keeps an attempt of t in place of what there was for the key, which has no Seen, and returns it.
func (c *outputCache) put(key InputKey, t *Task, a Attempt, now time.Time) *cachedOutput {
	o := &cachedOutput{key: key, attempt: a, used: now}
	if t.listOut {
		o.list, o.err = t.listOf(a.Output)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.byKey[key]; old != nil {
		c.drop(old)
	}
	c.byKey[key] = c.order.PushFront(o)
	for c.size += o.bytes(); c.size > c.most; {
		c.drop(c.order.Back())
	}
	return o
}

// expire drops what nobody has asked for of late.
func (c *outputCache) expire(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := c.order.Back(); at != nil && now.Sub(at.Value.(*cachedOutput).used) > outputCacheAge; at = c.order.Back() {
		c.drop(at)
	}
}

func (c *outputCache) drop(at *list.Element) {
	o := c.order.Remove(at).(*cachedOutput)
	delete(c.byKey, o.key)
	c.size -= o.bytes()
}

func (o *cachedOutput) bytes() int {
	n := outputOverhead + len(o.attempt.Output) + 8*cap(o.list.items)
	if o.attempt.Output != nil && len(o.list.raw) != len(o.attempt.Output) {
		n += len(o.list.raw) // unwrapped: a copy
	}
	return n
}

// is tells whether o is this attempt.
func (o *cachedOutput) is(a Attempt) bool {
	return o != nil && o.attempt.Try == a.Try && o.attempt.EndedAt.Equal(a.EndedAt)
}

// listOf indexes an output of t that others are mapped over.
func (t *Task) listOf(output []byte) (jsonList, error) {
	if t.spec.Chooses {
		output = unwrapTaken(output)
	}
	return indexList(output)
}
