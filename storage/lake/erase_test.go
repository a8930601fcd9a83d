package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/storage/blob"
	"github.com/tidemill/tidemill/storage/blob/blobtest"
)

func TestNamesIn(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "",
		`{"customer_id":"c 1"}`:   `customer_id|:|c 1|}|customer_id|c|1`,
		`{"a":"c\u0031"}`:         `a|:|c\u0031|c1|}|a|c|u0031`,
		`{customer_id: c-1_x,é2}`: `customer_id|c-1_x|é2`,
		"a\xffb":                  `a|b`,
		`"c1`:                     `c1|c1`,
	} {
		if got := strings.Join(slices.Collect(namesIn([]byte(text))), "|"); strings.TrimPrefix(got, text+"|") != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestErasures: who is covered, up to where, and by which of several lakes' salts.
func TestErasures(t *testing.T) {
	s := newState(testTopic)
	next := func(n int64) {
		s.Partitions[PartitionKey{testTopicID, 0}] = Partition{Next: n}
	}
	erase := func(salt, person string) {
		s.fold(Entry{N: s.Head + 1, Writer: "w", Kind: KindErase, Erases: &Erases{salt, personHash(salt, person)}})
	}
	next(5)
	before := s.clone()
	erase("s", "a")
	next(9)
	erase("t", "b")
	early := s.clone()
	next(12)
	erase("s", "a")
	if s.eraseEntries != 3 || len(s.erasures) != 2 || before.Erasures().Any() {
		t.Errorf("%d entries, erasures %+v", s.eraseEntries, s.erasures)
	}
	for _, c := range []struct {
		s      *State
		person string
		topic  string
		offset int64
		want   bool
	}{
		{s, "a", testTopicID, 11, true}, {s, "a", testTopicID, 12, false}, {s, "b", testTopicID, 8, true}, {s, "b", testTopicID, 9, false},
		{s, "c", testTopicID, 0, false}, {s, "a", "made anew", 0, false}, {early, "a", testTopicID, 5, false}, {early, "a", testTopicID, 4, true}, {before, "a", testTopicID, 0, false},
	} {
		e := c.s.Erasures()
		for range 2 { // remembered the second time
			if got := e.Covers(c.topic, 0, c.offset, c.person); got != c.want {
				t.Errorf("%s at %d of %s: %t", c.person, c.offset, c.topic, got)
			}
		}
	}
	kept := s.checkpoint(nil)
	if back := kept.state(); kept.SchemaVersion != newestCheckpointFormat || !back.Erasures().Covers(testTopicID, 0, 11, "a") || back.eraseEntries != 3 {
		t.Errorf("of a checkpoint: %+v", back.erasures)
	}
}

// tells says where a name is in rows and dead letters.
func tells(ctx context.Context, l *Lake, name string) (places []string, err error) {
	state, err := l.State(ctx)
	if err != nil {
		return nil, err
	}
	files, err := state.FilesOf("")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := Rows(ctx, l, f, func(rows []row) error {
			for _, r := range rows {
				if r.Text == name {
					places = append(places, fmt.Sprintf("%s %d/%d", f.Day, r.Partition, r.Offset))
				}
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	letters, err := l.DeadLetters(ctx, "", 0)
	for _, d := range letters {
		if strings.Contains(string(d.Value)+string(d.Key), name) {
			places = append(places, fmt.Sprintf("dead %d/%d", d.Partition, d.Offset))
		}
	}
	return places, err
}

func wantNothingOf(t *testing.T, l *Lake, names ...string) {
	t.Helper()
	for _, name := range names {
		if places, err := tells(t.Context(), l, name); err != nil || len(places) > 0 {
			t.Errorf("%q is still at %v, %v", name, places, err)
		}
	}
}

// TestErase: nothing tells of the person any more, in rows or dead letters; the
// books are as they were; what makes rows anew of the records does not bring the
// person back; and what came after the erasure is left alone.
func TestErase(t *testing.T) {
	disk := blobtest.NewDisk()
	src := testSource()
	w := NewWriter[row](openEvery(disk, disk.Now, 3))
	src.ingestAs(t, w, choosy, 3, 0) // row 0/1 is a dead letter
	src.ingestAs(t, w, toRow, 12, 0, 1)
	if _, err := w.Compact(t.Context(), fifth, oneFile); err != nil {
		t.Fatal(err)
	}
	reader := openOn(disk, disk.Now)
	before, tree := sums(t, reader), fmt.Sprint(disk.Tree())

	erase := func(ask Erasure) Erased {
		t.Helper()
		done, err := w.Erase(t.Context(), ask)
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	dry := erase(Erasure{Person: "row 0/3", DryRun: true})
	if len(dry.Days) != 1 || dry.Entry != 0 || dry.Days[0].Rows != 1 || dry.Days[0].Entry != 0 || fmt.Sprint(disk.Tree()) != tree {
		t.Errorf("dry run: %+v, the disk has %v", dry, disk.Tree())
	}
	if done := erase(Erasure{Person: "row 0/3"}); len(done.Days) != 1 || done.Days[0].Rows != 1 || done.Days[0].Files != 1 || done.Days[0].Generation != 1 || done.Days[0].Day != fifth {
		t.Errorf("erased: %+v", done)
	}
	if done := erase(Erasure{Person: "0/1"}); len(done.Days) != 0 {
		t.Errorf("a part of a name: %+v", done)
	}
	if again := erase(Erasure{Person: "row 0/3"}); again.Entry != 0 || len(again.Days) != 0 {
		t.Errorf("again: %+v", again)
	}
	told := 0
	if done := erase(Erasure{Person: "broken", Tell: func(ErasedDay) { told++ }}); len(done.Days) != 2 || told != 2 || done.Days[0].DeadLetters != 2 || done.Days[0].Rows != 0 || done.Days[0].Generation != 1 {
		t.Errorf("of dead letters: %+v", done)
	}
	wantNothingOf(t, reader, "row 0/3", "broken")
	if got := sums(t, reader); got != before {
		t.Errorf("the sums are\n%sthey were\n%s", got, before)
	}
	letters, err := reader.DeadLetters(t.Context(), fifth, 0)
	if err != nil || !slices.ContainsFunc(letters, func(d DeadLetter) bool {
		return d.WasOf([]byte("k"), []byte("broken")) && d.Value == nil && d.Key == nil && d.Field != ""
	}) {
		t.Errorf("dead letters %+v, %v", letters, err)
	}

	// Later, and by others who start at a checkpoint: nothing brings them back.
	other := NewWriter[row](openEvery(disk, disk.Now, 3))
	if done, err := other.RetryDeadLetters(t.Context(), fifth, byToRow); err != nil || done.ToRows != 1 {
		t.Errorf("retried: %+v, %v; want the letter of row 0/1 and no other", done, err)
	}
	again := erase(Erasure{Person: "row 0/1"})
	if _, err := other.Replay(t.Context(), fifth, src.decoder(toRow)); err != nil {
		t.Fatal(err)
	}
	if len(again.Days) != 1 || again.Days[0].Rows != 1 {
		t.Errorf("of a row that was a dead letter: %+v", again)
	}
	refusing := func(rec *Record, into *row) Verdict {
		if v := toRow(rec, into); string(rec.Value) != "row 0/3" {
			return v
		}
		return Verdict{Broken: true, Field: "text", Reason: "is not liked"}
	}
	if done, err := other.Replay(t.Context(), fifth, src.decoder(refusing)); err != nil || done.ToDeadLetter != 1 {
		t.Errorf("replayed by a decoder that refuses: %+v, %v", done, err)
	}
	wantNothingOf(t, openOn(disk, disk.Now), "row 0/1", "row 0/3", "broken")
	if _, err := other.Replay(t.Context(), fifth, src.decoder(toRow)); err != nil {
		t.Fatal(err)
	}
	mustIngest(t, src, w, 100, 0, 1, 2)
	if places, err := tells(t.Context(), reader, "broken"); err != nil || len(places) != 2 {
		t.Errorf("of what came later: %v, %v", places, err)
	}
	if report, err := reader.Audit(t.Context()); err != nil || !report.Clean() {
		t.Errorf("audit: %v, %v", report.Problems, err)
	}
	for _, name := range []string{"", "erased"} {
		if _, err := w.Erase(t.Context(), Erasure{Person: name}); err == nil {
			t.Errorf("erased %q", name)
		}
	}
}

// TestErasedAtOnce: what was taken out is gone from the disk, and the lake goes on.
func TestErasedAtOnce(t *testing.T) {
	disk := blobtest.NewDisk()
	src, w := small(t, disk, disk.Now)
	if _, err := w.Erase(t.Context(), Erasure{Person: "row 0/1"}); err != nil {
		t.Fatal(err)
	}
	old, err := w.lake.StateAt(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.lake.EmptyReplaced(t.Context(), []Day{fifth}); err != nil || n == 0 {
		t.Errorf("removed %d files, %v", n, err)
	}
	for _, f := range old.files[fifth] {
		if where, err := w.lake.Where(t.Context(), f); err == nil && strings.HasPrefix(where, "_swap") || err != nil && !errors.Is(err, ErrNotKept) {
			t.Errorf("%s is at %s, %v", f.Path, where, err)
		}
	}
	if done, err := w.Erase(t.Context(), Erasure{Person: "row 1/1"}); err != nil || len(done.Days) != 1 {
		t.Errorf("another at once: %+v, %v", done, err)
	}
	disk.Advance(2 * KeepReplaced)
	if _, err := w.lake.CollectReplaced(t.Context(), 0); err != nil {
		t.Error(err)
	}
	if _, err := disk.Stat(path.Join(swapFolder(testTopic), "x")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	mustIngest(t, src, w, 100, 0, 1, 2)
	checkLake(t, src, disk)
	wantNothingOf(t, w.lake, "row 0/1", "row 1/1")
}

// TestEraseBesideAReplay: a replay that was planned before an erasure, and whose
// decoder finds the person where nobody saw them, is planned anew and heeds it.
func TestEraseBesideAReplay(t *testing.T) {
	disk := blobtest.NewDisk()
	src := testSource()
	other := NewWriter[row](openOn(disk, disk.Now))
	hidden := func(rec *Record, into *row) Verdict {
		v := toRow(rec, into)
		into.Text = strings.Replace(into.Text, "row 0/1", "row 0/0", 1)
		return v
	}
	src.ingestAs(t, other, hidden, 3, 0)
	came := false
	hook := &blobtest.Intercept{FS: disk, Before: func(op, name string) error {
		if op == "link" && name == entryName(testTopic, 2) && !came {
			came = true
			if done, err := other.Erase(t.Context(), Erasure{Person: "row 0/1"}); err != nil || done.Entry != 2 || len(done.Days) != 0 {
				t.Errorf("erased: %+v, %v", done, err)
			}
		}
		return nil
	}}
	if _, err := NewWriter[row](openOn(hook, disk.Now)).Replay(t.Context(), fifth, src.decoder(toRow)); err != nil || !came {
		t.Errorf("replay: %v (%t)", err, came)
	}
	wantNothingOf(t, other.lake, "row 0/1")
	mustIngest(t, src, other, 100, 0, 1, 2)
	checkLake(t, src, disk)
}

// eraseScenario is the life of a lake from which two are erased, one of whom
// only dead letters name, with a commit between.
func eraseScenario(ctx context.Context, disk blob.FS, clock *blobtest.Disk) (safe map[int32]int64, err error) {
	safe = map[int32]int64{}
	src, w := testSource(), NewWriter[row](openOn(disk, clock.Now))
	for _, s := range []struct {
		partition int32
		offsets   int64
		person    string
	}{{0, 4, ""}, {0, 0, "row 0/1"}, {1, 2, ""}, {0, 0, "broken"}} {
		if s.person != "" {
			if _, err := w.Erase(ctx, Erasure{Person: s.person}); err != nil {
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

// erased is a resume that erases once more first: an erasure that was cut is
// finished by the next.
func erased(ctx context.Context, disk *blobtest.Disk) error {
	l := openOn(disk, disk.Now)
	if err := l.Finish(ctx); err != nil {
		return err
	}
	w := NewWriter[row](l)
	for _, person := range []string{"row 0/1", "broken"} {
		if _, err := w.Erase(ctx, Erasure{Person: person}); err != nil {
			return err
		}
		if places, err := tells(ctx, l, person); err != nil || len(places) > 0 {
			return fmt.Errorf("%q is still at %v, %w", person, places, err)
		}
	}
	return w.Close()
}
