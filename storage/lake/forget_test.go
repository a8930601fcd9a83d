package lake

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/blob/blobtest"
)

func TestKept(t *testing.T) {
	now := time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		hours []int // before now, of each checkpoint
		want  string
	}{
		"none":                            {nil, ""},
		"the newest":                      {[]int{0, 1, 2, 3}, "0 1 2 3"},
		"the first of each day":           {[]int{0, 1, 2, 3, 4, 13, 20, 35, 37}, "0 1 2 4 35 37"},
		"and one that is older":           {[]int{0, 1, 2, 24, 719, 720, 721, 744}, "0 1 2 24 720"},
		"of a lake that was quiet":        {[]int{800, 801, 802, 803, 804}, "800 801 802"},
		"of one that begins to be forgot": {[]int{0, 1, 2, 740, 9000}, "0 1 2 740"},
	} {
		var all []datedCheckpoint
		for _, h := range c.hours {
			all = append(all, datedCheckpoint{at: now.Add(-time.Duration(h) * time.Hour)})
		}
		var got []string
		for i, keep := range kept(all, now) {
			if keep {
				got = append(got, fmt.Sprint(c.hours[i]))
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}

// old is a lake of so many entries, one as often, with a checkpoint after every
// second.
func old(t *testing.T, disk *blobtest.Disk, entries int, every time.Duration) (source, *Writer[row]) {
	t.Helper()
	src, w := testSource(), NewWriter[row](openEvery(disk, disk.Now, 2))
	for i := range entries {
		if i%2 == 0 {
			mustIngest(t, src, w, 1, 0)
		} else if _, err := w.RetryDeadLetters(t.Context(), fifth, byToRow); err != nil {
			t.Fatal(err)
		} else {
			src.ingestAs(t, w, choosy, 0, 1)
		}
		disk.Advance(every)
	}
	return src, w
}

// TestOldEntriesAreForgotten: a compaction removes entries that are older than
// KeepEntries, and no younger one; as of each of those the lake can still be
// read, and what is older is said; the audit is of all that is kept.
func TestOldEntriesAreForgotten(t *testing.T) {
	disk := blobtest.NewDisk()
	src, w := old(t, disk, 44, 20*time.Hour)
	states := map[int64]string{}
	head := mustState(t, w.lake).Head
	for n := int64(1); n <= head; n++ {
		s, err := w.lake.StateAt(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		states[n] = fmt.Sprint(s.DayStats(), s.Partitions)
	}
	last, err := w.lake.Entry(t.Context(), head)
	if err != nil {
		t.Fatal(err)
	}
	youngest := last.CommittedAt.Add(20 * time.Hour).Add(-KeepEntries) // what is younger is kept
	first := int64(0)
	for n := head; n > 0; n-- {
		if e, err := w.lake.Entry(t.Context(), n); err != nil {
			t.Fatal(err)
		} else if !e.CommittedAt.Before(youngest) {
			first = n
		}
	}
	if err := w.CompactDays(t.Context(), nil, DefaultTarget, func(Compacted) {}); err != nil {
		t.Fatal(err)
	}
	fresh := openOn(disk, disk.Now)
	oldest, err := fresh.Oldest(t.Context())
	if err != nil || oldest.Head < first-4 || oldest.Head > first || first < 5 {
		t.Fatalf("the log is kept from %d on, %v; entry %d is the first that is young", oldest.Head, err, first)
	}
	for n := range head + 1 {
		s, err := fresh.StateAt(t.Context(), n)
		switch {
		case n > 0 && n < oldest.Head:
			if !errors.Is(err, ErrNotKept) || !strings.Contains(err.Error(), fmt.Sprintf("from entry %d on", oldest.Head)) {
				t.Errorf("as of entry %d: %v", n, err)
			}
		case err != nil:
			t.Errorf("as of entry %d: %v", n, err)
		case n > 0 && fmt.Sprint(s.DayStats(), s.Partitions) != states[n]:
			t.Errorf("as of entry %d: %v, it was %s", n, s.DayStats(), states[n])
		}
	}
	reads := &counting{FS: disk}
	mustState(t, openOn(reads, disk.Now))
	if len(reads.names) > 5 {
		t.Errorf("a start reads %v", reads.names)
	}
	mustIngest(t, src, w, 100, 0, 1, 2)
	if _, err := w.RetryDeadLetters(t.Context(), fifth, byToRow); err != nil {
		t.Fatal(err)
	}
	checkLake(t, src, disk)

	// The audit looks at every entry that is kept.
	name := entryName(testTopic, oldest.Head+1)
	text, err := disk.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteFile(name, []byte(strings.Replace(string(text), `"committed_at": "2`, `"committed_at": "3`, 1))); err != nil {
		t.Fatal(err)
	}
	if r, err := openOn(disk, disk.Now).Audit(t.Context()); err != nil || !slices.ContainsFunc(r.Problems, func(p string) bool { return strings.Contains(p, "was changed") }) {
		t.Errorf("audit of an edited entry: %v, %v", r.Problems, err)
	}
}

// TestForgettingIsCut: wherever forgetting ends, by a kill or by a power cut that
// keeps some removals and not others, the lake is as it was, and the next
// forgetting goes on.
func TestForgettingIsCut(t *testing.T) {
	whole := blobtest.NewDisk()
	_, w := old(t, whole, 14, 5*24*time.Hour)
	head := mustState(t, w.lake).Head
	for n, done := 0, false; !done; n++ {
		for seed := range uint64(3) {
			disk := whole.AfterPowerCut(nil)
			_, err := openOn(blobtest.NewCut(disk, n), disk.Now).ForgetEntries(t.Context(), KeepEntries)
			if done = err == nil; !done && !errors.Is(err, blobtest.ErrCut) {
				t.Fatalf("cut at step %d: %v", n, err)
			}
			if seed > 0 {
				disk = disk.AfterPowerCut(blobtest.Luck(seed))
			}
			l := openOn(disk, disk.Now)
			if s := mustState(t, l); s.Head != head {
				t.Errorf("cut at step %d: the log is at %d, want %d", n, s.Head, head)
			}
			if r, err := l.Audit(t.Context()); err != nil || !r.Clean() {
				t.Errorf("cut at step %d: audit: %v, %v", n, r.Problems, err)
			}
			if _, err := l.ForgetEntries(t.Context(), KeepEntries); err != nil {
				t.Errorf("cut at step %d, once more: %v", n, err)
			}
			oldest, err := l.Oldest(t.Context())
			if err != nil || oldest.Head < 5 {
				t.Errorf("cut at step %d, once more: the log is kept from %d on, %v", n, oldest.Head, err)
			}
			if _, err := l.Entry(t.Context(), 1); !errors.Is(err, ErrNotKept) {
				t.Errorf("cut at step %d, once more: entry 1: %v, want ErrNotKept", n, err)
			}
			if r, err := openOn(disk, disk.Now).Audit(t.Context()); err != nil || !r.Clean() {
				t.Errorf("cut at step %d, once more: audit: %v, %v", n, r.Problems, err)
			}
		}
		if t.Failed() {
			return
		}
	}
}
