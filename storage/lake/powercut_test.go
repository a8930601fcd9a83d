package lake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/blob"
	"github.com/tidemill/tidemill/storage/blob/blobtest"
)

func openOn(disk blob.FS, now func() time.Time) *Lake {
	l, err := Open("unused", testTopic, WithFS(disk), WithClock(now), WithLog(slog.New(slog.DiscardHandler)))
	if err != nil {
		panic(err)
	}
	return l
}

// scenario is the life of a lake: two writers take turns, one leaves and a
// third collects what it left. It returns per partition how far Commit said
// that offsets are safe, and the first error.
func scenario(ctx context.Context, disk blob.FS, clock *blobtest.Disk) (safe map[int32]int64, err error) {
	safe = map[int32]int64{}
	src := testSource()
	steps := []struct {
		writer     int
		offsets    int64
		partitions []int32
	}{{0, 6, []int32{0, 2}}, {0, 5, []int32{0, 1}}, {1, 7, []int32{1}}, {0, 4, []int32{0}}, {2, 30, []int32{0, 1, 2}}}
	writers := make([]*Writer[row], 3)
	for _, step := range steps {
		w := writers[step.writer]
		if w == nil { // each in a process of its own
			l := openEvery(disk, clock.Now, 3)
			w = NewWriter[row](l)
			writers[step.writer] = w
			if err := l.Finish(ctx); err != nil {
				return safe, err
			}
			if _, err := w.Collect(ctx, time.Hour); err != nil {
				return safe, err
			}
		}
		e, err := src.ingest(ctx, w, step.offsets, step.partitions...)
		if errors.Is(err, ErrFenced) { // collected by another that took its silence for death
			w = NewWriter[row](openOn(disk, clock.Now))
			writers[step.writer] = w
			e, err = src.ingest(ctx, w, step.offsets, step.partitions...)
		}
		if err != nil {
			return safe, err
		}
		for _, r := range e.Partitions {
			safe[r.Partition] = r.End
		}
		clock.Advance(2 * time.Hour)
	}
	return safe, writers[2].Close()
}

// resume is the next process on a disk: it checks what it finds, ingests the
// rest, and checks that all of it is there.
func resume(ctx context.Context, disk *blobtest.Disk, safe map[int32]int64) error {
	l := openOn(disk, disk.Now)
	state, err := l.State(ctx)
	if err != nil {
		return fmt.Errorf("read the log after the cut: %w", err)
	}
	for p, end := range safe {
		if next := state.Next(testTopicID, p); next < end {
			return fmt.Errorf("partition %d was safe up to %d, the log is at %d", p, end, next)
		}
	}
	if err := noneTwice(disk); err != nil {
		return fmt.Errorf("before anything was finished: %w", err)
	}
	files, err := state.FilesOf("")
	if err != nil {
		return err
	}
	for _, f := range files { // the log never claims a file that is not there
		there := false
		for _, name := range disk.Tree() { // in its place, or on its way
			if data, err := disk.ReadFile(name); err == nil && strings.Contains(name, baseOf(f.Path)) && checksumOf(data) == f.Checksum {
				there = true
			}
		}
		if !there {
			return fmt.Errorf("entry %d claims %s: not there or damaged", f.Entry, f.Path)
		}
	}
	if err := l.Finish(ctx); err != nil {
		return err
	}
	w := NewWriter[row](l)
	if _, err := w.Collect(ctx, time.Hour); err != nil {
		return err
	}
	src := testSource()
	if _, err := src.ingest(ctx, w, 100, 0, 1, 2); err != nil {
		return err
	}
	if err := src.exactlyOnce(disk); err != nil {
		return err
	}
	report, err := l.Audit(ctx)
	if err != nil {
		return err
	}
	if !report.Clean() {
		return fmt.Errorf("audit: %s", strings.Join(report.Problems, "; "))
	}
	return nil
}

// kindsOfCut are what a cut can leave on the disk.
var kindsOfCut = []struct {
	name  string
	after func(ctx context.Context, disk *blobtest.Disk, spoil func(blob.FS) blob.FS) (*blobtest.Disk, error)
}{
	{"the process is killed", func(_ context.Context, disk *blobtest.Disk, _ func(blob.FS) blob.FS) (*blobtest.Disk, error) {
		return disk, nil
	}},
	{"the process is killed, another finishes for it, then the power is cut",
		func(ctx context.Context, disk *blobtest.Disk, spoil func(blob.FS) blob.FS) (*blobtest.Disk, error) {
			err := openOn(spoil(disk), disk.Now).Finish(ctx)
			return disk.AfterPowerCut(nil), err
		}},
	{"the power is cut", func(_ context.Context, disk *blobtest.Disk, _ func(blob.FS) blob.FS) (*blobtest.Disk, error) {
		return disk.AfterPowerCut(nil), nil
	}},
	{"the power is cut, half is kept", withLuck(1)},
	{"the power is cut, another half is kept", withLuck(2)},
	{"the power is cut, a third half is kept", withLuck(3)},
}

