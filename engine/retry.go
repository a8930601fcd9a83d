package engine

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// DefaultMaxDelay bounds a retry's delay where [Retry] names no bound.
const DefaultMaxDelay = 24 * time.Hour

// A Retry says how often a failed task is tried again and after which delays. The zero value never retries.
//
//	engine.Retry{Max: 2, Initial: 5 * time.Minute, Multiplier: 2} // after 5 and 10 minutes
type Retry struct {
	Max        int           `json:"max"`        // tries after the first one
	Initial    time.Duration `json:"initial"`    // delay before the second try; 0: at once
	MaxDelay   time.Duration `json:"max_delay"`  // bound of the delay before jitter; 0: [DefaultMaxDelay]
	Multiplier float64       `json:"multiplier"` // growth from one delay to the next; 0 and 1: constant
	Jitter     float64       `json:"jitter"`     // fraction by which a delay is changed at random, up or down; 0 to 1
}

// Validate returns an [*InvalidError] that names the first field that is out of range and what it may be, or nil.
func (r Retry) Validate() error {
	var errs []error
	refuse := func(field, format string, args ...any) {
		errs = append(errs, &InvalidError{field, fmt.Sprintf(format, args...)})
	}
	if r.Max < 0 {
		refuse("retry.max", "is %d; give the number of retries, 0 for none", r.Max)
	}
	if r.Initial < 0 {
		refuse("retry.initial", "is %s; give a delay of 0 or more", r.Initial)
	}
	if r.MaxDelay < 0 {
		refuse("retry.max_delay", "is %s; give the longest delay, or 0 for %s", r.MaxDelay, DefaultMaxDelay)
	} else if r.Initial > r.maxDelay() {
		refuse("retry.max_delay", "%s is less than the initial delay of %s; raise the one or lower the other", r.maxDelay(), r.Initial)
	}
	if r.Multiplier != 0 && !(r.Multiplier >= 1) || math.IsInf(r.Multiplier, 1) {
		refuse("retry.multiplier", "is %v; give 1 for a constant delay, more for a growing one", r.Multiplier)
	}
	if !(r.Jitter >= 0 && r.Jitter <= 1) {
		refuse("retry.jitter", "is %v; give a fraction from 0 (none) to 1", r.Jitter)
	}
	return errors.Join(errs...)
}

// Delay returns how long to wait between try n (the first is 1) and try n+1: the smaller of Initial·Multiplier^(n−1)
// and MaxDelay, changed by up to ±Jitter of itself as rnd in [0,1) says (0.5: not at all). It never overflows and is
// never below 0.
func (r Retry) Delay(n int, rnd float64) time.Duration {
	if r.Initial <= 0 {
		return 0
	}
	growth := 1.0
	if r.Multiplier > 1 && n > 1 {
		growth = math.Pow(r.Multiplier, float64(n-1)) // +Inf for a late try: bounded below
	}
	d := r.maxDelay()
	if grown := math.Round(float64(r.Initial) * growth); grown < float64(d) {
		d = time.Duration(grown)
	}
	if r.Jitter == 0 {
		return d
	}
	jittered := math.Round(float64(d) * (1 + r.Jitter*(2*rnd-1)))
	if jittered >= math.MaxInt64 {
		return math.MaxInt64
	}
	return max(time.Duration(jittered), 0)
}

// Next decides what follows an attempt that ended so, with what its body returned (nil where it returned nothing).
// failures counts the attempts since the task was last cleared that ended failed, timed out or lost, this one included;
// lostBefore says that an earlier one of them was lost; rnd is as for [Retry.Delay]. When retry is false the task's end
// is final, and delay is 0.
func (r Retry) Next(end Ending, err error, failures int, lostBefore bool, rnd float64) (retry bool, delay time.Duration) {
	switch end {
	case EndFailed, EndTimedOut, EndLost:
	default:
		return false, 0
	}
	if failures > r.Max {
		return false, 0
	}
	if _, permanent := errors.AsType[*PermanentError](err); permanent {
		return false, 0
	}
	if end == EndLost && !lostBefore {
		return true, 0
	}
	if after, ok := errors.AsType[*RetryAfterError](err); ok {
		return true, after.Delay
	}
	return true, r.Delay(failures, rnd)
}

func (r Retry) maxDelay() time.Duration {
	if r.MaxDelay <= 0 {
		return DefaultMaxDelay
	}
	return r.MaxDelay
}
