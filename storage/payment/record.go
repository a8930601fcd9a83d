package payment

import (
	"strings"
	"time"
)

// maxAhead is how far a record's timestamp may run ahead of the clock.
const maxAhead = 24 * time.Hour

// minTimestamp is the earliest timestamp that a record may have.
var minTimestamp = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// CheckTimestamp checks a record's own timestamp, which decides its day in the lake, against the clock. It returns nil
// or a [*Violation] of [FieldTimestamp]: before 2000-01-01 UTC, or more than 24 hours after now.
func CheckTimestamp(record, now time.Time) error {
	if record.Before(minTimestamp) {
		return broken(FieldTimestamp, "lies before 2000-01-01: "+stamp(record))
	}
	if record.Sub(now) > maxAhead {
		return broken(FieldTimestamp, "lies more than 24 hours ahead of the clock: "+stamp(record))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// KeyMatches says whether a record's key is the row's transaction_id, in upper or lower case. A nil key does not match.
// A record whose key does not match is accepted, and counted as key_mismatch.
func KeyMatches(key []byte, row *Row) bool {
	return string(key) == row.TransactionID || strings.EqualFold(string(key), row.TransactionID)
}
