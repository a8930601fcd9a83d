package produce_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/payment/events"
	"github.com/tidemill/tidemill/storage/payment/goldref"
	"github.com/tidemill/tidemill/tasks/produce"
)

var week = produce.SampleOptions{From: time.Date(2024, 3, 1, 15, 0, 0, 0, time.UTC), Days: 7, PerDay: 600, Seed: 1}

func collect(t *testing.T, s produce.Source) (all []events.Event) {
	t.Helper()
	for e, err := range s.Events {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func TestSampleIsTheSameForTheSameOptions(t *testing.T) {
	one, two := produce.Sample(week), produce.Sample(week)
	if one.ID != two.ID || !reflect.DeepEqual(collect(t, one), collect(t, two)) || !reflect.DeepEqual(collect(t, one), collect(t, one)) {
		t.Error("two samples of one seed differ")
	}
	other := week
	other.Seed = 2
	if produce.Sample(other).ID == one.ID || reflect.DeepEqual(collect(t, produce.Sample(other)), collect(t, one)) {
		t.Error("another seed makes the same sample")
	}
}

// The sample is like a real topic: each oddity is there, and none is the rule.
func TestSampleIsLikeARealTopic(t *testing.T) {
	all := collect(t, produce.Sample(week))
	var records []goldref.Event
	disordered := 0
	for i, e := range all {
		records = append(records, goldref.Event{Offset: int64(i), Time: e.Time, Key: e.Key, Value: e.Value})
		if i > 0 && e.Time.Before(all[i-1].Time) {
			disordered++
		}
	}
	topic := goldref.Of(records, time.Date(2024, 4, 1, 0, 0, 0, 0, time.UTC))
	late, states, fraud, currencies := 0, map[string]int{}, 0, map[string]bool{}
	for _, a := range topic.Transactions {
		states[a.Status]++
		currencies[a.Currency] = true
		if a.EventTime-a.InitiatedAt > goldref.Micros(24*time.Hour/time.Microsecond) {
			late++
		}
		if a.IsFraud {
			fraud++
		}
	}
	n := len(all)
	for _, tt := range []struct {
		name             string
		got, least, most int
	}{
		{"payments", len(topic.Transactions), 7*600 - 20, 7 * 600},
		{"records", n, 7500, 8800},
		{"days", len(topic.OKByDay), 7, 7},
		{"dead letters", len(topic.DeadLetters), n / 1000, n / 150},
		{"duplicates", topic.Duplicates, n / 300, n / 60},
		{"conflicting", topic.Conflicting, 0, 0},
		{"mismatched keys", topic.KeyMismatches, 0, 0},
		{"out of order", disordered, n / 200, n / 20},
		{"late settlements", late, 100, 500},
		{"pending", states["PENDING"], 20, 400},
		{"succeeded", states["SUCCESS"], 3200, 4100},
		{"failed", states["FAILED"], 150, 450},
		{"refunded", states["REFUNDED"], 30, 200},
		{"fraud", fraud, 40, 150},
		{"currencies", len(currencies), 6, 6},
	} {
		if tt.got < tt.least || tt.got > tt.most {
			t.Errorf("%s: %d, want %d to %d", tt.name, tt.got, tt.least, tt.most)
		}
	}
	for day, count := range topic.OKByDay {
		if day < "2024-03-01" || day > "2024-03-07" || count < 600 {
			t.Errorf("%s has %d records", day, count)
		}
	}
}

func TestASampleCanBeLeftEarly(t *testing.T) {
	n := 0
	for range produce.Sample(week).Events {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d events", n)
	}
}

func TestASampleOfNothing(t *testing.T) {
	if all := collect(t, produce.Sample(produce.SampleOptions{From: week.From, Days: 2})); len(all) != 0 {
		t.Errorf("%d events", len(all))
	}
}

func BenchmarkSample(b *testing.B) {
	b.ReportAllocs()
	n := 0
	for n < b.N {
		for range produce.Sample(produce.SampleOptions{From: week.From, Days: 7, PerDay: 10_000, Seed: uint64(n)}).Events {
			if n++; n == b.N {
				break
			}
		}
	}
}
