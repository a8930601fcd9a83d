package events

import (
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/tidemill/tidemill/storage/payment"
)

// Days returns the lake days of the events, each once and in order: the UTC dates of their timestamps, as midnights in
// UTC. Records whose timestamp the contract refuses (payment.CheckTimestamp against now) have no day. It reads all, and
// returns the first error.
func Days(all iter.Seq2[Event, error], now time.Time) ([]time.Time, error) {
	days := map[time.Time]bool{}
	for event, err := range all {
		if err != nil {
			return nil, err
		}
		if payment.CheckTimestamp(event.Time, now) == nil {
			days[event.Time.UTC().Truncate(24*time.Hour)] = true
		}
	}
	return slices.SortedFunc(maps.Keys(days), time.Time.Compare), nil
}
