package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/storage/blob"
	"github.com/tidemill/tidemill/storage/blob/blobtest"
)

// wrongly is a decoder that once spoiled the text of each third record and let
// the broken ones of partition 0 pass, and refused good ones of partition 1.
func wrongly(rec *Record, into *row) Verdict {
	v := toRow(rec, into)
	switch {
	case v.Broken && rec.Partition == 0:
		*into = row{Text: "let pass", Partition: rec.Partition, Offset: rec.Offset, Timestamp: rec.Timestamp.UnixMicro(), Ingested: rec.IngestedAt.UnixMicro()}
		return Verdict{EventTime: rec.Timestamp, KeyMismatch: true}
	case rec.Partition == 1 && rec.Offset%7 == 3:
		return Verdict{Broken: true, Field: "other", Reason: "is not liked"}
	case rec.Offset%3 == 0:
		into.Text += "!"
	}
	return v
}

// decoder makes rows of the source's records, as the topic still has them.
func (s source) decoder(transform Transform[row]) Decoder[row] {
	return Decoder[row]{Transform: transform, Rows: func(_ context.Context, _ string, _ []row, places []Place, take func(*Record, *row, Verdict) error) error {
		for _, p := range places {
			rec := *s[p.Partition][p.Offset]
			rec.IngestedAt = microTime(p.IngestedAt)
			var into row
			v := transform(&rec, &into)
			if err := take(&rec, &into, v); err != nil {
				return err
			}
		}
		return nil
	}}
}

