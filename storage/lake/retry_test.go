package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/blob"
	"github.com/tidemill/tidemill/storage/blob/blobtest"
)

// choosy is a decoder that refuses good records of the 5th, and says another
// thing of broken ones than toRow does.
func choosy(rec *Record, into *row) Verdict {
	v := toRow(rec, into)
	switch {
	case v.Broken:
		return Verdict{Broken: true, Field: "value", Reason: "is odd"}
	case rec.Offset == 1 || rec.Offset == 3 || rec.Offset == 6:
		return Verdict{Broken: true, Field: "other", Reason: "is not liked"}
	}
	return v
}

// refused is a lake whose 5th has several small files, and dead letters that
// keep the contract by toRow.
func refused(t *testing.T, disk blob.FS, now func() time.Time) (source, *Writer[row]) {
	t.Helper()
	src, w := testSource(), NewWriter[row](openOn(disk, now))
	src.ingestAs(t, w, choosy, 3, 0)
	src.ingestAs(t, w, choosy, 5, 0, 1)
	src.ingestAs(t, w, choosy, 2, 1)
	return src, w
}

var byToRow = Retry[row]{Transform: toRow}

// TestRetryDeadLetters: dead letters that keep the contract by now are rows at
// their old offsets, new to whoever has loaded the day; the others say why they
// do not; the sums are those of a lake that was never wrong.
func TestRetryDeadLetters(t *testing.T) {
	right := blobtest.NewDisk()
	mustIngest(t, testSource(), NewWriter[row](openOn(right, right.Now)), 100, 0, 1, 2)

	disk := blobtest.NewDisk()
	src, w := refused(t, disk, disk.Now)
	reader := openOn(disk, disk.Now)
	if _, err := w.Compact(t.Context(), fifth, oneFile); err != nil {
		t.Fatal(err)
	}
	before, err := reader.Originals(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	tree, head := fmt.Sprint(disk.Tree()), mustState(t, reader).Head

	dry := byToRow
	dry.DryRun = true
	if done, err := w.RetryDeadLetters(t.Context(), fifth, dry); err != nil || done.Tried != 8 || done.ToRows != 6 || done.NewReason != 2 || done.Entry != 0 {
		t.Errorf("dry run: %+v, %v", done, err)
	}
	none := byToRow
	none.Of = func(d DeadLetter) bool { return d.Field == "amount" }
	if done, err := w.RetryDeadLetters(t.Context(), fifth, none); err != nil || done.Tried != 0 || done.Entry != 0 {
		t.Errorf("of none: %+v, %v", done, err)
	}
	if got := fmt.Sprint(disk.Tree()); got != tree {
		t.Errorf("what changes nothing leaves %s, it was %s", got, tree)
	}
	some := byToRow
	some.Of = func(d DeadLetter) bool { return d.Partition == 0 && d.Offset < 3 }
	done, err := w.RetryDeadLetters(t.Context(), fifth, some)
	if err != nil || done.Tried != 2 || done.ToRows != 1 || done.NewReason != 1 || done.Entry != head+1 || len(done.Still) != 1 || done.Still[0].Reason != "is broken" {
		t.Errorf("of some: %+v, %v", done, err)
	}
	if done, err = w.RetryDeadLetters(t.Context(), fifth, byToRow); err != nil || done.ToRows != 5 || done.NewReason != 1 || done.Entry != head+2 {
		t.Errorf("of the others: %+v, %v", done, err)
	}
	if again, err := w.RetryDeadLetters(t.Context(), fifth, byToRow); err != nil || again.Entry != 0 || again.Tried != 2 || again.ToRows+again.NewReason != 0 {
		t.Errorf("again: %+v, %v", again, err)
	}
	if done, err := w.RetryDeadLetters(t.Context(), "2023-01-01", byToRow); err != nil || done.Tried != 0 || done.Entry != 0 {
		t.Errorf("of a day without records: %+v, %v", done, err)
	}

	after, err := reader.Originals(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	fresh := slices.DeleteFunc(after, func(f File) bool {
		return slices.ContainsFunc(before, func(b File) bool { return b.Path == f.Path && b.Checksum == f.Checksum })
	})
	rows := rowsOf(t, reader, fresh)
	if len(after) < 4 || len(fresh) != 2 || len(rows) != 6 || fresh[0].Generation != 0 || !fresh[0].Retried {
		t.Errorf("to whoever loads there are new: %+v with %d rows", fresh, len(rows))
	}
	if r := rows[0]; r.Text != "row 0/1" || r.Offset != 1 || r.Timestamp != src[0][1].Timestamp.UnixMicro() || r.Ingested != src[0][1].IngestedAt.UnixMicro() {
		t.Errorf("the first row is %+v", r)
	}
	mustIngest(t, src, w, 100, 0, 1, 2)
	if got, want := sums(t, reader), sums(t, openOn(right, right.Now)); got != want {
		t.Errorf("the sums are\n%swant\n%s", got, want)
	}
	checkLake(t, src, disk)

	// The rows are found by the commits that brought their offsets, when they are merged with others too.
	if _, err := w.Compact(t.Context(), fifth, oneFile); err != nil {
		t.Fatal(err)
	}
	checkLake(t, src, disk)
	first, err := reader.Entry(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	files, dead, err := openEvery(disk, disk.Now, 1).Contents(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	found := map[int64]int{}
	for _, r := range rowsOf(t, reader, files) {
		if r.Partition == 0 {
			found[r.Offset]++
		}
	}
	if found[0] != 1 || found[1] != 1 || len(dead) == 0 {
		t.Errorf("of the first commit there are %v, %d files of dead letters", found, len(dead))
	}
}

// TestRetryIsWhatItSays: an entry of a retry, or an erasure, that does more is
// not what any program wrote, and counts for nothing.
func TestRetryIsWhatItSays(t *testing.T) {
	disk := blobtest.NewDisk()
	_, w := refused(t, disk, disk.Now)
	state := mustState(t, w.lake)
	live := state.files[fifth][0]
	dead, err := state.DeadFiles()
	if err != nil {
		t.Fatal(err)
	}
	sound := func() *Entry {
		return &Entry{Kind: KindReplace, Files: []File{{Path: "x", Day: fifth, Rows: 1}}, DeadLetters: &DeadFile{Rows: dead[0].Rows - 1}, Replaces: &Replaces{
			Head: state.Head, Day: fifth, Reason: ReasonRetry, DeadFiles: []string{dead[0].Path}, Moves: []Move{{testTopicID, 0, 1}},
		}}
	}
	if err := state.admits(sound(), state.Head); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(e *Entry)
		want   error
	}{
		"takes rows out":      {func(e *Entry) { e.Replaces.Files = []string{live.Path} }, ErrCorrupt},
		"makes rows dead":     {func(e *Entry) { e.Replaces.Moves = []Move{{testTopicID, 0, 2}, {testTopicID, 1, -1}} }, ErrCorrupt},
		"a row too many":      {func(e *Entry) { e.Files[0].Rows++ }, ErrCorrupt},
		"a letter too few":    {func(e *Entry) { e.DeadLetters.Rows-- }, ErrCorrupt},
		"of a new generation": {func(e *Entry) { e.Files[0].Generation = 1 }, ErrStale},
		"letters are gone":    {func(e *Entry) { e.Replaces.DeadFiles[0] = "gone" }, ErrStale},
		"knows no erasure":    {func(e *Entry) { e.Replaces.Erasures = 1 }, ErrStale},
		"erases a record":     {func(e *Entry) { e.Replaces.Reason = ReasonErase }, ErrCorrupt},
	} {
		e := sound()
		c.change(e)
		if err := state.admits(e, state.Head); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestListedWhileRetried: dead letters that were listed before a retry can be
// read after it, and an audit that began before one is clean.
func TestListedWhileRetried(t *testing.T) {
	disk := blobtest.NewDisk()
	src, w := refused(t, disk, disk.Now)
	mustIngest(t, src, w, 100, 0, 1, 2)
	retried := false
	hook := opening{disk, func(name string) {
		if strings.HasPrefix(name, "dead_letters/") && !retried {
			retried = true
			if _, err := w.RetryDeadLetters(context.Background(), fifth, byToRow); err != nil {
				t.Error(err)
			}
		}
	}}
	if report, err := openOn(hook, disk.Now).Audit(t.Context()); err != nil || !retried || !report.Clean() {
		t.Errorf("audit: %v, %v (retried %t)", report.Problems, err, retried)
	}
	checkLake(t, src, disk)
}

// opening is a disk that tells of each file before it is opened.
type opening struct {
	blob.FS
	before func(name string)
}

func (o opening) Open(name string) (blob.File, error) {
	o.before(name)
	return o.FS.Open(name)
}

// retryScenario is the life of a day whose dead letters are tried again, with
// commits between.
func retryScenario(ctx context.Context, disk blob.FS, clock *blobtest.Disk) (safe map[int32]int64, err error) {
	safe = map[int32]int64{}
	src, w := testSource(), NewWriter[row](openOn(disk, clock.Now))
	for _, s := range []struct {
		partition int32
		offsets   int64
	}{{0, 4}, {-1, 0}, {1, 2}, {-1, 0}} {
		if s.partition < 0 {
			if _, err := w.RetryDeadLetters(ctx, fifth, byToRow); err != nil {
				return safe, err
			}
			continue
		}
		sealed, err := src.sealAs(ctx, w, choosy, s.offsets, s.partition)
		if err != nil {
			return safe, err
		}
		e, err := w.Commit(ctx, sealed)
		if err != nil {
			return safe, err
		}
		safe[s.partition] = e.Partitions[0].End
	}
	return safe, w.Close()
}

// retried is a resume that tries the dead letters again first.
func retried(ctx context.Context, disk *blobtest.Disk) error {
	l := openOn(disk, disk.Now)
	if err := l.Finish(ctx); err != nil {
		return err
	}
	w := NewWriter[row](l)
	if _, err := w.RetryDeadLetters(ctx, fifth, byToRow); err != nil {
		return err
	}
	return w.Close()
}

// TestRetryBesideAReplay: a retry whose dead letters a replay makes rows of
// while it is at it is planned anew, and finds nothing left to do.
func TestRetryBesideAReplay(t *testing.T) {
	disk := blobtest.NewDisk()
	src, other := refused(t, disk, disk.Now)
	replayed := false
	hook := &blobtest.Intercept{FS: disk, Before: func(op, name string) error {
		if op == "link" && name == entryName(testTopic, 4) && !replayed {
			replayed = true
			if _, err := other.Replay(t.Context(), fifth, src.decoder(toRow)); err != nil {
				t.Error(err)
			}
		}
		return nil
	}}
	done, err := NewWriter[row](openOn(hook, disk.Now)).RetryDeadLetters(t.Context(), fifth, byToRow)
	if err != nil || !replayed || done.Entry != 0 || done.ToRows != 0 {
		t.Errorf("retried: %+v, %v (replayed %t)", done, err, replayed)
	}
	for _, name := range disk.Tree() {
		if strings.HasPrefix(name, "_tmp/") {
			t.Errorf("%s is left of a void retry", name)
		}
	}
	mustIngest(t, src, other, 100, 0, 1, 2)
	checkLake(t, src, disk)
}
