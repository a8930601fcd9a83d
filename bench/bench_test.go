package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/storage/lake"
	row "github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/ingest"
)

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
	if _, err := choose("engine_fan,rivers"); err == nil || !strings.Contains(err.Error(), `"rivers"`) {
		t.Errorf("an unknown name is named: %v", err)
	}
}

func TestReport(t *testing.T) {
	results := []result{{"river", []figure{{key: "per_s", unit: "jobs/s", value: 16803.4}, {unit: "µs", value: 70}, {key: "hop_ms", unit: "ms", value: 1.80312}}}}
	var out bytes.Buffer
	if err := report(&out, results, true); err != nil {
		t.Fatal(err)
	}
	var got map[string]map[string]float64
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if len(got) != 1 || len(got["river"]) != 2 || got["river"]["per_s"] != 16803 || got["river"]["hop_ms"] != 1.803 {
		t.Errorf("%s", out.String())
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
	} {
		if err := run(context.Background(), args, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
	if err := run(context.Background(), []string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}
