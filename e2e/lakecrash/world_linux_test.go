package lakecrash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/internal/testkit/plainreader"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/tasks/ingest"
)

const topic = "transactions"

// world is a broker with the topic, what was put on it, and a reader of lakes that is not ours.
type world struct {
	t      *testing.T
	name   string // of what is tried: "first commit", "later commit", "compact" …
	base   string // folder of a lake and its mirror that processes start from
	addrs  []string
	client *kgo.Client
	admin  *kadm.Client
	reader *plainreader.Reader
	want   expected

	// Of a world whose day is rewritten.
	rewrite string          // how
	settled map[int32]int64 // where the partitions end in the lake that processes start from
}

// expected is what a lake of the topic is to hold.
type expected struct {
	rows       map[int32][]int64        // offsets of accepted records by partition, ascending
	refused    map[int32]map[int64]bool // of these, what strictly refuses
	dead       int64
	tombstones int64
	ends       map[int32]int64
	cents      int64 // sum of the amounts
}

// newWorld makes the topic on a broker at these addresses.
func newWorld(t *testing.T, reader *plainreader.Reader, addrs []string, partitions int32) *world {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic),
		kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	w := &world{t: t, addrs: addrs, client: client, admin: kadm.NewClient(client), reader: reader,
		want: expected{rows: map[int32][]int64{}, refused: map[int32]map[int64]bool{}, ends: map[int32]int64{}}}
	keep := map[string]*string{"retention.ms": kadm.StringPtr("-1")} // whatever the records' timestamps
	if _, err := w.admin.CreateTopic(t.Context(), partitions, 1, keep, topic); err != nil {
		t.Fatal(err)
	}
	return w
}

// produce puts records on the topic, and takes note of what is to become of them.
func (w *world) produce(recs ...*kgo.Record) error {
	if err := w.client.ProduceSync(w.t.Context(), recs...).FirstErr(); err != nil {
		return err
	}
	for _, r := range recs {
		switch {
		case r.Value == nil:
			w.want.tombstones++
		case string(r.Value) == broken:
			w.want.dead++
		default:
			w.want.rows[r.Partition] = append(w.want.rows[r.Partition], r.Offset)
			w.want.cents += cents(r)
			if w.want.refused[r.Partition] == nil {
				w.want.refused[r.Partition] = map[int64]bool{}
			}
			w.want.refused[r.Partition][r.Offset] = refused(r.Key, r.Timestamp)
		}
		w.want.ends[r.Partition] = max(w.want.ends[r.Partition], r.Offset+1)
	}
	return nil
}

// complete checks that a lake holds all of the topic: DuckDB and pyarrow see every accepted offset exactly once, the audit is clean, the
// deep one too, the mirror is no other log, and Kafka's group is not told of more than is in the lake.
func (w *world) complete(ctx context.Context, a assignment) error {
	l, err := lake.Open(a.Root, topic)
	if err != nil {
		return err
	}
	report, err := l.Audit(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range report.Problems {
		errs = append(errs, fmt.Errorf("audit: %s", p))
	}
	for _, p := range report.Partitions {
		if p.End != w.want.ends[p.Partition] {
			errs = append(errs, fmt.Errorf("partition %d: the lake ends at %d, the topic at %d", p.Partition, p.End, w.want.ends[p.Partition]))
		}
	}
	if report.DeadLetters != w.want.dead || report.Tombstones != w.want.tombstones || report.GapOffsets != 0 || len(report.Partitions) != len(w.want.ends) {
		errs = append(errs, fmt.Errorf("the lake has %d dead letters, %d tombstones and %d gaps in %d partitions, want %d, %d and none in %d",
			report.DeadLetters, report.Tombstones, report.GapOffsets, len(report.Partitions), w.want.dead, w.want.tombstones, len(w.want.ends)))
	}
	seen, err := w.reader.Places(a.Root, topic)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for p := range w.want.ends {
		if !slices.Equal(seen.Offsets[p], w.want.rows[p]) {
			errs = append(errs, fmt.Errorf("partition %d: a plain reader sees %s", p, difference(seen.Offsets[p], w.want.rows[p])))
		}
	}
	if want := fmt.Sprintf("%d.%02d", w.want.cents/100, w.want.cents%100); seen.Amount != want {
		errs = append(errs, fmt.Errorf("a plain reader sees amounts of %s, want %s", seen.Amount, want))
	}
	errs = append(errs, w.compared(ctx, l), mirror{folder: a.Mirror}.agrees(ctx, l), w.courteous(ctx, a.Group))
	return errors.Join(errs...)
}

// compared checks that the lake agrees with the topic, offset by offset.
func (w *world) compared(ctx context.Context, l *lake.Lake) error {
	k, err := ingest.CompareWithKafka(ctx, w.addrs, nil, l, ingest.Payments)
	if err != nil {
		return err
	}
	var all int64
	for _, end := range w.want.ends {
		all += end
	}
	if !k.Clean() || k.Compared != all {
		return fmt.Errorf("compared with the topic: %+v, want all of %d offsets", k, all)
	}
	return nil
}

// sound checks a lake that is not complete, or is written to: a plain reader sees nothing but whole files and no record twice.
func (w *world) sound(root string) error {
	seen, err := w.reader.PlacesByReader(root, topic)
	if err != nil {
		return err
	}
	for name, s := range seen {
		for p, offsets := range s.Offsets {
			if once := slices.Compact(slices.Clone(offsets)); len(once) != len(offsets) {
				return fmt.Errorf("partition %d: %s sees %d of %d records twice", p, name, len(offsets)-len(once), len(offsets))
			}
		}
	}
	return nil
}

// courteous checks that Kafka's group is told of nothing that is not in the lake.
func (w *world) courteous(ctx context.Context, group string) error {
	offsets, err := w.admin.FetchOffsets(ctx, group)
	if err != nil {
		return fmt.Errorf("ask for the group's offsets: %w", err)
	}
	var errs []error
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.At > w.want.ends[o.Partition] {
			errs = append(errs, fmt.Errorf("partition %d: Kafka's group is at %d of %d", o.Partition, o.At, w.want.ends[o.Partition]))
		}
	})
	return errors.Join(errs...)
}

// difference says in what offsets are not those wanted; both ascend.
func difference(got, want []int64) string {
	times := map[int64]int{}
	for _, o := range got {
		times[o]++
	}
	var lost, doubled []int64
	for _, o := range want {
		switch n := times[o]; {
		case n == 0:
			lost = append(lost, o)
		case n > 1:
			doubled = append(doubled, o)
		}
		delete(times, o)
	}
	return fmt.Sprintf("%d records of %d; lost: %v, twice: %v, of no accepted record: %d", len(got), len(want), lost, doubled, len(times))
}

// What lies in the folder of a cell.
const (
	lakeFolder   = "lake"
	mirrorFolder = "mirror"
)

// folders makes them.
func folders(dir string) error {
	return errors.Join(os.MkdirAll(filepath.Join(dir, lakeFolder), 0o750), os.MkdirAll(filepath.Join(dir, mirrorFolder), 0o750))
}
