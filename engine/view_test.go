package engine

import "testing"

func TestMaxTriesIsWhatThereWasAndWhatRemains(t *testing.T) {
	for _, c := range []struct {
		what string
		in   Instance
		want int
	}{
		{"nothing yet", Instance{State: None}, 3},
		{"the first try runs", Instance{State: Queued, Try: 1}, 3},
		{"it failed once", Instance{State: UpForRetry, Try: 1, Failures: 1}, 3},
		{"the second try runs", Instance{State: Queued, Try: 2, Failures: 1}, 3},
		{"the last try failed", Instance{State: Failed, Try: 3, Failures: 3}, 3},
		{"the last try succeeded", Instance{State: Success, Try: 3, Failures: 2}, 3},
		{"cleared after three", Instance{State: None, Try: 3}, 6},
		{"the fourth runs, the first since the clear", Instance{State: Queued, Try: 4}, 6},
		{"the fourth waits", Instance{State: AwaitingInput, Try: 4}, 6},
		{"the fourth failed", Instance{State: UpForRetry, Try: 4, Failures: 1}, 6},
		{"marked failed at once", Instance{State: Failed, Try: 1}, 3},
		{"given up before a try", Instance{State: UpstreamFailed}, 3},
		{"given up after a clear", Instance{State: UpstreamFailed, Try: 1}, 4},
		{"marked after all tries", Instance{State: Success, Try: 4, Failures: 3}, 4},
	} {
		if got := maxTries(c.in, 2); got != c.want {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
}
