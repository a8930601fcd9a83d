package produce

import (
	"cmp"
	"container/heap"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/tidemill/tidemill/storage/payment/events"
)

// SampleOptions say what sample to make.
type SampleOptions struct {
	// From is the first day; its UTC date counts.
	From time.Time
	// Days is how many days the records' timestamps fall on. What would happen after the last one is left out, so that
	// some payments stay pending.
	Days int
	// PerDay is how many payments begin on a day; they make about twice as many records.
	PerDay int
	// Seed makes the sample: the same options always give the same records.
	Seed uint64
}

// Sample makes a source of payments over some days, like those of a real topic: pending, then settled or failed after
// minutes, hours or up to three days, some refunded; a few records out of order, twice byte for byte, or broken. It
// makes them as they are read, in the order in which they are to be produced.
func Sample(o SampleOptions) Source {
	start := o.From.UTC().Truncate(24 * time.Hour)
	return Source{
		// The 1 is to change when the same options come to make other records.
		ID:     fmt.Sprintf("sample1-%s-%d-%d-%d", start.Format(time.DateOnly), o.Days, o.PerDay, o.Seed),
		Events: func(yield func(events.Event, error) bool) { sample(o, start, yield) },
	}
}

func sample(o SampleOptions, start time.Time, yield func(events.Event, error) bool) {
	m := newMaker(o.Seed, usual)
	end := start.AddDate(0, 0, o.Days)
	var waiting queue
	give := func(until time.Time) bool {
		for len(waiting) > 0 && waiting[0].arrives.Before(until) {
			c := heap.Pop(&waiting).(queued).change
			if c.at.Before(end) && !yield(events.Event{Key: c.key, Time: c.at, Value: c.value}, nil) {
				return false
			}
		}
		return true
	}
	n := 0
	for began := range begins(m, o, start) {
		if !give(began) {
			return
		}
		for _, c := range m.payment(began) {
			heap.Push(&waiting, queued{c, n})
			n++
		}
	}
	give(end.AddDate(1, 0, 0))
}

// begins yields when payments begin, in order: few at night, most in the early evening.
func begins(m *maker, o SampleOptions, start time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for day := range o.Days {
			hours := make([]int, 24)
			for range o.PerDay {
				hours[busyHour(m)]++
			}
			for hour, count := range hours {
				at := start.AddDate(0, 0, day).Add(time.Duration(hour) * time.Hour)
				for i := range count { // each in its own slice of the hour, so that they come in order
					slice := time.Hour / time.Duration(count)
					if !yield(at.Add(time.Duration(i)*slice + time.Duration(m.rng.Int64N(int64(slice))))) {
						return
					}
				}
			}
		}
	}
}

func busyHour(m *maker) int {
	for {
		hour := m.rng.IntN(24)
		if m.rng.Float64() < 0.55-0.45*math.Cos(2*math.Pi*float64(hour-5)/24) {
			return hour
		}
	}
}

// queued is a change with its number, which orders those that arrive at one instant.
type queued struct {
	change
	number int
}

// queue is a heap of changes by arrival.
type queue []queued

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return cmp.Or(q[i].arrives.Compare(q[j].arrives), cmp.Compare(q[i].number, q[j].number)) < 0
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is for package heap.
func (q *queue) Push(x any) { *q = append(*q, x.(queued)) }

// Pop is for package heap.
func (q *queue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	(*q)[last] = queued{}
	*q = (*q)[:last]
	return x
}
