package sensors

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/tidemill/tidemill/tasks/httptask"
)

// NotYet lists the statuses that mean "not yet" to [HTTP] unless it is told others: what is asked for is being made or not there, or
// the service cannot be had for a while.
func NotYet() []int {
	return []int{http.StatusAccepted, http.StatusNotFound, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
}

// HTTP waits until the answer to the request that build makes of the task's input is ready, and yields its JSON. ready decides by that;
// nil: any answer is. A status of notYet, or of [NotYet] where none is given, says that it is not; other statuses are as in package httptask.
func HTTP[B, A any](c *httptask.Client, build func(A) httptask.Request, ready func(B) bool, notYet ...int) func(context.Context, A) (B, bool, error) {
	if len(notYet) == 0 {
		notYet = NotYet()
	}
	return func(ctx context.Context, a A) (B, bool, error) {
		var none, b B
		answer, err := c.Do(ctx, build(a))
		if status, ok := errors.AsType[*httptask.StatusError](err); ok && slices.Contains(notYet, status.Status) {
			return none, false, nil
		}
		if err != nil {
			return none, false, err
		}
		if slices.Contains(notYet, answer.Status) {
			return none, false, nil
		}
		if err := answer.Decode(&b); err != nil {
			return none, false, err
		}
		if ready != nil && !ready(b) {
			return none, false, nil
		}
		return b, true, nil
	}
}
