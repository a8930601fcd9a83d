package warehouse

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	// leastDays is how many of them must have been measured for a score: two values have no middle.
	leastDays = 3
	// ScoreBound is the largest score; a value that leaves a baseline without any spread has it.
	ScoreBound = 100
	// OutOfTheOrdinary is the score above which, in size, Iglewicz and Hoaglin call a value a potential outlier.
	OutOfTheOrdinary = 3.5
)

// Deviation is one metric of a day beside the days before it. It is a statistic: a sum of money in it is a float64, while
// the metric itself is exact.
type Deviation struct {
	Value float64 `json:"value"`
	// Days is how many of the seven days before were measured, Median their middle and MAD their median absolute
	// deviation from it; both nil when no day was.
	Days   int      `json:"days"`
	Median *float64 `json:"median"`
	MAD    *float64 `json:"mad"`
	// Score says how far the value is from the baseline, see [Deviate]; nil when fewer than three days were measured.
	Score *float64 `json:"score"`
}

// Deviate compares a value with those of the days before, in any order, by the modified z-score:
//
//	score = 0.6745 · (value − median) / MAD
//
// where MAD is the median of |earlier − median|. It is that of B. Iglewicz and D. Hoaglin, How to Detect and Handle
// Outliers (ASQC, 1993), as in the NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.17; above 3.5 in size
// ([OutOfTheOrdinary]) it marks an outlier. Of seven days, three may be outliers themselves without changing it much,
// which a mean and a standard deviation do not bear. Where more than half of the days are equal, MAD is 0 and the mean
// absolute deviation stands in: score = (value − median) / (1.253314 · MeanAD), as in IBM SPSS. Where all are equal, an
// equal value has 0. Scores lie in ±[ScoreBound].
func Deviate(value float64, earlier []float64) Deviation {
	d := Deviation{Value: value, Days: len(earlier)}
	if len(earlier) == 0 {
		return d
	}
	middle := median(earlier)
	apart, sum := make([]float64, len(earlier)), 0.0
	for i, e := range earlier {
		apart[i] = math.Abs(e - middle)
		sum += apart[i]
	}
	mad := median(apart)
	d.Median, d.MAD = &middle, &mad
	if len(earlier) < leastDays {
		return d
	}
	score := 0.0
	switch meanAD := sum / float64(len(apart)); {
	case value == middle:
	case mad > 0:
		score = 0.6745 * (value - middle) / mad
	case meanAD > 0:
		score = (value - middle) / (1.253314 * meanAD)
	default:
		score = math.Copysign(ScoreBound, value-middle)
	}
	score = max(-ScoreBound, min(ScoreBound, score))
	d.Score = &score
	return d
}

// median is the middle of values, of which there is at least one; of an even number, the mean of the two in the middle.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return sorted[half-1]/2 + sorted[half]/2
}

// beside compares each metric of a day with those of the days before it, by the names of [Metrics.values]. What only
// the days before have, such as a currency that is gone, counts as 0 today. A day that did not measure a metric (a rate
// over nothing; a row from before the metric was there) is no part of its baseline.
func beside(today Metrics, before []Metrics) map[string]Deviation {
	now := today.values()
	days := make([]map[string]float64, len(before))
	names := maps.Clone(now)
	for i, m := range before {
		days[i] = m.values()
		maps.Copy(names, days[i])
	}
	out := make(map[string]Deviation, len(names))
	for name := range names {
		value, ok := now[name]
		if !ok && !today.counted(name) {
			continue
		}
		var earlier []float64
		for i, d := range days {
			if v, ok := d[name]; ok || before[i].counted(name) {
				earlier = append(earlier, v)
			}
		}
		out[name] = Deviate(value, earlier)
	}
	return out
}

// The metrics that exist by value, as dead_letters.amount or amount_sum.INR.
const (
	reasonPrefix    = "dead_letters."
	sumPrefix       = "amount_sum."
	statusPrefix    = "status_count."
	statusSumPrefix = "status_sum."
	nullPrefix      = "null_rate."
)

// values are the metrics by name: counts, rates, and per value null_rate.<column>, dead_letters.<reason>,
// amount_sum.<currency>, status_count.<status>, status_sum.<status>.<currency>. What was not measured is not in it.
func (m Metrics) values() map[string]float64 {
	v := map[string]float64{
		"rows_loaded": float64(m.Rows), "duplicates": float64(m.Duplicates), "rejected": float64(m.Rejected),
		"dead_letters": float64(m.DeadLetters), "tombstones": float64(m.Tombstones), "key_mismatches": float64(m.KeyMismatches),
		"late_rows": float64(m.LateRows), "fraud_count": float64(m.FraudCount),
	}
	rates := map[string]*float64{"dead_letter_rate": m.DeadLetterRate, "duplicate_rate": m.DuplicateRate, "fraud_rate": m.FraudRate}
	for column, r := range m.NullRates {
		rates[nullPrefix+column] = r
	}
	for name, r := range rates {
		if r != nil {
			v[name] = *r
		}
	}
	for reason, n := range m.DeadLetterReasons {
		v[reasonPrefix+reason] = float64(n)
	}
	for status, n := range m.StatusCounts {
		v[statusPrefix+status] = float64(n)
	}
	for currency, sum := range m.AmountSums {
		v[sumPrefix+currency] = statistic(sum)
	}
	for status, sums := range m.StatusSums {
		for currency, sum := range sums {
			v[statusSumPrefix+status+"."+currency] = statistic(sum)
		}
	}
	return v
}

// counted says whether a metric of that name would be in values, were it not 0: its whole group was measured.
func (m Metrics) counted(name string) bool {
	switch {
	case strings.HasPrefix(name, reasonPrefix):
		return m.DeadLetterReasons != nil
	case strings.HasPrefix(name, sumPrefix):
		return m.AmountSums != nil
	case strings.HasPrefix(name, statusPrefix):
		return m.StatusCounts != nil
	case strings.HasPrefix(name, statusSumPrefix):
		return m.StatusSums != nil
	}
	return false
}

// statistic is a sum, as the database writes it, as near as a float64 comes to it.
func statistic(sum string) float64 {
	f, err := strconv.ParseFloat(sum, 64)
	if err != nil {
		panic("a sum of amounts is no number: " + sum) // the database's own numeric
	}
	return f
}
