package produce_test

import (
	"testing"

	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/storage/payment/events"
	"github.com/tidemill/tidemill/tasks/produce"
)

// BenchmarkProduce sends records of ~430 bytes to a broker in this process, which takes its share of the time.
func BenchmarkProduce(b *testing.B) {
	var some []events.Event
	for e := range produce.Sample(week).Events {
		some = append(some, e)
	}
	all := func(yield func(events.Event, error) bool) {
		for i := range b.N {
			if !yield(some[i%len(some)], nil) {
				return
			}
		}
	}
	c := produce.Config{Brokers: testkit.Broker(b), Topic: "transactions"}
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := produce.Produce(b.Context(), c, all, nil); err != nil {
		b.Fatal(err)
	}
}
