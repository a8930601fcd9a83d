package postgres

import (
	"slices"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
)

func TestRecentForgetsWhatHasNotBeenAskedForTheLongest(t *testing.T) {
	var r recent[int, int]
	for i := range mostKnown {
		r.put(i, i, 1)
		if _, ok := r.get(0); !ok {
			t.Fatalf("after %d others, what is asked for again and again is forgotten", i)
		}
	}
	for i := range mostKnown {
		r.put(mostKnown+i, i, 1)
	}
	if _, ok := r.get(0); ok {
		t.Error("what nobody has asked for is still there")
	}
	if n := len(r.young) + len(r.old); n > mostKnown {
		t.Errorf("%d are kept, at most %d may", n, mostKnown)
	}
	r.put(-1, 1, 1)
	r.drop(-1)
	if _, ok := r.get(-1); ok {
		t.Error("what was dropped is still there")
	}
	r.put(-2, 1, mostKnownBytes+1)
	r.put(-3, 1, mostKnownBytes+1)
	if n := len(r.young) + len(r.old); n != 2 {
		t.Errorf("%d are kept, want the last two: each is large", n)
	}
}

func TestAClockSampleIsGoodForAMoment(t *testing.T) {
	at := func(s float64) time.Time { return time.Unix(0, int64(s*1e9)) }
	var c clockSample
	if _, ok := c.now(at(0)); ok {
		t.Error("no sample tells a time")
	}
	c.take(at(100), at(1))
	for _, x := range []struct {
		ours, want float64
		ok         bool
	}{{1, 100, true}, {1.5, 100.5, true}, {2, 101, true}, {2.1, 0, false}, {0.9, 0, false}} {
		if got, ok := c.now(at(x.ours)); ok != x.ok || ok && !got.Equal(at(x.want)) {
			t.Errorf("at %v: %v, %v, want %v, %v", x.ours, got, ok, x.want, x.ok)
		}
	}
	if got, _ := c.now(time.Unix(1, 500_000_999)); got.Nanosecond()%1000 != 0 {
		t.Errorf("%v has more digits than the database keeps", got)
	}
	c.take(at(100.1), at(1.5)) // its answer took 0.4 s longer
	if got, _ := c.now(at(1.5)); !got.Equal(at(100.5)) {
		t.Errorf("a sample that lags has taken the place of a better one: %v", got)
	}
	c.take(at(100.7), at(1.5))
	if got, _ := c.now(at(1.5)); !got.Equal(at(100.7)) {
		t.Errorf("a better sample was not taken: %v", got)
	}
	c.take(at(50), at(9)) // the clock was set back
	if got, _ := c.now(at(9)); !got.Equal(at(50)) {
		t.Errorf("an old sample has outlived its time: %v", got)
	}
}

// Wrong guesses become rare, and right ones usual again.
func TestWrongGuessesAreFollowedByARest(t *testing.T) {
	var k knowledge
	now := time.Unix(1000, 0)
	row := []engine.RunRow{{Key: 1}}
	guess := func() bool {
		k.sample(now, now)
		k.wrote(&found{runs: row}, []engine.RunChange{{Key: 1, State: engine.RunRunning}}, 7)
		_, ok := k.find([]int64{1}, &engine.Transition{}, now)
		return ok
	}
	until := func() (n int) {
		for !guess() {
			n++
		}
		return n
	}
	var rests []int
	for range 9 {
		rests = append(rests, until())
		k.mistaken([]int64{1})
	}
	if want := []int{0, 1, 3, 7, 15, 31, 63, 64, 64}; !slices.Equal(rests, want) {
		t.Errorf("rests of %v, want %v", rests, want)
	}
	until()
	for range 8 {
		k.right()
	}
	k.mistaken([]int64{1})
	if n := until(); n != 1 {
		t.Errorf("after many right guesses a wrong one is followed by a rest of %d, want 1", n)
	}
}
