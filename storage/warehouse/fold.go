package warehouse

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/storage/payment"
)

// Counts is what became of the rows that an attempt read. Read is the sum of all others but Removed.
type Counts struct {
	Read        int64 `json:"rows_read"`
	Loaded      int64 `json:"rows_loaded"`      // inserted: the first record of its event
	Duplicate   int64 `json:"rows_duplicate"`   // a copy, byte for byte, of the record in bronze
	Conflicting int64 `json:"rows_conflicting"` // another payload, earlier in the order: not taken
	// Replaced took the place of another record: the same one as an older generation of its day had it, or, with another
	// payload, one that is earlier in the order.
	Replaced int64 `json:"rows_replaced"`
	Skipped  int64 `json:"rows_skipped"`  // were there from an attempt before
	Rejected int64 `json:"rows_rejected"` // refused by the database
	// Removed were not read: records that an older generation of their day had, and the newer one has not, taken out.
	Removed int64 `json:"rows_removed"`
}

func (c *Counts) add(o Counts) {
	c.Read += o.Read
	c.Loaded += o.Loaded
	c.Duplicate += o.Duplicate
	c.Conflicting += o.Conflicting
	c.Replaced += o.Replaced
	c.Skipped += o.Skipped
	c.Rejected += o.Rejected
	c.Removed += o.Removed
}

// compareEvents orders rows by the key of bronze, the order in which every load takes its locks.
func compareEvents(a, b *payment.Row) int {
	return cmp.Or(
		strings.Compare(a.TransactionID, b.TransactionID),
		strings.Compare(a.Status, b.Status),
		cmp.Compare(a.EventTime, b.EventTime),
	)
}

// comparePlaces orders the records of one event: the last one is its row.
func comparePlaces(a, b *payment.Row) int {
	return cmp.Or(
		cmp.Compare(a.KafkaTimestamp, b.KafkaTimestamp),
		cmp.Compare(a.KafkaPartition, b.KafkaPartition),
		cmp.Compare(a.KafkaOffset, b.KafkaOffset),
	)
}

// fold returns the winner of each event among rows, by the key of bronze, and the others, which it counts: as duplicates
// where their payload is the winner's, else as conflicting. It does not change rows.
func fold(rows []payment.Row) (winners, losers []*payment.Row, others Counts) {
	winners = make([]*payment.Row, len(rows))
	for i := range rows {
		winners[i] = &rows[i]
	}
	slices.SortFunc(winners, func(a, b *payment.Row) int { return cmp.Or(compareEvents(a, b), comparePlaces(a, b)) })
	kept := 0
	for i := 0; i < len(winners); {
		last := i
		for last+1 < len(winners) && compareEvents(winners[i], winners[last+1]) == 0 {
			last++
		}
		losers = append(losers, winners[i:last]...)
		for _, r := range winners[i:last] {
			if r.PayloadHash == winners[last].PayloadHash {
				others.Duplicate++
			} else {
				others.Conflicting++
			}
		}
		winners[kept] = winners[last]
		kept++
		i = last + 1
	}
	return winners[:kept], losers, others
}
