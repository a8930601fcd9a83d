package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/blob"
	"github.com/tidemill/tidemill/storage/blob/blobtest"
)

// TestJoined: lists grow by segments of such sizes that they stay few and items
// are seldom written again.
func TestJoined(t *testing.T) {
	var list []segment
	written, most := 0, 0
	const rounds, each = 4096, 100
	for range rounds {
		last := joined(list, each)
		n := each
		for _, s := range list[len(list)-last:] {
			n += s.Items
		}
		list = append(list[:len(list)-last], segment{Items: n})
		written, most = written+n, max(most, len(list))
	}
	if perItem := float64(written) / (rounds * each); most > 12 || perItem > 13 {
		t.Errorf("at most %d segments, each item written %.1f times", most, perItem)
	}
}

// openEvery is openOn with a checkpoint after every so many entries.
func openEvery(disk blob.FS, now func() time.Time, every int64) *Lake {
	l := openOn(disk, now)
	l.checkpointEvery = every
	return l
}

// counting counts files that are opened to be read.
type counting struct {
	blob.FS
	names []string
}

func (c *counting) ReadFile(name string) ([]byte, error) {
	data, err := c.FS.ReadFile(name)
	if err == nil {
		c.names = append(c.names, name)
	}
	return data, err
}

// busy is a lake of many commits with a checkpoint after every third entry and
// compactions between.
func busy(t *testing.T, disk *blobtest.Disk) (source, *Writer[row]) {
	t.Helper()
	src, w := testSource(), NewWriter[row](openEvery(disk, disk.Now, 3))
	for i := range 18 {
		mustIngest(t, src, w, 1, 0, 1)
		if i%7 == 6 {
			if _, err := w.Compact(t.Context(), fifth, oneFile); err != nil {
				t.Fatal(err)
			}
		}
		disk.Advance(time.Minute)
	}
	return src, w
}

// TestCheckpoint: who starts at a checkpoint has the same state as who reads the
// whole log, and reads little for it.
func TestCheckpoint(t *testing.T) {
	disk := blobtest.NewDisk()
	src, w := busy(t, disk)
	head := mustState(t, w.lake).Head
	whole := newState(testTopic)
	for n := int64(1); n <= head; n++ {
		e, err := w.lake.Entry(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if err := whole.take(e); err != nil {
			t.Fatal(err)
		}
	}
	reads := &counting{FS: disk}
	l := openOn(reads, disk.Now)
	s := mustState(t, l)
	if s.keptAt == 0 || len(reads.names) > 4 {
		t.Errorf("started at %d by reading %v", s.keptAt, reads.names)
	}
	if same, err := sameState(whole, s); err != nil || !same {
		t.Errorf("the state of a checkpoint is another: %v", err)
	}
	if same, err := sameState(whole, mustState(t, w.lake)); err != nil || !same {
		t.Errorf("the state of who made the checkpoints is another: %v", err)
	}
	for n := range head + 1 {
		if _, err := l.StateAt(t.Context(), n); err != nil {
			t.Errorf("as of %d: %v", n, err)
		}
	}
	if _, err := l.StateAt(t.Context(), head+1); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNotKept) {
		t.Errorf("as of an entry to come: %v", err)
	}
	for _, day := range s.days() { // by the list's text, as by the list
		files, err := s.day(day)
		if err != nil || len(s.kept[string(day)]) == 0 && len(s.files[day]) == 0 {
			t.Fatalf("%s: %v", day, err)
		}
		for _, f := range files {
			if live, err := s.isLive(day, f.Path); !live || err != nil {
				t.Errorf("%s is not live: %v", f.Path, err)
			}
			for _, src := range f.Sources {
				if live, err := s.isLive(day, src.Path); live || err != nil {
					t.Errorf("%s, which was merged, is live: %v", src.Path, err)
				}
			}
		}
	}
	mustIngest(t, src, NewWriter[row](l), 100, 0, 1, 2)
	checkLake(t, src, disk)
	if kept, err := l.checkpoints(); err != nil || len(kept) != keepCheckpoints+1 {
		t.Errorf("checkpoints %v, %v: want %d kept, and the first of the day", kept, err, keepCheckpoints)
	}
}

