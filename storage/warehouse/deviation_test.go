package warehouse

import (
	"math"
	"slices"
	"testing"
)

func TestDeviate(t *testing.T) {
	none := math.NaN() // stands for nil
	for name, c := range map[string]struct {
		value              float64
		earlier            []float64
		median, mad, score float64
	}{
		"no day":                       {5, nil, none, none, none},
		"one day":                      {5, []float64{4}, 4, 0, none},
		"two days":                     {5, []float64{4, 6}, 5, 1, none},
		"three days":                   {7, []float64{6, 4, 5}, 5, 1, 0.6745 * 2},
		"in the middle":                {5, []float64{4, 5, 6}, 5, 1, 0},
		"below":                        {1, []float64{3, 4, 5, 6, 7, 8, 9}, 6, 2, -0.6745 * 5 / 2},
		"an even number of days":       {10, []float64{1, 2, 4, 8}, 3, 1.5, 0.6745 * 7 / 1.5},
		"an outlier among them":        {10, []float64{8, 9, 10, 11, 12, 10, 1e9}, 10, 1, 0},
		"most days equal":              {4, []float64{2, 2, 2, 2, 2, 2, 9}, 2, 0, 2 / (1.253314 * 1)},
		"all days equal, and the day":  {2, []float64{2, 2, 2}, 2, 0, 0},
		"all days equal, but the day":  {500, []float64{0, 0, 0, 0, 0, 0, 0}, 0, 0, ScoreBound},
		"all days equal, the day less": {0, []float64{3, 3, 3}, 3, 0, -ScoreBound},
		"far away":                     {1e6, []float64{1, 2, 3}, 2, 1, ScoreBound},
		"far below":                    {-1e6, []float64{1, 2, 3}, 2, 1, -ScoreBound},
		"rates":                        {0.5, []float64{0.1, 0.2, 0.3}, 0.2, 0.1, 0.6745 * 3},
		"the middle of the largest":    {math.MaxFloat64, []float64{math.MaxFloat64, math.MaxFloat64, math.MaxFloat64, math.MaxFloat64}, math.MaxFloat64, 0, 0},
	} {
		d := Deviate(c.value, c.earlier)
		for what, pair := range map[string][2]float64{"median": {or(d.Median), c.median}, "mad": {or(d.MAD), c.mad}, "score": {or(d.Score), c.score}} {
			if got, want := pair[0], pair[1]; math.IsNaN(got) != math.IsNaN(want) || math.Abs(got-want) > 1e-9 {
				t.Errorf("%s: %s %v, want %v", name, what, got, want)
			}
		}
		if d.Value != c.value || d.Days != len(c.earlier) {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func or(f *float64) float64 {
	if f == nil {
		return math.NaN()
	}
	return *f
}

func TestBeside(t *testing.T) {
	rate := func(f float64) *float64 { return &f }
	full := func(rows int64, inr string, city *float64) Metrics {
		return Metrics{DayCounts: DayCounts{Rows: rows}, NullRates: map[string]*float64{"city": city}, DeadLetterReasons: map[string]int64{},
			StatusCounts: map[string]int64{"SUCCESS": rows}, AmountSums: map[string]string{"INR": inr}, StatusSums: map[string]map[string]string{"SUCCESS": {"INR": inr}}}
	}
	eur := full(12, "3.00", rate(0.1))
	eur.AmountSums = map[string]string{"EUR": "3.00"}
	eur.DeadLetterReasons = map[string]int64{"amount": 2}
	old := Metrics{DayCounts: DayCounts{Rows: 99}, AmountSums: map[string]string{"INR": "9.00"}} // from before the other metrics
	got := beside(full(10, "1.50", nil), []Metrics{full(8, "1.25", rate(0.5)), full(9, "1.00", nil), eur, old})
	for name, want := range map[string]struct {
		value, median float64
		days          int
	}{
		"rows_loaded":            {10, 10.5, 4},
		"status_count.SUCCESS":   {10, 9, 3},
		"amount_sum.INR":         {1.5, 1.125, 4}, // 1.25, 1, 9, and 0 of the day that had euros
		"amount_sum.EUR":         {0, 0, 4},
		"status_sum.SUCCESS.INR": {1.5, 1.25, 3},
		"dead_letters.amount":    {0, 0, 3},
	} {
		d, ok := got[name]
		if !ok || d.Value != want.value || d.Days != want.days || or(d.Median) != want.median {
			t.Errorf("%s: %+v with median %v, want %+v", name, d, or(d.Median), want)
		}
	}
	// A rate over nothing today has no value to compare.
	for _, name := range []string{"null_rate.city", "fraud_rate", "null_rate.country"} {
		if d, ok := got[name]; ok {
			t.Errorf("%s: %+v, want none", name, d)
		}
	}
	m := Metrics{Baseline: map[string]Deviation{"b": Deviate(9, []float64{1, 2, 3}), "a": Deviate(-9, []float64{1, 2, 3}), "usual": Deviate(2, []float64{1, 2, 3}), "new": Deviate(9, nil)}}
	if names := m.Unusual(); !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("unusual: %v", names)
	}
	if d := beside(full(10, "1.50", rate(0.2)), []Metrics{full(8, "1.25", rate(0.5)), full(9, "1.00", nil)})["null_rate.city"]; d.Days != 1 || *d.Median != 0.5 {
		t.Errorf("a day without the rate is part of its baseline: %+v", d)
	}
}