func withLuck(seed uint64) func(context.Context, *blobtest.Disk, func(blob.FS) blob.FS) (*blobtest.Disk, error) {
	return func(_ context.Context, disk *blobtest.Disk, _ func(blob.FS) blob.FS) (*blobtest.Disk, error) {
		return disk.AfterPowerCut(blobtest.Luck(seed)), nil
	}
}

// life is what happens to a lake until it is cut. It returns how far each
// partition is safe.
type life func(ctx context.Context, disk blob.FS, clock *blobtest.Disk) (safe map[int32]int64, err error)

// cutEverywhere runs the scenario once for each step at which it can be cut,
// and each kind of cut, and returns the first failure. spoil may take a
// protection out; few takes every second kind of cut; before is done on what is left, before anything is checked.
func cutEverywhere(ctx context.Context, scenario life, few bool, before func(context.Context, *blobtest.Disk) error, spoil func(blob.FS) blob.FS) (cuts int, err error) {
	for n := 0; ; n++ {
		done := false
		for i, kind := range kindsOfCut {
			if few && i%2 == 1 {
				continue
			}
			disk := blobtest.NewDisk()
			cut := blobtest.NewCut(disk, n)
			safe, err := scenario(ctx, spoil(cut), disk)
			if err != nil && !errors.Is(err, blobtest.ErrCut) {
				return n, fmt.Errorf("scenario: %w", err)
			}
			done = err == nil
			after, err := kind.after(ctx, disk, spoil)
			if err != nil {
				return n, fmt.Errorf("cut at step %d, %s: %w", n, kind.name, err)
			}
			after.Advance(3 * time.Hour)
			if err := before(ctx, after); err != nil {
				return n, fmt.Errorf("cut at step %d, %s: %w", n, kind.name, err)
			}
			if err := resume(ctx, after, safe); err != nil {
				return n, fmt.Errorf("cut at step %d, %s: %w", n, kind.name, err)
			}
			if few {
				continue
			}
			// And once more: the next process finds nothing to do or undo.
			if err := resume(ctx, after.AfterPowerCut(nil), safe); err != nil {
				return n, fmt.Errorf("cut at step %d, %s, second start: %w", n, kind.name, err)
			}
		}
		if done {
			return n, nil
		}
	}
}

func nothing(context.Context, *blobtest.Disk) error { return nil }

func TestCutAtEveryStep(t *testing.T) {
	t.Parallel()
	for name, scenario := range map[string]life{"commits": scenario, "compaction": replaceScenario, "replay": replayScenario, "retry": retryScenario, "erasure": eraseScenario} {
		before := nothing
		switch name {
		case "replay":
			before = replayed
		case "retry":
			before = retried
		case "erasure":
			before = erased
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cuts, err := cutEverywhere(t.Context(), scenario, name != "commits" && !allRaces(), before, func(disk blob.FS) blob.FS { return disk })
			if err != nil {
				t.Fatal(err)
			}
			if cuts < 50 {
				t.Errorf("only %d cuts: the scenario does not do what it should", cuts)
			}
			t.Logf("%d cuts", cuts)
		})
	}
}

// lying is a disk that says that it did some steps and did not.
type lying struct {
	blob.FS
	skip func(op, name string) bool
}

func (l lying) SyncDir(name string) error {
	if l.skip("syncdir", name) {
		return nil
	}
	return l.FS.SyncDir(name)
}

// TestEachSyncIsNeeded takes the syncs out one by one: a test of the tests.
func TestEachSyncIsNeeded(t *testing.T) {
	for name, skip := range map[string]func(op, name string) bool{
		"of the writer's folder": func(op, name string) bool { return strings.HasPrefix(name, "_tmp/") },
		"of _tmp":                func(op, name string) bool { return name == "_tmp" },
		"of the log":             func(op, name string) bool { return name == "_log/"+testTopic },
		"of the log's parent":    func(op, name string) bool { return name == "_log" },
		"of day folders":         func(op, name string) bool { return strings.Contains(name, "/day=") },
		"of day folders' parent": func(op, name string) bool {
			return strings.Contains(name, "/month=") && !strings.Contains(name, "/day=")
		},
		"of the dead letters": func(op, name string) bool { return name == "dead_letters/"+testTopic },
		"of the root":         func(op, name string) bool { return name == "." },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := cutEverywhere(t.Context(), scenario, false, nothing, func(disk blob.FS) blob.FS { return lying{disk, skip} })
			if err == nil {
				t.Error("nothing is wrong without the sync")
			}
		})
	}
}
