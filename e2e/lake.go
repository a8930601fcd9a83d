package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment/goldref"
)

// place is where a record lies on the topic.
type place struct {
	Partition int32 `parquet:"kafka_partition"`
	Offset    int64 `parquet:"kafka_offset"`
}

// plainPlaces reads the lake's files by their glob, as any other program would, and counts how often each record is seen.
func plainPlaces(t *testing.T, root string) map[place]int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, "bronze", topicName, "year=*", "month=*", "day=*", "*.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[place]int{}
	for _, name := range names {
		for _, p := range placesOf(t, name) {
			seen[p]++
		}
	}
	return seen
}

func placesOf(t *testing.T, name string) []place {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	places := make([]place, file.NumRows())
	if n, err := parquet.NewGenericReader[place](file).Read(places); n < len(places) {
		t.Fatalf("%s: %d of %d rows: %v", name, n, len(places), err)
	}
	return places
}

// checkLake checks that a plain reader sees every accepted record of the topic once and nothing else, that the log counts dead letters
// and tombstones right, and that its audit is clean.
func checkLake(t *testing.T, root string, want goldref.Topic) {
	t.Helper()
	seen := plainPlaces(t, root)
	for _, a := range want.Accepted {
		at := place{a.Partition, a.Offset}
		if n := seen[at]; n != 1 {
			t.Errorf("a plain reader sees %+v %d times", at, n)
		}
		delete(seen, at)
	}
	if len(seen) > 0 {
		t.Errorf("a plain reader sees %d records that were not accepted", len(seen))
	}
	l, err := lake.Open(root, topicName)
	if err != nil {
		t.Fatal(err)
	}
	report, err := l.Audit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems[:min(5, len(report.Problems))] {
		t.Errorf("audit: %s", p)
	}
	if report.Rows != int64(len(want.Accepted)) || report.DeadLetters != int64(len(want.DeadLetters)) || report.Tombstones != int64(want.Tombstones) || report.GapOffsets != 0 {
		t.Errorf("the lake has %d rows, %d dead letters, %d tombstones, %d gaps, want %d, %d, %d and 0", report.Rows, report.DeadLetters, report.Tombstones,
			report.GapOffsets, len(want.Accepted), len(want.DeadLetters), want.Tombstones)
	}
}

// checkAll holds everything that a program has left against the contract: topic against the files, lake against the topic, Gold
// against the topic.
func (o outcome) checkAll(files ...string) goldref.Topic {
	o.t.Helper()
	var produced []goldref.Event
	for _, f := range files {
		produced = append(produced, readEvents(o.t, f)...)
	}
	all := o.topic()
	checkTopic(o.t, all, produced)
	want := o.checkGold(all)
	checkLake(o.t, o.lake(), want)
	if got := o.number(`SELECT count(*) FROM bronze.transactions`); got != int64(len(want.Bronze)) {
		o.t.Errorf("bronze has %d events, want %d", got, len(want.Bronze))
	}
	if bad := o.query(`SELECT dag_id, run_id, state FROM tidemill.dag_runs WHERE state <> 'success' AND run_type <> 'scheduled'`); len(bad) > 0 {
		o.t.Errorf("runs that have not succeeded: %s", slices.Sorted(slices.Values(bad)))
	}
	return want
}
