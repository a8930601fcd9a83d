package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// A benchmark measures one thing.
type benchmark struct {
	name   string
	rounds int // when not quick: the median of so many is told
	run    func(context.Context, *lab) ([]figure, error)
}

// A figure is one number of a benchmark. Those with a note and no key are for the table only.
type figure struct {
	key   string // in the JSON object
	unit  string
	value float64
	note  string
}

// A result is what a benchmark's rounds came to.
type result struct {
	name    string
	figures []figure
}

// benchmarks are in the order in which a round goes through them: what is compared stands side by side.
var benchmarks = []benchmark{
	{"engine_fan", 5, fan},
	{"engine_two", 5, twoProcesses},
	{"river", 5, riverJobs},
	{"engine_chain", 5, chain},
	{"engine_seq40", 5, sequence},
	{"fanout100", 5, fanOut},
	{"commit", 5, commit},
	{"trigger_http", 1, triggerHTTP},
	{"start500", 5, startMany},
	{"idle", 1, idle},
	{"minutely10k", 1, minutely},
	{"minutely_virtual", 1, minutelyVirtual},
	{"mapped_memory", 3, mappedMemory},
	{"log1g", 1, bigLog},
	{"old_snapshot", 1, oldSnapshot},
	{"history3m", 1, history},
	{"load", 3, load},
	{"load4", 3, load4},
	{"load10k", 3, load10k},
	{"copy", 3, rawCopy},
	{"ingest", 5, ingestion},
	{"ingest30", 1, ingestion30},
	{"ingest2", 1, ingestTwo},
	{"latency", 1, latency},
	{"restart", 1, restart},
	{"oneday", 3, oneDay},
	{"audit10k", 1, audit},
}

func names() []string {
	var all []string
	for _, b := range benchmarks {
		all = append(all, b.name)
	}
	return all
}

// measure runs the rounds of the benchmarks in turn, as many of each as rounds says, and takes the median of each figure.
func measure(ctx context.Context, l *lab, chosen []benchmark, rounds func(benchmark) int) ([]result, error) {
	samples := map[string][][]figure{}
	for round, open := 0, true; open; round++ {
		open = false
		for _, b := range chosen {
			if round >= rounds(b) {
				continue
			}
			open = true
			began := time.Now()
			figures, err := b.run(ctx, l)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", b.name, err)
			}
			samples[b.name] = append(samples[b.name], figures)
			fmt.Fprintf(os.Stderr, "%-16s round %d, %4.1f s: %s\n", b.name, round+1, time.Since(began).Seconds(), line(figures))
		}
	}
	var results []result
	for _, b := range chosen {
		results = append(results, result{b.name, medians(samples[b.name])})
	}
	return results, nil
}

// roundsOf is how often a benchmark is run.
func roundsOf(b benchmark, small bool, told int) int {
	switch {
	case told > 0:
		return told
	case small:
		return 1
	}
	return b.rounds
}

// medians takes the median of each figure over rounds that have the same figures.
func medians(rounds [][]figure) []figure {
	out := slices.Clone(rounds[0])
	for i := range out {
		var values []float64
		for _, r := range rounds {
			values = append(values, r[i].value)
		}
		out[i].value = median(values)
	}
	return out
}

func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// percentile is the value that so much of all (0.99 for the 99th percentile) does not exceed.
func percentile(values []float64, p float64) float64 {
	slices.Sort(values)
	return values[min(len(values)-1, int(p*float64(len(values))))]
}