// TestDamagedCheckpoint: one is passed over, and named by the audit; a damaged
// list is an error, never a shorter list.
func TestDamagedCheckpoint(t *testing.T) {
	flip := func(disk *blobtest.Disk, name string) {
		data, err := disk.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := disk.WriteFile(name, data); err != nil {
			t.Fatal(err)
		}
	}
	disk := blobtest.NewDisk()
	_, w := busy(t, disk)
	all, err := w.lake.checkpoints()
	if err != nil {
		t.Fatal(err)
	}
	flip(disk, checkpointName(testTopic, all[0]))
	l := openOn(disk, disk.Now)
	if s := mustState(t, l); s.keptAt != all[1] {
		t.Errorf("started at %d, want %d", s.keptAt, all[1])
	}
	problem := func(want string) {
		t.Helper()
		if r, err := openOn(disk, disk.Now).Audit(t.Context()); err != nil || !strings.Contains(strings.Join(r.Problems, "\n"), want) {
			t.Errorf("audit: %q, %v; want %q", r.Problems, err, want)
		}
	}
	problem(fmt.Sprintf("checkpoint %d of transactions is not what was written", all[0]))
	c, err := l.readCheckpoint(all[1])
	if err != nil {
		t.Fatal(err)
	}
	flip(disk, segmentFolder(testTopic)+"/"+c.Lists[string(fifth)][0].Name)
	if _, err := openOn(disk, disk.Now).Files(t.Context(), ""); !errors.Is(err, ErrCorrupt) {
		t.Errorf("Files by a damaged list: %v, want ErrCorrupt", err)
	}
	problem("it has another checksum than the checkpoint says")
	for _, n := range all[1:] {
		flip(disk, checkpointName(testTopic, n))
	}
	if s := mustState(t, openOn(disk, disk.Now)); s.keptAt != 0 || s.Head < 20 {
		t.Errorf("without a checkpoint that can be read the state is at %d", s.Head)
	}
	for n := range int64(5) { // and without the log's beginning there is nothing to go by
		if err := disk.Remove(entryName(testTopic, n+1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := openOn(disk, disk.Now).State(t.Context()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("State without beginning and checkpoint: %v, want ErrCorrupt", err)
	}
}

// TestForgetEntries: entries that are in the checkpoints are removed; readers,
// old and new ones, go on, and the lake is as sound as before.
func TestForgetEntries(t *testing.T) {
	disk := blobtest.NewDisk()
	src, w := busy(t, disk)
	old := openOn(disk, disk.Now)
	old.state = newState(testTopic)
	first, err := old.Entry(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := old.state.take(first); err != nil { // it has read no further
		t.Fatal(err)
	}
	if n, err := w.lake.ForgetEntries(t.Context(), 24*time.Hour); n != 0 || err != nil {
		t.Errorf("forgot %d entries of today, %v", n, err)
	}
	disk.Advance(48 * time.Hour)
	n, err := w.lake.ForgetEntries(t.Context(), 24*time.Hour)
	if n < 8 || err != nil {
		t.Errorf("forgot %d entries, %v", n, err)
	}
	if again, err := w.lake.ForgetEntries(t.Context(), 24*time.Hour); again != 0 || err != nil {
		t.Errorf("forgot %d more entries, %v", again, err)
	}
	if got, want := mustState(t, old).Head, mustState(t, w.lake).Head; got != want {
		t.Errorf("who had read one entry is at %d, want %d", got, want)
	}
	fresh := openOn(disk, disk.Now)
	if _, err := fresh.StateAt(t.Context(), 2); !errors.Is(err, ErrNotKept) {
		t.Errorf("as of entry 2: %v, want ErrNotKept", err)
	}
	if s, err := fresh.StateAt(t.Context(), n+2); err != nil || s.Head != n+2 {
		t.Errorf("as of entry %d: %v", n+2, err)
	}
	if _, err := fresh.Entry(t.Context(), 1); !errors.Is(err, ErrNotKept) {
		t.Errorf("entry 1: %v, want ErrNotKept", err)
	}
	text, err := disk.ReadFile(entryName(testTopic, 1))
	if err != nil || !strings.Contains(string(text), `"schema_version": 3`) { // older programs read up to 2, and say so
		t.Errorf("entry 1: %s, %v", text, err)
	}
	mustIngest(t, src, NewWriter[row](fresh), 100, 0, 1, 2)
	checkLake(t, src, disk)
}

// TestFrozenWriterAfterForgetting: a writer that was frozen just before it
// created an entry's name finds that free when it wakes, since the entry was
// removed meanwhile; it creates it, and withdraws it.
func TestFrozenWriterAfterForgetting(t *testing.T) {
	disk := blobtest.NewDisk()
	src := testSource()
	froze := false
	hook := &blobtest.Intercept{FS: disk, Before: func(op, name string) error {
		if op != "link" || name != entryName(testTopic, 4) || froze {
			return nil
		}
		froze = true
		w := NewWriter[row](openEvery(disk, disk.Now, 2))
		for range 20 {
			mustIngest(t, src, w, 1, 0)
		}
		disk.Advance(48 * time.Hour)
		if n, err := w.lake.ForgetEntries(context.Background(), time.Hour); n < 10 || err != nil {
			t.Errorf("forgot %d, %v", n, err)
		}
		return nil
	}}
	frozen := NewWriter[row](openOn(hook, disk.Now))
	for range 3 {
		mustIngest(t, src, frozen, 1, 1)
	}
	sealed, err := src.seal(t.Context(), frozen, 1, 1) // nobody else has these offsets
	if err != nil {
		t.Fatal(err)
	}
	if _, err := frozen.Commit(t.Context(), sealed); !froze || !errors.Is(err, ErrConflict) {
		t.Errorf("Commit of an entry that was removed: %v, want ErrConflict", err)
	}
	if _, err := disk.Stat(entryName(testTopic, 4)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the entry is still there: %v", err)
	}
	mustIngest(t, src, frozen, 100, 0, 1, 2) // it goes on from the log
	checkLake(t, src, disk)
}
