package dbt

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestParseEvent(t *testing.T) {
	finished := `{"info": {"name": "NodeFinished", "level": "debug", "msg": "\u001b[32mdone\u001b[0m", "ts": "2024-01-05T01:02:03.5Z"}, "data": {` +
		`"node_info": {"unique_id": "model.p.m", "node_status": "success", "node_relation": {"relation_name": "\"d\".\"s\".\"m\""}}, "run_result": %}}`
	for name, c := range map[string]struct {
		line   string
		ok     bool
		status string
		rows   int64
		took   time.Duration
	}{
		"rows as a float":       {strings.Replace(finished, "%", `{"status": "success", "execution_time": 0.25, "adapter_response": {"rows_affected": 42.0}}`, 1), true, "success", 42, 250 * time.Millisecond},
		"no rows":               {strings.Replace(finished, "%", `{"status": "success", "adapter_response": {}}`, 1), true, "success", -1, 0},
		"minus one":             {strings.Replace(finished, "%", `{"status": "success", "adapter_response": {"rows_affected": -1}}`, 1), true, "success", -1, 0},
		"figures that are none": {strings.Replace(finished, "%", `{"status": "error", "execution_time": "NaN", "num_failures": null, "adapter_response": "?"}`, 1), true, "error", -1, 0},
		"no result":             {strings.Replace(finished, "%", `null`, 1), true, "", 0, 0},
		"odd result":            {strings.Replace(finished, "%", `[1]`, 1), true, "", 0, 0},
		"text":                  {"Traceback (most recent call last):", false, "", 0, 0},
		"empty":                 {"", false, "", 0, 0},
		"half a line":           {finished[:40], false, "", 0, 0},
		"another's JSON":        {`{"a": 1}`, false, "", 0, 0},
	} {
		e, ok := ParseEvent([]byte(c.line))
		if ok != c.ok {
			t.Errorf("%s: ok = %v", name, ok)
			continue
		}
		if ok && (e.UniqueID != "model.p.m" || e.Message != "done" || e.Relation != `"d"."s"."m"` || e.Time.IsZero()) {
			t.Errorf("%s: %+v", name, e)
		}
		if (e.Result != nil) != (c.status != "") {
			t.Errorf("%s: result = %+v", name, e.Result)
		} else if e.Result != nil && (e.Result.Status != c.status || e.Result.rows() != c.rows || e.Result.executionTime() != c.took) {
			t.Errorf("%s: result = %+v, rows %d, took %s", name, e.Result, e.Result.rows(), e.Result.executionTime())
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	logs, err := filepath.Glob("testdata/events/*.jsonl")
	if err != nil || len(logs) == 0 {
		f.Fatalf("no recorded logs: %v", err)
	}
	for _, log := range logs {
		text, err := os.ReadFile(log) //nolint:gosec // ours
		if err != nil {
			f.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			f.Add(line)
		}
	}
	plan := Nodes(tinyManifest(f), CommandBuild)
	f.Fuzz(func(t *testing.T, line []byte) {
		e, ok := ParseEvent(line)
		if !ok {
			return
		}
		track := newTracker(plan, nil)
		changed := track.apply(e)
		if changed != nil && changed.State.Passed() && (e.Result == nil || !stateOf(e.Result.Status).Passed()) {
			t.Fatalf("%s turned green by %q", changed.Name, line)
		}
		track.reconcile(nil, ending{code: -1})
		for _, n := range track.nodes {
			if !n.State.Terminal() {
				t.Fatalf("%s is left %s by %q", n.Name, n.State, line)
			}
		}
	})
}

func TestReadLines(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	for name, c := range map[string]struct{ text, want string }{
		"lines":         {"a\nb\r\n\nc", "a|b|c"},
		"a long line":   {"a\n" + long + "\nb\n", "a|" + long + "|b"},
		"a longer last": {long + long, long + long},
		"nothing":       {"", ""},
	} {
		var got []string
		err := readLines(bufio.NewReaderSize(iotest.HalfReader(strings.NewReader(c.text)), 16), func(line []byte) bool {
			got = append(got, string(line))
			return true
		})
		if err != nil || strings.Join(got, "|") != c.want {
			t.Errorf("%s: %d lines, %v", name, len(got), err)
		}
	}
	broken := errors.New("broken")
	if err := readLines(bufio.NewReader(iotest.ErrReader(broken)), func([]byte) bool { return true }); !errors.Is(err, broken) {
		t.Errorf("error = %v, want the reader's", err)
	}
	cut := 0
	if err := readLines(bufio.NewReader(strings.NewReader(strings.Repeat("x", maxLine+5)+"\nb")), func(line []byte) bool {
		cut = max(cut, len(line))
		return true
	}); err != nil || cut != maxLine {
		t.Errorf("longest line = %d, %v; want it cut to %d", cut, err, maxLine)
	}
}
