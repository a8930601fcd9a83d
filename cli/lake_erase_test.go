package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// choosy is a decoder that once refused the first of lakeOf's payments.
func choosy(rec *lake.Record, into *payment.Row) lake.Verdict {
	if v := ingest.Payments(rec, into); v.Broken || rec.Offset > 0 {
		return v
	}
	return lake.Verdict{Broken: true, Field: "amount", Reason: "is not liked by me@example.com"}
}

func TestLakeDeadLettersRetry(t *testing.T) {
	env := lakeOf(t, choosy)
	retry := func(args ...string) (int, string, string) {
		t.Helper()
		return tidemill(t, env, append([]string{"lake", "dead-letters", "retry"}, args...)...)
	}
	if code, out, errOut := retry("--dry-run"); code != exitDone || !strings.Contains(out, "1 of 2 dead letters would become rows") || !strings.Contains(errOut, "2024-01-05: 2 tried, 1 rows now, 1 stay") {
		t.Errorf("the dry run ended %d: %s%s", code, out, errOut)
	}
	if code, out, _ := retry("--reason", "currency"); code != exitDone || !strings.Contains(out, "0 of 0") {
		t.Errorf("of a reason that none has it ended %d: %s", code, out)
	}
	if code, out, _ := retry("--from", "2024-01-06"); code != exitDone || !strings.Contains(out, "0 of 0") {
		t.Errorf("of other days it ended %d: %s", code, out)
	}
	if code, out, _ := tidemill(t, env, "lake", "dead-letters", "list", "--json"); code != exitDone || strings.Contains(out, "example.com") || !strings.Contains(out, "is not liked by ***") {
		t.Errorf("the list ended %d, and does not mask: %s", code, out)
	}
	if _, out, _ := tidemill(t, env, "lake", "dead-letters", "list", "--json", "--as-they-came"); !strings.Contains(out, "example.com") {
		t.Errorf("as they came: %s", out)
	}
	code, out, errOut := retry("--day", "2024-01-05", "--json")
	var did []retriedJSON
	if err := json.Unmarshal([]byte(out), &did); code != exitDone || err != nil || len(did) != 1 || did[0].ToRows != 1 || did[0].Entry != 2 || did[0].StillBroken["value"] != 1 {
		t.Errorf("it ended %d: %s%s (%v)", code, out, errOut, err)
	}
	if code, out, _ := retry(); code != exitDone || !strings.Contains(out, "0 of 1 dead letters became rows") || !strings.Contains(out, "value") {
		t.Errorf("again it ended %d: %s", code, out)
	}
	if code, out, _ := tidemill(t, env, "lake", "audit", "--deep"); code != exitDone || !strings.Contains(out, "clean") {
		t.Errorf("the deep audit ended %d: %s", code, out)
	}
	for want, args := range map[string][]string{
		"--day": {"--day", "x"}, "--from and --to": {"--day", "2024-01-05", "--from", "2024-01-01"}, "lies after": {"--from", "2024-02-01", "--to", "2024-01-01"}, "--to": {"--to", "9"},
	} {
		if code, _, errOut := retry(args...); code != exitUsage || !strings.Contains(errOut, want) {
			t.Errorf("retry %v ended %d: %s", args, code, errOut)
		}
	}
}

// TestStuckDeadLetters: what no contract mends is said, with what would.
func TestStuckDeadLetters(t *testing.T) {
	erased := "x"
	r := lake.Retried{Tried: 4, Still: []lake.DeadLetter{
		{Field: "value", Value: []byte{0, 0, 0, 0, 1, '{', '}'}}, {Field: lake.FieldTimestamp}, {Field: "value", Erased: &erased}, {Field: "amount", Value: []byte("{}")},
	}}
	refuses, strips := &command{config: &Config{SchemaFraming: "refuse"}}, &command{config: &Config{SchemaFraming: "strip"}}
	if got, want := refuses.retried(r).Stuck, (stuck{1, 1, 1}); got != want {
		t.Errorf("stuck: %+v, want %+v", got, want)
	}
	if got, want := strips.retried(r).Stuck, (stuck{0, 1, 1}); got != want {
		t.Errorf("stuck where framing is stripped: %+v, want %+v", got, want)
	}
	var b strings.Builder
	showRetried(&b, []retriedJSON{refuses.retried(r)}, false)
	for _, want := range []string{"0 of 4", "TIDEMILL_KAFKA_SCHEMA_FRAMING", "no day takes", "were erased"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s does not say %q", b.String(), want)
		}
	}
}

func TestLakeErase(t *testing.T) {
	env := lakeOf(t, ingest.Payments)
	erase := func(args ...string) (int, string, string) {
		t.Helper()
		return tidemill(t, env, append([]string{"lake", "erase"}, args...)...)
	}
	if code, out, errOut := erase("--customer", "c1", "--dry-run"); code != exitDone || !strings.Contains(out, "would be erased from 2 rows and 0 dead letters of 1 days") {
		t.Errorf("the dry run ended %d: %s%s", code, out, errOut)
	}
	code, out, errOut := erase("--customer", "c1", "--json")
	var done erasedJSON
	if err := json.Unmarshal([]byte(out), &done); code != exitDone || err != nil || done.Entry != 2 || len(done.Days) != 1 || done.Days[0].Rows != 2 || done.ReadableUntil == nil ||
		!strings.Contains(errOut, "2024-01-05: generation 1, 2 rows in 1 files") {
		t.Errorf("it ended %d: %s%s (%v)", code, out, errOut, err)
	}
	kept, err := filepath.Glob(filepath.Join(env["TIDEMILL_LAKE"], "_swap", "*", "*", "*.parquet"))
	if err != nil || len(kept) == 0 {
		t.Errorf("replaced files: %v, %v", kept, err)
	}
	if code, out, _ := erase("--customer", "c1", "--now"); code != exitDone || !strings.Contains(out, "erased from 0 rows") || strings.Contains(out, "readable") {
		t.Errorf("again, at once, it ended %d: %s", code, out)
	}
	for _, name := range kept {
		if _, err := os.Stat(name); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	for command, want := range map[string]string{"audit": "clean", "verify": "it agrees", "days": "2024-01-05", "files": "day=05"} {
		if code, out, errOut := tidemill(t, env, "lake", command); code != exitDone || !strings.Contains(out, want) {
			t.Errorf("lake %s ended %d: %s%s", command, code, out, errOut)
		}
	}
	for _, command := range [][]string{{"audit", "--deep"}, {"replay", "--from", "2024-01-05", "--to", "2024-01-05"}, {"audit", "--deep"}} {
		if code, out, errOut := tidemill(t, env, append([]string{"lake"}, command...)...); code != exitDone {
			t.Errorf("lake %v ended %d: %s%s", command, code, out, errOut)
		}
	}
	if code, out, _ := erase("--customer", "c1", "--dry-run"); code != exitDone || !strings.Contains(out, "0 rows and 0 dead letters of 0 days") {
		t.Errorf("the replay brought the customer back: %d: %s", code, out)
	}
	for _, args := range [][]string{nil, {"--customer", payment.Erased}} {
		if code, _, errOut := erase(args...); code != exitUsage || !strings.Contains(errOut, "--customer") {
			t.Errorf("lake erase %v ended %d: %s", args, code, errOut)
		}
	}
}
