package engine

import (
	"fmt"
	"testing"
)

// One operation is an element of a run that is decoded and encoded once, as at each of its transitions.
func BenchmarkRunStates(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		s := RunStates{Tasks: []TaskStates{{Mapped: true, Length: -1, Instances: make([]Instance, n)}}}
		for i := range s.Tasks[0].Instances {
			s.Tasks[0].Instances[i] = Instance{State: Queued, Try: 1}
		}
		raw := s.Encode()
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			var room scratch
			for i := 0; i < b.N; i += n {
				got, err := room.decode(raw)
				if err != nil || len(got.Encode()) != len(raw) {
					b.Fatal(err)
				}
			}
		})
	}
}
