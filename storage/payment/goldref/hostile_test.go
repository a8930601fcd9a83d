package goldref_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/payment/goldref"
)

var now = time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)

func TestHostileIsTheSameForTheSameSeed(t *testing.T) {
	if !reflect.DeepEqual(goldref.Hostile(3, 500), goldref.Hostile(3, 500)) {
		t.Error("two topics of one seed differ")
	}
	if reflect.DeepEqual(goldref.Hostile(3, 500), goldref.Hostile(4, 500)) {
		t.Error("two seeds give one topic")
	}
}

func TestHostileNumbersEachPartition(t *testing.T) {
	var next [goldref.HostilePartitions]int64
	for i, e := range goldref.Hostile(5, 2000) {
		if e.Offset != next[e.Partition] {
			t.Fatalf("record %d has offset %d in partition %d, want %d", i, e.Offset, e.Partition, next[e.Partition])
		}
		next[e.Partition]++
	}
}

// A topic that lacks an edge proves nothing about it.
func TestHostileHoldsTheEdges(t *testing.T) {
	for seed := range uint64(3) {
		events := goldref.Hostile(seed, 2000)
		topic := goldref.Of(events, now)
		outOfOrder, decidedBy := 0, map[string]int{}
		previous := map[string]goldref.Accepted{}
		for _, a := range topic.Accepted {
			p, seen := previous[a.TransactionID]
			if seen && goldref.Compare(a, p) < 0 {
				outOfOrder++
			}
			if seen && a.EventTime == p.EventTime {
				switch {
				case !a.Time.Equal(p.Time):
					decidedBy["timestamp"]++
				case a.Partition != p.Partition:
					decidedBy["partition"]++
				default:
					decidedBy["offset"]++
				}
			}
			previous[a.TransactionID] = a
		}
		for name, n := range map[string]int{
			"dead letters": len(topic.DeadLetters), "tombstones": topic.Tombstones, "key mismatches": topic.KeyMismatches, "duplicates": topic.Duplicates,
			"conflicting": topic.Conflicting, "out of order": outOfOrder, "ties by timestamp": decidedBy["timestamp"],
			"ties by partition": decidedBy["partition"], "ties by offset": decidedBy["offset"],
		} {
			if n < 15 {
				t.Errorf("seed %d: only %d %s", seed, n, name)
			}
		}
		if len(topic.OKByDay) < goldref.HostileDays {
			t.Errorf("seed %d: only %d days", seed, len(topic.OKByDay))
		}
	}
}

// Gold is a matter of what the topic holds, not of the order in which it is read.
func TestTheModelDoesNotDependOnTheOrder(t *testing.T) {
	events := goldref.Hostile(6, 1500)
	want := goldref.Of(events, now)
	for i, j := 0, len(events)-1; i < j; i, j = i+1, j-1 {
		events[i], events[j] = events[j], events[i]
	}
	got := goldref.Of(events, now)
	if !reflect.DeepEqual(got.Transactions, want.Transactions) || !reflect.DeepEqual(got.Daily, want.Daily) || !reflect.DeepEqual(got.Bronze, want.Bronze) {
		t.Error("the records in reverse give another Gold")
	}
}
