package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/lake"
	row "github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// TestMain lets the test binary be the children, as the program is.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleVar); role != "" {
		os.Exit(exit(child(role)))
	}
	os.Exit(m.Run())
}

var tiny = sizes{
	fanRuns: 3, chainRuns: 5, oneByOne: 2, triggers: 5, startDAGs: 3, idleSettle: time.Millisecond, idleWatch: 100 * time.Millisecond,
	minutelyDAGs: 20, minutelySchedule: "@every 2s", minutelyPeriod: 2 * time.Second, minutelyPeriods: 1, virtualFor: time.Millisecond, mapped: 20, logged: 1 << 20,
	snapshotWaves: 2, snapshotRuns: 4, probeRuns: 10, pastRuns: 120, pastFan: 2, pastChain: 2, pastTriggers: 3, pastRounds: 1,
	jobs: 100, hops: 3, commits: 3, ingested: 600, loaded: 600, entries: 300,
	latencyFor: 500 * time.Millisecond, audited: 32, auditedRows: 20, years: 1, realDays: 2, dayRows: 300,
}

// Every benchmark runs, balances its books and tells finite figures, of which those with a key have names of their own.
func TestBenchmarks(t *testing.T) {
	l, err := openLab(t.Context(), "", tiny, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.close(); err != nil {
			t.Error(err)
		}
	})
	for _, b := range benchmarks {
		t.Run(b.name, func(t *testing.T) {
			figures, err := b.run(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for _, f := range figures {
				if math.IsNaN(f.value) || math.IsInf(f.value, 0) || f.value < 0 || f.unit == "" {
					t.Errorf("%+v", f)
				}
				if f.key != "" && seen[f.key] {
					t.Errorf("two figures are called %s", f.key)
				}
				seen[f.key] = true
			}
			if len(seen) == 1 && seen[""] || len(seen) == 0 {
				t.Error("no figure has a key")
			}
		})
	}
}

// Books that do not balance are refused: one run is missing, or one attempt is.
func TestBalance(t *testing.T) {
	l, err := openLab(t.Context(), "", tiny, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.close(); err != nil {
			t.Error(err)
		}
	}()
	address, drop, err := l.database(t.Context(), migrations.Engine)
	if err != nil {
		t.Fatal(err)
	}
	defer drop()
	p := past{runs: 60, began: time.Now().UTC()}
	if err := p.write(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	if err := p.check(t.Context(), address); err != nil {
		t.Error(err)
	}
	for want, c := range map[string][2]int{"60 runs succeeded, not 61": {61, 0}, "1497 tasks succeeded at their first try": {60, 60 * pastTasks}, "1503 attempts": {60, 60*pastTasks - 3}} {
		if err := balance(t.Context(), address, 0, c[0], c[1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

// What the history says of itself is what the engine reads.
func TestPastStates(t *testing.T) {
	for last := 1; last <= 2; last++ {
		s, err := engine.DecodeRunStates(pastStates(last))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Tasks[pastTasks-1].Instances[0]; len(s.Tasks) != pastTasks || got.State != engine.Success || got.Try != last {
			t.Errorf("%d tasks, the last %+v", len(s.Tasks), got)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1}, 5},
		{[]float64{9, 1, 4}, 4},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

func TestPercentile(t *testing.T) {
	values := make([]float64, 200)
	for i := range values {
		values[i] = float64(200 - i)
	}
	for p, want := range map[float64]float64{0: 1, 0.5: 101, 0.99: 199, 1: 200} {
		if got := percentile(values, p); got != want {
			t.Errorf("percentile %v is %v, want %v", p, got, want)
		}
	}
}

func TestRounds(t *testing.T) {
	b := benchmark{rounds: 5}
	for _, c := range []struct {
		quick bool
		told  int
		want  int
	}{{false, 0, 5}, {true, 0, 1}, {false, 2, 2}, {true, 2, 2}} {
		if got := roundsOf(b, c.quick, c.told); got != c.want {
			t.Errorf("quick %t, told %d: %d rounds, want %d", c.quick, c.told, got, c.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.034567: "0.03457", 12.3456: "12.35", 999.96: "1,000", 1234.5: "1,235", 1234567: "1,234,567"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) = %s, want %s", v, got, want)
		}
	}
}

func TestChoose(t *testing.T) {
	got, err := choose("river,engine_fan")
	if err != nil || len(got) != 2 || got[0].name != "engine_fan" || got[1].name != "river" {
		t.Errorf("choose keeps to our order: %v, %v", got, err)
	}
	if all, err := choose(""); err != nil || len(all) != len(benchmarks) {
		t.Errorf("no list is all: %v, %v", all, err)
	}
	if _, err := choose("engine_fan,rivers"); err == nil || !strings.Contains(err.Error(), `"rivers"`) {
		t.Errorf("an unknown name is named: %v", err)
	}
}

func TestReport(t *testing.T) {
	results := []result{{"river", []figure{{key: "per_s", unit: "jobs/s", value: 16803.4}, {unit: "µs", value: 70}, {key: "hop_ms", unit: "ms", value: 1.80312}}}}
	var out bytes.Buffer
	if err := report(&out, results, asJSON); err != nil {
		t.Fatal(err)
	}
	var got map[string]map[string]float64
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if len(got) != 1 || len(got["river"]) != 2 || got["river"]["per_s"] != 16803 || got["river"]["hop_ms"] != 1.803 {
		t.Errorf("%s", out.String())
	}
	out.Reset()
	if err := report(&out, results, asMarkdown); err != nil || out.String() != "| `river` | 16,803 jobs/s, 70 µs, 1.803 ms |\n" {
		t.Errorf("%v: %s", err, out.String())
	}
}

// What the figures are about: every made-up payment keeps the contract, is of about 430 bytes, and comes twice as often as is said.
func TestPayments(t *testing.T) {
	const n = 1000
	size, seen := 0, map[string]bool{}
	for i, p := range payments(n, true) {
		rec := lake.Record{Key: p.key, Value: p.value, Timestamp: p.at, IngestedAt: p.at, Offset: int64(i)}
		var into row.Row
		if v := ingest.Payments(&rec, &into); v.Broken || v.KeyMismatch {
			t.Fatalf("%s: %+v", p.value, v)
		}
		size += len(p.value)
		seen[string(p.value)] = true
	}
	if mean := size / n; mean < 410 || mean > 470 {
		t.Errorf("a record has %d bytes", mean)
	}
	if len(seen) != n/100*99 {
		t.Errorf("of %d records %d are distinct", n, len(seen))
	}
}

func TestBadArguments(t *testing.T) {
	for want, args := range map[string][]string{
		"there is no benchmark": {"-only", "nothing"},
		"-dsn":                  {"-dsn", "host=localhost user=x"},
		"not understood":        {"fan"},
		"-rounds":               {"-rounds", "-1"},
		"not both":              {"-json", "-markdown"},
	} {
		if err := run(context.Background(), args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
	if err := run(context.Background(), []string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}
