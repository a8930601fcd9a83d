package interop

import (
	_ "embed"
	"encoding/json"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/storage/lake/laketest"
)

// sparkVar names a Python that has pyspark: see the package's comment.
const sparkVar = "TIDEMILL_SPARK"

//go:embed spark.py
var sparkCode string

// spark runs Spark on a lake; from is an amount to filter by, or -1 for all rows. False: it is not asked for.
func spark(t *testing.T, root string, from int64, answer any) bool {
	t.Helper()
	python := os.Getenv(sparkVar)
	if python == "" {
		t.Logf("Spark is not tried: that takes %s", sparkVar)
		return false
	}
	cmd := exec.Command(python, "-c", sparkCode, root, laketest.Topic, strconv.FormatInt(from, 10)) //nolint:gosec // the tester's own
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("Spark: %v: %s", err, &said)
	}
	_, line, found := strings.Cut(string(out), "ANSWER ")
	if !found {
		t.Fatalf("Spark says no answer: %s %s", out, &said)
	}
	if err := json.Unmarshal([]byte(line), answer); err != nil {
		t.Fatal(err)
	}
	return true
}

// TestSparkTypesAndValues: what TestTypesAndValues asks of the others.
func TestSparkTypesAndValues(t *testing.T) {
	t.Parallel()
	l, rows, dead := laketest.Hostile(t, 6000)
	var a answer
	if !spark(t, l.Root(), -1, &a) {
		return
	}
	for _, want := range types {
		if a.Types[want.column] != want.spark {
			t.Errorf("column %s is a %s, want %s", want.column, a.Types[want.column], want.spark)
		}
	}
	sameRows(t, "Spark", a.Rows, rows)
	if len(a.Dead) != len(dead) {
		t.Fatalf("Spark sees %d dead letters, want %d", len(a.Dead), len(dead))
	}
	for i, d := range dead {
		want := deadSeen{hexOf(d.Key), hexOf(d.Value), d.Partition, d.Offset, d.Time.UnixMicro()}
		if !reflect.DeepEqual(a.Dead[i], want) {
			t.Errorf("Spark sees the dead letter %s, want %s", text(a.Dead[i]), text(want))
		}
	}
}

// TestSparkUsesThePageIndex to leave out pages within a row group: of decimals and text. (It pushes no filter down by a time or an INT64 of
// ours: their schema tells their width, which is allowed and which it does not expect.)
func TestSparkUsesThePageIndex(t *testing.T) {
	t.Parallel()
	const records, from = 100_000, 99_000 // in one row group
	l := laketest.Ordered(t, records)
	type scan struct {
		Count int64 `json:"count"`
		Rows  int64 `json:"rows"`
	}
	var got map[string]scan
	if !spark(t, l.Root(), from, &got) {
		return
	}
	if with, without := got["with"], got["without"]; with.Count != records-from || without.Count != records-from || without.Rows != records || with.Rows >= records/2 {
		t.Errorf("its scan gives %d rows with the page index, %d without it", with.Rows, without.Rows)
	}
}
