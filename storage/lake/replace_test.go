package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/blob"
	"github.com/tidemill/tidemill/storage/blob/blobtest"
)

const (
	fifth   = Day("2024-01-05")
	oneFile = int64(1 << 20) // a target that holds all of a test's day
)

func TestGroups(t *testing.T) {
	file := func(name string, size int64) File { return File{Path: name, Bytes: size, TopicID: "a"} }
	other := func(f File) File { f.TopicID = "b"; return f }
	newer := func(f File) File { f.Generation = 1; return f }
	for name, c := range map[string]struct {
		files []File
		want  string
	}{
		"none":                      {nil, ""},
		"one":                       {[]File{file("a", 1)}, ""},
		"small ones":                {[]File{file("a", 1), file("b", 2), file("c", 3)}, "a+b+c"},
		"up to the target":          {[]File{file("a", 40), file("b", 40), file("c", 20), file("d", 1), file("e", 9)}, "a+b+c d+e"},
		"a large one is left":       {[]File{file("a", 1), file("b", 50), file("c", 1)}, ""},
		"around a large one":        {[]File{file("a", 1), file("b", 1), file("c", 99), file("d", 1), file("e", 1)}, "a+b d+e"},
		"another incarnation":       {[]File{file("a", 1), other(file("b", 1)), other(file("c", 1))}, "b+c"},
		"another generation":        {[]File{file("a", 1), file("b", 1), newer(file("c", 1))}, "a+b"},
		"none over, one left alone": {[]File{file("a", 40), file("b", 40), file("c", 49)}, "a+b"},
	} {
		var runs []string
		for _, run := range groups(c.files, 100) {
			var names []string
			for _, f := range run {
				names = append(names, f.Path)
			}
			runs = append(runs, strings.Join(names, "+"))
		}
		if got := strings.Join(runs, " "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestAdmits: what a replacement may say, and when.
func TestAdmits(t *testing.T) {
	a := File{Path: "a", Day: fifth, Rows: 2, LateRows: 1, TopicID: "t", Entry: 1, Checksum: "x"}
	b := File{Path: "b", Day: fifth, Rows: 3, TopicID: "t", Entry: 2, Checksum: "y"}
	c := File{Path: "c", Day: "2024-01-06", Rows: 1, TopicID: "t", Entry: 3}
	state := newState(testTopic)
	for i, f := range []File{a, b, c} {
		state.fold(Entry{N: int64(i + 1), Writer: "w", Kind: KindAppend, Files: []File{f}})
	}
	sound := func() *Entry {
		f := merged([]File{a, b})
		f.Path = "ab"
		return &Entry{Kind: KindReplace, Files: []File{f}, Replaces: &Replaces{Head: 3, Day: fifth, Reason: ReasonCompact, Files: []string{"a", "b"}}}
	}
	if err := state.admits(sound(), 3); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(e *Entry)
		want   error
	}{
		"planned before":         {func(e *Entry) { e.Replaces.Head = 2 }, ErrStale},
		"a file that is gone":    {func(e *Entry) { e.Replaces.Files[1] = "gone" }, ErrStale},
		"a file twice":           {func(e *Entry) { e.Replaces.Files[1] = "a" }, ErrStale},
		"a file of another day":  {func(e *Entry) { e.Replaces.Files = append(e.Replaces.Files, "c") }, ErrStale},
		"into another day":       {func(e *Entry) { e.Files[0].Day = "2024-01-06" }, ErrCorrupt},
		"a row less":             {func(e *Entry) { e.Files[0].Rows-- }, ErrCorrupt},
		"no longer late":         {func(e *Entry) { e.Files[0].LateRows = 0 }, ErrCorrupt},
		"another order":          {func(e *Entry) { slices.Reverse(e.Files[0].Sources) }, ErrCorrupt},
		"a source less":          {func(e *Entry) { e.Files[0].Sources = e.Files[0].Sources[:1]; e.Files[0].Rows = 2 }, ErrCorrupt},
		"one that is not merged": {func(e *Entry) { e.Replaces.Files = e.Replaces.Files[:1] }, ErrCorrupt},
		"another checksum":       {func(e *Entry) { e.Files[0].Sources[0].Checksum = "z" }, ErrCorrupt},
		"another incarnation":    {func(e *Entry) { e.Files[0].TopicID = "u" }, ErrCorrupt},
		"another generation":     {func(e *Entry) { e.Files[0].Generation = 1 }, ErrCorrupt},
		"for no reason":          {func(e *Entry) { e.Replaces.Reason = "" }, ErrCorrupt},
	} {
		e := sound()
		c.change(e)
		if err := state.admits(e, 3); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// small is a lake whose 5th has several small files of two partitions.
func small(t *testing.T, disk blob.FS, now func() time.Time) (source, *Writer[row]) {
	t.Helper()
	src, w := testSource(), NewWriter[row](openOn(disk, now))
	mustIngest(t, src, w, 3, 0)
	mustIngest(t, src, w, 5, 0, 1)
	mustIngest(t, src, w, 2, 1)
	return src, w
}

// checkLake checks that every reader sees each accepted record once, and that
// the audit is clean. The source must have been read to its end.
func checkLake(t testing.TB, src source, disk *blobtest.Disk) {
	t.Helper()
	if err := src.exactlyOnce(disk); err != nil {
		t.Error(err)
	}
	if report, err := openOn(disk, disk.Now).Audit(t.Context()); err != nil || !report.Clean() {
		t.Errorf("audit: %s, %v", strings.Join(report.Problems, "; "), err)
	}
}

// rowsOf reads files one after the other.
func rowsOf(t *testing.T, l *Lake, files []File) (rows []row) {
	t.Helper()
	for _, f := range files {
		n := int64(0)
		if err := Rows(t.Context(), l, f, func(r []row) error {
			rows, n = append(rows, r...), n+int64(len(r))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if n != f.Rows {
			t.Errorf("%s: %d rows, want %d", f.Path, n, f.Rows)
		}
	}
	return rows
}

// TestCompact: a day's files become one with the same rows in the same order;
// those who know the files by their old names read the same rows.
func TestCompact(t *testing.T) {
	disk := blobtest.NewDisk()
	src, w := small(t, disk, disk.Now)
	l := openOn(disk, disk.Now) // a reader's own
	before, err := l.Originals(t.Context(), fifth)
	if err != nil || len(before) != 3 {
		t.Fatalf("%d files, %v", len(before), err)
	}
	was, statBefore := rowsOf(t, l, before), mustState(t, l).Days[fifth]
	done, err := w.Compact(t.Context(), fifth, oneFile)
	if err != nil || done.Before != 3 || done.After != 1 || done.Rows != int64(len(was)) || done.Entry != 4 {
		t.Fatalf("compacted: %+v, %v", done, err)
	}
	now, err := l.Files(t.Context(), fifth)
	if err != nil || len(now) != 1 || !slices.Equal(rowsOf(t, l, now), was) {
		t.Errorf("files %+v, %v: not the rows that there were", now, err)
	}
	f := now[0]
	if f.Entry != 4 || f.Generation != 0 || len(f.Sources) != 3 || f.TopicID != testTopicID || len(f.Parts) != 2 ||
		f.MinTimestamp != before[0].MinTimestamp || f.MaxTimestamp.Before(before[1].MaxTimestamp) || f.MinEventTime.IsZero() {
		t.Errorf("the file is %+v", f)
	}
	stat := mustState(t, l).Days[fifth]
	statBefore.Files, statBefore.Bytes = 1, f.Bytes
	if fmt.Sprint(stat) != fmt.Sprint(statBefore) {
		t.Errorf("the day is %+v, want %+v", stat, statBefore)
	}
	after, err := l.Originals(t.Context(), fifth)
	if err != nil || len(after) != 3 {
		t.Fatalf("%d originals, %v", len(after), err)
	}
	for i := range after {
		if after[i].Path != before[i].Path || after[i].Checksum != before[i].Checksum || after[i].Rows != before[i].Rows {
			t.Errorf("original %d is %+v, it was %+v", i, after[i], before[i])
		}
	}
	if !slices.Equal(rowsOf(t, l, after), was) {
		t.Error("the originals' rows are not what they were")
	}
	disk.Advance(2 * KeepReplaced)
	if n, err := l.CollectReplaced(t.Context(), 0); n != 3 || err != nil {
		t.Errorf("collected %d files, %v; want 3", n, err)
	}
	if !slices.Equal(rowsOf(t, l, before), was) {
		t.Error("files that were listed before and are collected have other rows now")
	}
	if done, err := w.Compact(t.Context(), fifth, oneFile); err != nil || done.Entry != 0 {
		t.Errorf("compacted again: %+v, %v; want nothing to do", done, err)
	}
	// Late rows, and a second compaction of what the first made.
	mustIngest(t, src, w, 5, 1)
	if done, err := w.Compact(t.Context(), fifth, oneFile); err != nil || done.Before != 2 {
		t.Errorf("compacted with late rows: %+v, %v", done, err)
	}
	disk.Advance(2 * KeepReplaced)
	if _, err := l.CollectReplaced(t.Context(), 0); err != nil {
		t.Error(err)
	}
	if !slices.Equal(rowsOf(t, l, append(now, before...)), append(slices.Clone(was), was...)) {
		t.Error("a merged file that was merged again has other rows now")
	}
	mustIngest(t, src, w, 100, 0, 1, 2)
	checkLake(t, src, disk)
}

func mustState(t *testing.T, l *Lake) *State {
	t.Helper()
	s, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCompactOnADiskThatCannotSwap is refused before anything is in the log.
func TestCompactOnADiskThatCannotSwap(t *testing.T) {
	disk := blobtest.NewDisk()
	poor := &blobtest.Intercept{FS: disk, Before: func(op, _ string) error {
		if op == "exchange" {
			return errors.ErrUnsupported
		}
		return nil
	}}
	src, w := small(t, poor, disk.Now)
	if _, err := w.Compact(t.Context(), fifth, oneFile); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Compact: %v, want ErrUnsupported", err)
	}
	if head := mustState(t, w.lake).Head; head != 3 {
		t.Errorf("the log is at %d, want 3", head)
	}
	mustIngest(t, src, w, 100, 0, 1, 2)
	checkLake(t, src, disk)
}

// TestTwoCompactions of one day at once: one of them is void, or finds nothing
// to do, and the lake is sound.
func TestTwoCompactions(t *testing.T) {
	disk := blobtest.NewDisk()
	src, w := small(t, disk, disk.Now)
	other := NewWriter[row](openOn(disk, disk.Now))
	files := slices.Clone(mustState(t, w.lake).files[fifth])
	first, err := w.merge(t.Context(), fifth, [][]File{files})
	if err != nil {
		t.Fatal(err)
	}
	second, err := other.merge(t.Context(), fifth, [][]File{files[:2]})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.replace(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if _, err := other.replace(t.Context(), second); !errors.Is(err, ErrStale) {
		t.Errorf("the second: %v, want ErrStale", err)
	}
	for _, name := range disk.Tree() {
		if strings.HasPrefix(name, "_tmp/") {
			t.Errorf("%s is left of a void replacement", name)
		}
	}
	mustIngest(t, src, other, 100, 0, 1, 2)
	checkLake(t, src, disk)
}

// TestReplacementIsPlannedAnew: a commit that comes between a plan and its
// entry is no harm: the plan is made again on the new head.
func TestReplacementIsPlannedAnew(t *testing.T) {
	disk := blobtest.NewDisk()
	src := testSource()
	stream := NewWriter[row](openOn(disk, disk.Now))
	came := false
	hook := &blobtest.Intercept{FS: disk, Before: func(op, name string) error {
		if op == "link" && name == entryName(testTopic, 4) && !came {
			came = true
			mustIngest(t, src, stream, 2, 1)
		}
		return nil
	}}
	_, w := small(t, hook, disk.Now)
	done, err := w.Compact(t.Context(), fifth, oneFile)
	if err != nil || done.Entry != 5 {
		t.Fatalf("compacted: %+v, %v; want entry 5", done, err)
	}
	if e, err := w.lake.Entry(t.Context(), 5); err != nil || e.Replaces.Head != 4 {
		t.Errorf("entry 5: %+v, %v; want one planned on entry 4", e.Replaces, err)
	}
	mustIngest(t, src, stream, 100, 0, 1, 2)
	checkLake(t, src, disk)
}

// TestReplacementOfAFencedWriter is void, and its files are collected.
func TestReplacementOfAFencedWriter(t *testing.T) {
	disk := blobtest.NewDisk()
	src, w := small(t, disk, disk.Now)
	s, err := w.merge(t.Context(), fifth, [][]File{slices.Clone(mustState(t, w.lake).files[fifth])})
	if err != nil {
		t.Fatal(err)
	}
	disk.Advance(2 * time.Hour)
	other := NewWriter[row](openOn(disk, disk.Now))
	if n, err := other.Collect(t.Context(), time.Hour); n != 1 || err != nil {
		t.Fatalf("Collect = %d, %v", n, err)
	}
	if _, err := w.replace(t.Context(), s); !errors.Is(err, ErrFenced) {
		t.Errorf("replace by a fenced writer: %v, want ErrFenced", err)
	}
	if _, err := disk.Stat(s.folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its folder is left: %v", err)
	}
	mustIngest(t, src, other, 100, 0, 1, 2)
	checkLake(t, src, disk)
}

// TestAFrozenSwapIsTakenOver: nobody takes a swap over that was claimed a
// moment ago; later anybody does, and the first, waking up, changes nothing.
func TestAFrozenSwapIsTakenOver(t *testing.T) {
	disk := blobtest.NewDisk()
	src := testSource()
	other := NewWriter[row](openOn(disk, disk.Now))
	froze := false
	hook := &blobtest.Intercept{FS: disk, Before: func(op, name string) error {
		if op != "exchange" || froze || !strings.HasPrefix(name, "bronze/") {
			return nil
		}
		froze = true
		if err := other.lake.Finish(t.Context()); err != nil {
			t.Error(err)
		}
		if swapped, err := other.lake.isSwapped(mustState(t, other.lake), fifth); swapped || err != nil {
			t.Errorf("swapped %v, %v, though another is at it", swapped, err)
		}
		disk.Advance(2 * claimFor)
		if err := other.lake.Finish(t.Context()); err != nil {
			t.Error(err)
		}
		mustIngest(t, src, other, 2, 1) // goes into the new folder
		return nil
	}}
	_, w := small(t, hook, disk.Now)
	if _, err := w.Compact(t.Context(), fifth, oneFile); err != nil {
		t.Errorf("Compact whose swap was taken over: %v", err)
	}
	if !froze {
		t.Error("it never came to the swap")
	}
	mustIngest(t, src, other, 100, 0, 1, 2)
	checkLake(t, src, disk)
}

// TestAFrozenCompactionIsTakenForDeadAtAnyStep: another process fences it, clears its files away, finishes what it has begun and goes on.
// Waking up, it errs with what says so, if at all, and changes nothing.
func TestAFrozenCompactionIsTakenForDeadAtAnyStep(t *testing.T) {
	t.Parallel()
	for n := 0; ; n++ {
		disk := blobtest.NewDisk()
		src, _ := small(t, disk, disk.Now)
		hook, reached := step(disk, n, func() {
			disk.Advance(2 * claimFor)
			other := NewWriter[row](openOn(disk, disk.Now))
			if _, err := other.Collect(t.Context(), time.Nanosecond); err != nil {
				t.Errorf("step %d: Collect: %v", n, err)
			}
			mustIngest(t, src, other, 2, 1)
			if _, err := other.Compact(t.Context(), fifth, oneFile); err != nil {
				t.Errorf("step %d: Compact by another: %v", n, err)
			}
		})
		_, err := NewWriter[row](openOn(hook, disk.Now)).Compact(t.Context(), fifth, oneFile)
		if err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, ErrFenced) && !errors.Is(err, ErrStale) {
			t.Errorf("step %d: Compact: %v", n, err)
		}
		if !reached() {
			t.Logf("%d steps", n)
			return
		}
		mustIngest(t, src, NewWriter[row](openOn(disk, disk.Now)), 100, 0, 1, 2)
		checkLake(t, src, disk)
	}
}

// allRaces asks for what takes minutes.
func allRaces() bool { return os.Getenv("TIDEMILL_LAKE_RACES") == "all" }

// step runs do until its n-th change of the disk, then pause, then goes on. It
// says whether there were so many.
func step(disk blob.FS, n int, pause func()) (fs *blobtest.Intercept, reached func() bool) {
	at := 0
	i := &blobtest.Intercept{FS: disk, Before: func(string, string) error {
		if at++; at == n+1 {
			pause()
		}
		return nil
	}}
	return i, func() bool { return at > n }
}

// TestStreamRunsThroughASwap: at each step of a compaction a whole commit to
// the same day comes, the other way round, and the one stops at each step of
// the other's while that goes on to its end; then the power fails.
func TestStreamRunsThroughASwap(t *testing.T) {
	t.Parallel()
	stride := 67 // of the pairs of steps; all of them take some minutes
	if allRaces() {
		stride = 1
	}
	type side func(t *testing.T, src source, disk blob.FS, now func() time.Time)
	commit := func(t *testing.T, src source, disk blob.FS, now func() time.Time) {
		mustIngest(t, src, NewWriter[row](openOn(disk, now)), 2, 1)
	}
	compact := func(t *testing.T, _ source, disk blob.FS, now func() time.Time) {
		_, err := NewWriter[row](openOn(disk, now)).Compact(t.Context(), fifth, oneFile)
		if err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, ErrFenced) {
			t.Error(err)
		}
	}
	finish := func(t *testing.T, _ source, disk blob.FS, now func() time.Time) {
		if err := openOn(disk, now).Finish(t.Context()); err != nil {
			t.Error(err)
		}
	}
	retry := func(t *testing.T, _ source, disk blob.FS, now func() time.Time) {
		_, err := NewWriter[row](openOn(disk, now)).RetryDeadLetters(t.Context(), fifth, byToRow)
		if err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, ErrFenced) {
			t.Error(err)
		}
	}
	finished := func(ctx context.Context, disk *blobtest.Disk) error { return openOn(disk, disk.Now).Finish(ctx) }
	type lakeOf func(t *testing.T, disk blob.FS, now func() time.Time) (source, *Writer[row])
	type goOn func(ctx context.Context, disk *blobtest.Disk) error
	check := func(t *testing.T, src source, disk *blobtest.Disk, before goOn) {
		allInPlace(t, openOn(disk, disk.Now))
		for _, after := range []*blobtest.Disk{disk.AfterPowerCut(nil), disk.AfterPowerCut(blobtest.Luck(1)), tidied(t, disk).AfterPowerCut(nil), disk} {
			if err := noneTwice(after); err != nil {
				t.Error(err)
			}
			after.Advance(time.Minute)
			if err := before(t.Context(), after); err != nil {
				t.Error(err)
			}
			mustIngest(t, src, NewWriter[row](openOn(after, after.Now)), 100, 0, 1, 2)
			checkLake(t, src, after)
		}
	}
	for name, pair := range map[string]struct {
		outer, inner side
		begin        lakeOf
		end          goOn
	}{
		"a commit within a compaction":  {compact, commit, small, finished},
		"a compaction within a commit":  {commit, compact, small, finished},
		"finishing within a compaction": {compact, finish, small, finished},
		"a compaction within another":   {compact, compact, small, finished},
		"a commit within a retry":       {retry, commit, refused, retried},
		"a retry within a commit":       {commit, retry, refused, retried},
		"a compaction within a retry":   {retry, compact, refused, retried},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outer, inner, stride := pair.outer, pair.inner, stride
			if strings.Contains(name, "retry") && !allRaces() {
				stride *= 3
			}
			for n := 0; ; n++ {
				deepest := 0
				for m := n % stride; ; m += stride { // the inner one stops at its m-th step while the outer goes on
					disk := blobtest.NewDisk()
					src, _ := pair.begin(t, disk, disk.Now)
					stopped, goOn, ended := make(chan bool, 1), make(chan struct{}), make(chan struct{})
					started := false
					under, reachedN := step(disk, n, func() {
						started = true
						go func() {
							defer close(ended)
							at, reachedM := step(disk, m, func() { stopped <- true; <-goOn })
							inner(t, src, at, disk.Now)
							if !reachedM() {
								stopped <- false
							}
						}()
						if <-stopped {
							deepest = m
						}
					})
					outer(t, src, under, disk.Now)
					close(goOn)
					if started {
						<-ended
					}
					check(t, src, disk, pair.end)
					if t.Failed() {
						t.Fatalf("the outer one stopped at step %d, the inner one at %d: %v", n, m, disk.Tree())
					}
					if !reachedN() {
						if n < 8 {
							t.Errorf("only %d steps", n)
						}
						return
					}
					if deepest < m {
						break
					}
				}
			}
		})
	}
}

// TestAReaderSeesOldOrNew: at each step of a replacement of two of a day's three
// files a plain reader sees the same records, each once.
func TestAReaderSeesOldOrNew(t *testing.T) {
	disk := blobtest.NewDisk()
	want, steps := "", 0
	look := func() {
		found := map[string]int{}
		if err := plainReader(disk, "bronze/"+testTopic, found); err != nil {
			t.Error(err)
		}
		if got := fmt.Sprint(found); got != want {
			t.Errorf("at step %d a reader sees %s, want %s", steps, got, want)
		}
	}
	hook := &blobtest.Intercept{FS: disk, Before: func(string, string) error {
		if want != "" {
			look()
			steps++
		}
		return nil
	}}
	_, w := small(t, hook, disk.Now)
	found := map[string]int{}
	if err := plainReader(disk, "bronze/"+testTopic, found); err != nil {
		t.Fatal(err)
	}
	want = fmt.Sprint(found)
	s, err := w.merge(t.Context(), fifth, [][]File{slices.Clone(mustState(t, w.lake).files[fifth][:2])})
	if err == nil {
		_, err = w.replace(t.Context(), s)
	}
	if err != nil || steps < 10 {
		t.Errorf("replaced in %d steps: %v", steps, err)
	}
	look()
}

// tidied is the disk after it happened to make durable what was removed from
// writers' folders, which nobody asks it for.
func tidied(t *testing.T, disk *blobtest.Disk) *blobtest.Disk {
	t.Helper()
	writers, err := openOn(disk, disk.Now).writers()
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range writers {
		if err := disk.SyncDir(writerFolder(w)); err != nil {
			t.Fatal(err)
		}
	}
	return disk
}

// allInPlace checks that any reader sees all of a day whose swap is complete,
// without waiting for somebody to finish anything.
func allInPlace(t *testing.T, l *Lake) {
	t.Helper()
	state := mustState(t, l)
	if swapped, err := l.isSwapped(state, fifth); err != nil || !swapped {
		return
	}
	files, err := state.FilesOf(fifth)
	if err != nil {
		t.Error(err)
	}
	for _, f := range files {
		if _, err := l.disk.Stat(f.Path); err != nil {
			t.Error(err)
		}
	}
}

// noneTwice says whether a plain reader sees a record twice.
func noneTwice(disk blob.FS) error {
	found := map[string]int{}
	if err := plainReader(disk, "bronze/"+testTopic, found); err != nil {
		return err
	}
	for at, n := range found {
		if n > 1 {
			return fmt.Errorf("offset %s is there %d times", at, n)
		}
	}
	return nil
}

// replaceScenario is the life of a day that is compacted twice, with late rows
// between.
func replaceScenario(ctx context.Context, disk blob.FS, clock *blobtest.Disk) (safe map[int32]int64, err error) {
	safe = map[int32]int64{}
	src, w := testSource(), NewWriter[row](openOn(disk, clock.Now))
	for _, s := range []struct {
		partition int32
		offsets   int64
	}{{0, 3}, {0, 2}, {-1, 0}, {1, 4}, {-1, 0}, {0, 1}} {
		if s.partition < 0 {
			if _, err := w.Compact(ctx, fifth, oneFile); err != nil {
				return safe, err
			}
			continue
		}
		e, err := src.ingest(ctx, w, s.offsets, s.partition)
		if err != nil {
			return safe, err
		}
		safe[s.partition] = e.Partitions[0].End
	}
	return safe, w.Close()
}
