package engine

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// Functions that wait for one another all run: none is held up behind one that waits.
func TestACrewRunsAllThatWait(t *testing.T) {
	c := newCrew()
	const n = 1000
	var all, over sync.WaitGroup
	all.Add(n)
	over.Add(n)
	for range n {
		c.run(func() {
			defer over.Done()
			all.Done()
			all.Wait() // until each of them has begun
		})
	}
	over.Wait()
	c.dismiss()
}

// One that computes and never waits lets the others begin.
func TestACrewIsNotHeldUpByOneThatComputes(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c := newCrew()
	defer c.dismiss()
	var begun atomic.Bool
	over := make(chan struct{})
	c.run(func() {
		for !begun.Load() {
		}
		close(over)
	})
	c.run(func() { begun.Store(true) })
	<-over
}

// What is run from within runs too, in goroutines that are used again.
func TestACrewUsesItsGoroutinesAgain(t *testing.T) {
	c := newCrew()
	for range 100 {
		var over sync.WaitGroup
		for range 20 {
			over.Add(2)
			c.run(func() {
				defer over.Done()
				c.run(over.Done)
			})
		}
		over.Wait()
	}
	c.mu.Lock()
	idle := len(c.idle)
	c.mu.Unlock()
	if idle > keptGoroutines {
		t.Errorf("%d goroutines are kept", idle)
	}
	c.dismiss()
}

func BenchmarkCrew(b *testing.B) {
	c := newCrew()
	defer c.dismiss()
	var over sync.WaitGroup
	for range b.N {
		over.Add(1)
		c.run(over.Done)
	}
	over.Wait()
}