// ingestAs is ingest by another decoder.
func (s source) ingestAs(t *testing.T, w *Writer[row], transform Transform[row], n int64, partitions ...int32) {
	t.Helper()
	sealed, err := s.sealAs(t.Context(), w, transform, n, partitions...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Commit(t.Context(), sealed); err != nil {
		t.Fatal(err)
	}
}

// sums are what the log says of partitions and days, but for files and bytes.
func sums(t *testing.T, l *Lake) string {
	t.Helper()
	s := mustState(t, l)
	var b strings.Builder
	for p := range int32(3) {
		fmt.Fprintln(&b, p, s.Partitions[PartitionKey{testTopicID, p}].Rows, s.Partitions[PartitionKey{testTopicID, p}].DeadLetters)
	}
	for _, d := range s.DayStats() {
		fmt.Fprintln(&b, d.Day, d.Rows, d.DeadLetters, d.Tombstones, d.KeyMismatches)
	}
	return b.String()
}

// TestReplay: what a wrong decoder made is made right, record by record, and the
// log's sums are those of a lake that was never wrong.
func TestReplay(t *testing.T) {
	right := blobtest.NewDisk()
	src := testSource()
	mustIngest(t, src, NewWriter[row](openOn(right, right.Now)), 100, 0, 1, 2)

	disk := blobtest.NewDisk()
	w := NewWriter[row](openEvery(disk, disk.Now, 2))
	for range 4 {
		src.ingestAs(t, w, wrongly, 4, 0, 1)
	}
	if _, err := w.Compact(t.Context(), fifth, oneFile); err != nil {
		t.Fatal(err)
	}
	src.ingestAs(t, w, wrongly, 100, 0, 1, 2)
	if err := src.exactlyOnce(disk); err == nil {
		t.Fatal("the wrong decoder did nothing wrong")
	}
	reader := openOn(disk, disk.Now)
	last := mustState(t, reader).LastFileAt
	for i, day := range []Day{fifth, "2024-01-06", "2024-01-07"} {
		done, err := w.Replay(t.Context(), day, src.decoder(toRow))
		if err != nil || done.Generation != 1 || done.ToRows+done.ToDeadLetter == 0 && i == 0 {
			t.Fatalf("replayed: %+v, %v", done, err)
		}
	}
	if got, want := sums(t, reader), sums(t, openOn(right, right.Now)); got != want {
		t.Errorf("the sums are\n%swant\n%s", got, want)
	}
	checkLake(t, src, disk)
	for _, f := range mustFiles(t, reader) {
		if f.Generation != 1 || len(f.Sources) > 0 {
			t.Errorf("file %+v, want one of generation 1", f)
		}
	}
	letters, err := reader.DeadLetters(t.Context(), "", 0)
	if err != nil || len(letters) != 6 || slices.ContainsFunc(letters, func(d DeadLetter) bool { return d.Field != "text" || string(d.Value) != "broken" }) {
		t.Errorf("dead letters %+v, %v", letters, err)
	}
	if got := mustState(t, reader).LastFileAt; !got.Equal(last) {
		t.Errorf("the replay counts as news: %v, it was %v", got, last)
	}

	// Once more: the same bytes, of the next generation.
	before := mustFiles(t, reader)
	if done, err := w.Replay(t.Context(), fifth, src.decoder(toRow)); err != nil || done.Generation != 2 || done.ToRows+done.ToDeadLetter != 0 {
		t.Errorf("replayed again: %+v, %v", done, err)
	}
	for i, f := range mustFiles(t, reader) {
		if f.Checksum != before[i].Checksum || f.Rows != before[i].Rows {
			t.Errorf("file %d has other bytes than before: %+v, it was %+v", i, f, before[i])
		}
	}
	checkLake(t, src, disk)
	// What the stream puts into the day later is of its generation.
	if n := len(mustFiles(t, reader)); n == 0 || mustState(t, reader).Days[fifth].Generation != 2 {
		t.Errorf("%d files", n)
	}
	if done, err := w.Replay(t.Context(), "2023-01-01", src.decoder(toRow)); err != nil || done.Entry != 0 {
		t.Errorf("replay of a day without records: %+v, %v", done, err)
	}
}

func mustFiles(t *testing.T, l *Lake) []File {
	t.Helper()
	files, err := l.Files(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestReplayFails: a decoder that errs, leaves a record out or gives another
// changes nothing, and leaves nothing.
func TestReplayFails(t *testing.T) {
	broken := errors.New("the topic is gone")
	for name, rows := range map[string]func(d Decoder[row]) Decoder[row]{
		"an error": func(d Decoder[row]) Decoder[row] {
			d.Rows = func(context.Context, string, []row, []Place, func(*Record, *row, Verdict) error) error { return broken }
			return d
		},
		"one left out": func(d Decoder[row]) Decoder[row] {
			all := d.Rows
			d.Rows = func(ctx context.Context, id string, was []row, p []Place, take func(*Record, *row, Verdict) error) error {
				return all(ctx, id, was[1:], p[1:], take)
			}
			return d
		},
		"of another day": func(d Decoder[row]) Decoder[row] {
			all := d.Rows
			d.Rows = func(ctx context.Context, id string, was []row, p []Place, take func(*Record, *row, Verdict) error) error {
				return all(ctx, id, was, p, func(rec *Record, r *row, v Verdict) error {
					rec.Timestamp = rec.Timestamp.AddDate(0, 0, 3)
					return take(rec, r, v)
				})
			}
			return d
		},
	} {
		t.Run(name, func(t *testing.T) {
			disk := blobtest.NewDisk()
			src, w := small(t, disk, disk.Now)
			tree := fmt.Sprint(disk.Tree())
			if _, err := w.Replay(t.Context(), fifth, rows(src.decoder(toRow))); err == nil {
				t.Error("no error")
			}
			if got := fmt.Sprint(disk.Tree()); got != tree {
				t.Errorf("the disk has %s, it had %s", got, tree)
			}
			mustIngest(t, src, w, 100, 0, 1, 2)
			checkLake(t, src, disk)
		})
	}
}

// replayScenario is the life of a day that is replayed with a decoder that finds
// rows broken, and back, with a commit between.
func replayScenario(ctx context.Context, disk blob.FS, clock *blobtest.Disk) (safe map[int32]int64, err error) {
	safe = map[int32]int64{}
	src, w := testSource(), NewWriter[row](openOn(disk, clock.Now))
	refuse := func(rec *Record, into *row) Verdict {
		if rec.Offset%7 == 1 {
			return Verdict{Broken: true, Field: "text", Reason: "is not liked"}
		}
		return toRow(rec, into)
	}
	for _, s := range []struct {
		partition int32
		offsets   int64
		transform Transform[row]
	}{{0, 4, nil}, {0, 0, refuse}, {1, 2, nil}, {0, 0, toRow}} {
		if s.transform != nil {
			if _, err := w.Replay(ctx, fifth, src.decoder(s.transform)); err != nil {
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

// replayed is a resume that replays the day once more first: what a cut left of
// a replay may have been made by the decoder that refuses.
func replayed(ctx context.Context, disk *blobtest.Disk) error {
	l := openOn(disk, disk.Now)
	if err := l.Finish(ctx); err != nil {
		return err
	}
	w := NewWriter[row](l)
	if _, err := w.Replay(ctx, fifth, testSource().decoder(toRow)); err != nil {
		return err
	}
	return w.Close()
}
