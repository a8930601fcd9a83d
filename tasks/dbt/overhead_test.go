package dbt_test

import (
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"
)

// dbtTook finds, in dbt's last line, how long its command took by its own reckoning.
var dbtTook = regexp.MustCompile(`^Command .* after ([0-9.]+) seconds`)

// BenchmarkOverhead is what a run of the pipeline's models takes beyond what dbt says that its command took: the lock, the look for what a killed
// dbt has left, the fingerprint of the project, the events' way here, the results. The median of all runs is told.
func BenchmarkOverhead(b *testing.B) {
	w, r := newWarehouse(b)
	var whole, own, over []float64
	for b.Loop() {
		inv, said := w.today(), 0.0
		inv.Log = func(_, _, line string) {
			if m := dbtTook.FindStringSubmatch(line); m != nil {
				said, _ = strconv.ParseFloat(m[1], 64) // what is no number shows as none
			}
		}
		began := time.Now()
		if _, err := r.Run(b.Context(), inv); err != nil {
			b.Fatal(err)
		}
		took := time.Since(began).Seconds()
		if said == 0 {
			b.Fatal("dbt does not say how long it took")
		}
		whole, own, over = append(whole, took), append(own, said), append(over, took-said)
	}
	for name, values := range map[string][]float64{"s/run": whole, "s/run-of-dbt": own, "s/overhead": over} {
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], name)
	}
}
