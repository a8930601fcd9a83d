package engine

import (
	"testing"
	"time"
)

// A worker that falls silent is found dead as soon as it has been silent for long enough, not at the next look after that.
func TestObserverLooksWhenAWorkerWouldBeDead(t *testing.T) {
	const timeout, beat = 15 * time.Second, 3 * time.Second
	start := time.Unix(1000, 0)
	o := newObserver(timeout, 2*beat+time.Second)
	beats := int64(0)
	for now, last := start, start.Add(7*time.Second); ; {
		if !now.After(last) {
			beats++ // the other one beats until then
		}
		dead := o.look(now, 0, 1, []WorkerRow{{ID: 1, Beats: now.Unix()}, {ID: 2, Beats: beats}})
		if len(dead) > 0 {
			if silent := now.Sub(last); silent < timeout-beat || silent > timeout+time.Millisecond {
				t.Errorf("found dead %s after its last beat", silent)
			}
			return
		}
		rest := o.rest(now, 1, beat)
		if rest <= 0 || rest > beat {
			t.Fatalf("rests for %s", rest)
		}
		if now = now.Add(rest); now.After(start.Add(time.Minute)) {
			t.Fatal("never found dead")
		}
	}
}
