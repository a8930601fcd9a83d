package e2e

import (
	"testing"
	"time"
)

// patience bounds a wait for something that takes seconds on a quiet machine.
const patience = 8 * time.Minute

// eventually waits until holds, which it asks every few milliseconds, and fails the test when that takes too long.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("not in time: " + what)
		}
	}
}
