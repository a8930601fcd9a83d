package main

import (
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// Maundy Thursday's run is due on Tuesday: Good Friday, the weekend and Easter Monday are in it.
func TestEasterIsOneInterval(t *testing.T) {
	days, err := engine.Timeline{Timetable: BusinessDays{easter2024}}.Between(
		time.Date(2024, 3, 28, 0, 0, 0, 0, time.UTC), time.Date(2024, 4, 2, 23, 0, 0, 0, time.UTC))
	if err != nil || len(days) != 2 {
		t.Fatalf("%v, %v", days, err)
	}
	for i, want := range []string{"Thu 28 Mar to Tue 2 Apr", "Tue 2 Apr to Wed 3 Apr"} {
		if got := days[i].Start.Format("Mon 2 Jan") + " to " + days[i].End.Format("Mon 2 Jan"); got != want {
			t.Errorf("interval %d is %s, want %s", i, got, want)
		}
	}
}
