package live

import (
	"context"
	"sync"
	"time"

	"github.com/coder/quartz"
)

// Defaults of a pulse.
const (
	Interval = time.Second            // between two looks, when nothing hints
	Shortest = 200 * time.Millisecond // between two looks, however many hints come
)

// A Pulse tells watchers when to look again. It has no goroutine of its own: whichever watcher takes a hint passes it on.
type Pulse struct {
	clock quartz.Clock
	wake  <-chan struct{}
	mu    sync.Mutex
	bell  chan struct{} // closed and replaced at each hint
}

// NewPulse makes a pulse on a clock. wake brings hints that something may have changed; it may be nil.
func NewPulse(clock quartz.Clock, wake <-chan struct{}) *Pulse {
	return &Pulse{clock: clock, wake: wake, bell: make(chan struct{})}
}

// Wait returns nil when it is time to look again, and the context's error when it has ended.
func (p *Pulse) Wait(ctx context.Context) error {
	if err := p.sleep(ctx, Shortest); err != nil {
		return err
	}
	p.mu.Lock()
	bell := p.bell
	p.mu.Unlock()
	timer := p.clock.NewTimer(Interval-Shortest, "pulse")
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	case <-bell:
	case <-p.wake:
		p.Ring()
	}
	return nil
}

// Ring hints to all watchers that something may have changed.
func (p *Pulse) Ring() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.bell)
	p.bell = make(chan struct{})
}

func (p *Pulse) sleep(ctx context.Context, d time.Duration) error {
	timer := p.clock.NewTimer(d, "pulse", "shortest")
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
