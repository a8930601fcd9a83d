package httptask

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A StatusError says that a service answered with a status that was not expected.
type StatusError struct {
	Method string
	URL    string // without user, password and the values of the query
	Status int
	Said   string // the beginning of the answer's body; secrets of ours masked
	To     string // of a redirection that was not followed: where to, shown as URL is
}

// Error implements error.
func (e *StatusError) Error() string {
	text := fmt.Sprintf("%s %s: it answered %d %s", e.Method, e.URL, e.Status, http.StatusText(e.Status))
	switch {
	case e.To != "":
		text += fmt.Sprintf(": it has moved to %s, where we do not follow by ourselves: call that address", e.To)
	case e.Status == http.StatusUnauthorized:
		text += ": check the credentials that the client sets"
	case e.Status == http.StatusProxyAuthRequired:
		text += ": check the credentials of the proxy"
	}
	if e.Said != "" {
		text += ": " + e.Said
	}
	return text
}

// Passing tells whether the status may be another one on a later try.
func (e *StatusError) Passing() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return e.Status >= 500 && e.Status <= 599
}

// parseRetryAfter reads a Retry-After: seconds from now, or a date; one that has passed is 0. ok is false for anything else.
func parseRetryAfter(value string, now time.Time) (wait time.Duration, ok bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	if digits := strings.TrimLeft(value, "0123456789"); digits == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(maxDelay/time.Second) {
			return maxDelay, true // more than can be counted
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return max(0, at.Sub(now)), true
}

const maxDelay = time.Duration(1<<63 - 1)
