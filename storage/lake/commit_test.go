package lake

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/blob"
	"github.com/tidemill/tidemill/storage/blob/blobtest"
)

func mustIngest(t *testing.T, src source, w *Writer[row], n int64, partitions ...int32) Entry {
	t.Helper()
	e, err := src.ingest(t.Context(), w, n, partitions...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestSecondWriterOfAnOffset: of two that read the same offsets one commits and
// the other's batch is void, with no file left of it.
func TestSecondWriterOfAnOffset(t *testing.T) {
	disk, src := blobtest.NewDisk(), testSource()
	a, b := NewWriter[row](openOn(disk, disk.Now)), NewWriter[row](openOn(disk, disk.Now))
	late, err := src.seal(t.Context(), b, 6, 0)
	if err != nil {
		t.Fatal(err)
	}
	mustIngest(t, src, a, 4, 0)
	if _, err := b.Commit(t.Context(), late); !errors.Is(err, ErrConflict) {
		t.Fatalf("commit of offsets that another has: %v, want ErrConflict", err)
	}
	for _, name := range disk.Tree() {
		if strings.HasPrefix(name, "_tmp/") {
			t.Errorf("%s is left of a void batch", name)
		}
	}
	mustIngest(t, src, b, 100, 0, 1, 2) // it goes on from the log
	if err := src.exactlyOnce(disk); err != nil {
		t.Error(err)
	}
}

// TestOtherPartitionsDoNotConflict: the loser of a number takes the next one.
func TestOtherPartitionsDoNotConflict(t *testing.T) {
	disk, src := blobtest.NewDisk(), testSource()
	a, b := NewWriter[row](openOn(disk, disk.Now)), NewWriter[row](openOn(disk, disk.Now))
	other, err := src.seal(t.Context(), b, 100, 1)
	if err != nil {
		t.Fatal(err)
	}
	mustIngest(t, src, a, 100, 0)
	e, err := b.Commit(t.Context(), other)
	if err != nil || e.N != 2 {
		t.Errorf("Commit = entry %d, %v; want entry 2", e.N, err)
	}
	if err := src.exactlyOnce(disk); err != nil {
		t.Error(err)
	}
}

// deaf is a disk whose answer to a link is lost once: the link is done, the
// caller sees an error.
type deaf struct {
	blob.FS
	answer error
	lost   bool
}

func (d *deaf) Link(oldname, newname string) error {
	if err := d.FS.Link(oldname, newname); err != nil || d.lost || !strings.HasPrefix(newname, "_log/") {
		return err
	}
	d.lost = true
	return d.answer
}

// TestLostAnswer: a commit whose answer was lost is recognised by its id, both
// within a call ("exists") and when it is called again.
func TestLostAnswer(t *testing.T) {
	for name, answer := range map[string]error{"exists": fs.ErrExist, "input/output error": errors.New("input/output error")} {
		t.Run(name, func(t *testing.T) {
			disk, src := blobtest.NewDisk(), testSource()
			w := NewWriter[row](openOn(&deaf{FS: disk, answer: answer}, disk.Now))
			sealed, err := src.seal(t.Context(), w, 100, 0, 1, 2)
			if err != nil {
				t.Fatal(err)
			}
			e, err := w.Commit(t.Context(), sealed)
			if err != nil {
				e, err = w.Commit(t.Context(), sealed)
			}
			if err != nil || e.N != 1 {
				t.Fatalf("Commit = entry %d, %v; want entry 1", e.N, err)
			}
			if state, err := w.lake.State(t.Context()); err != nil || state.Head != 1 {
				t.Errorf("the log has %d entries, %v; want 1", state.Head, err)
			}
			if err := src.exactlyOnce(disk); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFencedWriter: a writer that was taken for dead commits nothing after the
// fence, neither by a commit nor by an entry that it slipped in.
func TestFencedWriter(t *testing.T) {
	disk, src := blobtest.NewDisk(), testSource()
	frozen := NewWriter[row](openOn(disk, disk.Now))
	mustIngest(t, src, frozen, 3, 0)
	sealed, err := src.seal(t.Context(), frozen, 3, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := frozen.stage(sealed); err != nil {
		t.Fatal(err)
	}
	disk.Advance(2 * time.Hour)
	w := NewWriter[row](openOn(disk, disk.Now))
	if n, err := w.Collect(t.Context(), time.Hour); n != 1 || err != nil {
		t.Fatalf("Collect = %d, %v; want 1", n, err)
	}
	if _, err := frozen.Commit(t.Context(), sealed); !errors.Is(err, ErrFenced) {
		t.Errorf("Commit of a fenced writer: %v, want ErrFenced", err)
	}
	void := sealed.entry // as if it had not looked at the log
	void.CommittedAt = disk.Now()
	text, err := void.encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteFile(entryName(testTopic, 3), text); err != nil {
		t.Fatal(err)
	}
	mustIngest(t, src, w, 100, 0, 1, 2)
	if err := src.exactlyOnce(disk); err != nil {
		t.Error(err)
	}
	if report, err := w.lake.Audit(t.Context()); err != nil || !report.Clean() {
		t.Errorf("audit: %v, %v", report.Problems, err)
	}
}

// TestCollectingAWriterThatLives: what it puts into its folder meanwhile is left for the next time.
func TestCollectingAWriterThatLives(t *testing.T) {
	disk := blobtest.NewDisk()
	src := testSource()
	mustIngest(t, src, NewWriter[row](openOn(disk, disk.Now)), 2, 1)
	taken := NewWriter[row](openOn(disk, disk.Now))
	folder := writerFolder(taken.id)
	if err := taken.lake.dirs.ensure(folder); err != nil {
		t.Fatal(err)
	}
	disk.Advance(2 * time.Hour)
	woken := false
	hook := &blobtest.Intercept{FS: disk, Before: func(op, name string) error {
		if op != "remove" || name != folder || woken {
			return nil
		}
		woken = true
		return disk.WriteFile(path.Join(folder, "late"), nil)
	}}
	for _, want := range []bool{true, false} {
		if _, err := NewWriter[row](openOn(hook, disk.Now)).Collect(t.Context(), time.Hour); err != nil {
			t.Fatal(err)
		}
		if _, err := disk.Stat(folder); (err == nil) != want {
			t.Errorf("its folder: %v, want it to be there: %t", err, want)
		}
		disk.Advance(2 * time.Hour)
	}
	mustIngest(t, src, NewWriter[row](openOn(disk, disk.Now)), 100, 0, 1, 2)
	checkLake(t, src, disk)
}

// TestEntryWithoutPredecessor is withdrawn: the number before it was folded
// into a checkpoint and removed while its writer was frozen.
func TestEntryWithoutPredecessor(t *testing.T) {
	disk, src := blobtest.NewDisk(), testSource()
	w := NewWriter[row](openOn(disk, disk.Now))
	mustIngest(t, src, w, 3, 0)
	mustIngest(t, src, w, 3, 0)
	sealed, err := src.seal(t.Context(), w, 3, 0)
	if err != nil {
		t.Fatal(err)
	}
	for n := range int64(2) {
		if err := disk.Remove(entryName(testTopic, n+1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Commit(t.Context(), sealed); !errors.Is(err, ErrConflict) {
		t.Errorf("Commit after the log before it is gone: %v, want ErrConflict", err)
	}
	if _, err := disk.Stat(entryName(testTopic, 3)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the entry is still there: %v", err)
	}
}

func TestTooManyDays(t *testing.T) {
	disk := blobtest.NewDisk()
	w := NewWriter[row](openOn(disk, disk.Now))
	state, err := w.lake.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := w.Begin(testTopicID, state)
	c := &Chunk[row]{}
	offset := int64(0)
	fill := func(days int) (taken int) {
		c.Reset(testTopic, testTopicID, 0, b.Next(0))
		for range days {
			ok, err := c.Take(&Record{Value: []byte("x"), Offset: offset, Timestamp: time.Unix(offset*86_400, 0)}, toRow)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			taken++
			offset++
		}
		return taken
	}
	if n := fill(40); n != MaxOpenDays {
		t.Errorf("a chunk took %d days, want %d", n, MaxOpenDays)
	}
	if err := b.Add(c); err != nil {
		t.Fatal(err)
	}
	fill(1)
	if err := b.Add(c); !errors.Is(err, ErrTooManyDays) {
		t.Errorf("Add of one day more: %v, want ErrTooManyDays", err)
	}
	if got := b.Next(0); got != MaxOpenDays {
		t.Errorf("the batch is at %d after it refused a chunk, want %d", got, MaxOpenDays)
	}
}

func TestSealTwice(t *testing.T) {
	disk := blobtest.NewDisk()
	w := NewWriter[row](openOn(disk, disk.Now))
	b := w.Begin(testTopicID, newState(testTopic))
	b.Cover(0)
	if _, err := b.Seal(Topic{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Seal(Topic{}); err == nil {
		t.Error("a batch can be sealed twice")
	}
	c, err := testSource().chunk(0, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Add(c); err == nil {
		t.Error("a sealed batch takes chunks")
	}
}

// TestWatermark: the least of the partitions'; one read to its end counts as of
// the asking, and one that nobody has read makes the topic's unknown.
func TestWatermark(t *testing.T) {
	disk, src := blobtest.NewDisk(), testSource()
	w := NewWriter[row](openOn(disk, disk.Now))
	mark := func() time.Time {
		m, err := w.lake.Watermark(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	mustIngest(t, src, w, 4, 0)
	if m := mark(); !m.IsZero() {
		t.Errorf("watermark %v with two partitions unread, want none", m)
	}
	mustIngest(t, src, w, 100, 1, 2)
	if m, want := mark(), src[0][3].Timestamp; !m.Equal(want) {
		t.Errorf("watermark %v, want that of partition 0's last record, %v", m, want)
	}
	mustIngest(t, src, w, 100, 0)
	if m, want := mark(), src.ends().AskedAt; !m.Equal(want) {
		t.Errorf("watermark %v with all read to the end, want %v", m, want)
	}
}

func TestFilesAreSortedAndCut(t *testing.T) {
	disk, src := blobtest.NewDisk(), testSource()
	w := NewWriter[row](openOn(disk, disk.Now))
	mustIngest(t, src, w, 100, 0)
	mustIngest(t, src, w, 100, 1)
	files, err := w.lake.Files(t.Context(), "2024-01-06")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, string(f.Day)+" "+f.Path)
		if f.TopicID != testTopicID || f.Entry == 0 || f.CommittedAt.IsZero() || f.MinTimestamp.IsZero() || f.MaxEventTime.IsZero() {
			t.Errorf("file lacks something: %+v", f)
		}
	}
	if !slices.IsSorted(got) || len(got) != 4 {
		t.Errorf("files up to the 6th: %v, want four of two days, sorted", got)
	}
}

// TestLateRows: rows of a day that their partition had passed are counted.
func TestLateRows(t *testing.T) {
	disk := blobtest.NewDisk()
	w := NewWriter[row](openOn(disk, disk.Now))
	day := time.Date(2024, 1, 5, 12, 0, 0, 0, time.UTC)
	src := source{0: nil, 1: nil}
	add := func(p int32, at time.Time) {
		o := int64(len(src[p]))
		src[p] = append(src[p], &Record{Value: []byte("x"), Partition: p, Offset: o, Timestamp: at})
	}
	add(0, day)
	add(0, day.AddDate(0, 0, -1)) // of the first commit: nothing had passed its day
	add(1, day)
	mustIngest(t, src, w, 9, 0, 1)
	add(0, day.AddDate(0, 0, -1))                                  // late
	add(0, day.Add(-time.Hour))                                    // earlier, but of the day that goes on
	add(1, day.AddDate(0, 0, -1).Add(11*time.Hour+59*time.Minute)) // late
	mustIngest(t, src, w, 9, 0, 1)
	days, err := w.lake.Days(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(days) != 2 || days[0].LateRows != 2 || days[1].LateRows != 0 || days[0].Rows != 3 || days[0].Files != 2 {
		t.Errorf("days %+v, want 2 late rows of 3 on the first", days)
	}
}
