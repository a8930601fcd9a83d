package lake

import (
	"fmt"
	"time"

	"github.com/parquet-go/parquet-go"
)

// Sealed is a batch ready to be committed, in memory. Commit may be called with
// it again and again until it says that the batch is in the log or is void.
type Sealed struct {
	entry    Entry
	opened   time.Time
	files    []stagedFile
	staged   bool   // the files are on disk, durably
	attempts int    // texts of the entry written so far
	folder   string // of a replacement: where the day's new files wait
}

// stagedFile is a file of a batch, on its way.
type stagedFile struct {
	fileName
	data []byte
}

// Entry is the entry as it will be committed, but for its number and time.
func (s *Sealed) Entry() Entry { return s.entry }

// fileNames are those of the entry's files.
func (e *Entry) fileNames() []fileName {
	var names []fileName
	for _, f := range e.Files {
		names = append(names, fileName{string(f.Day), baseOf(f.Path)})
	}
	if e.DeadLetters != nil {
		names = append(names, fileName{deadLabel, e.CommitID})
	}
	return names
}

func metadata(e *Entry, topicID string) map[string]string {
	return map[string]string{
		"tidemill.topic": e.Topic, "tidemill.topic_id": topicID, "tidemill.commit_id": e.CommitID,
	}
}

// addRows ends the file of a day and takes it in.
func addRows[R any](s *Sealed, w *Writer[R], f *dayFile[R]) error {
	data, err := f.enc.finish(metadata(&s.entry, s.entry.TopicID))
	if err != nil {
		return err
	}
	w.release(f.enc)
	name := fileName{string(f.day), s.entry.CommitID}
	s.entry.Files = append(s.entry.Files, File{
		Path: name.final(s.entry.Topic), Day: f.day, Parts: sortedParts(f.parts), Rows: f.rows, LateRows: f.late.Load(),
		Bytes: int64(len(data)), Checksum: checksumOf(data),
		MinTimestamp: f.minTime.UTC(), MaxTimestamp: f.maxTime.UTC(), MinEventTime: f.minEvent.UTC(), MaxEventTime: f.maxEvent.UTC(),
	})
	s.files = append(s.files, stagedFile{name, data})
	return nil
}

// addDead encodes the batch's dead letters, if there are any.
func (s *Sealed) addDead(dead []DeadLetter, opts []parquet.WriterOption) error {
	if len(dead) == 0 {
		return nil
	}
	enc := newEncoder[DeadLetter](opts)
	if _, err := enc.parquet.Write(dead); err != nil {
		return fmt.Errorf("encode dead letters: %w", err)
	}
	data, err := enc.finish(metadata(&s.entry, s.entry.TopicID))
	if err != nil {
		return err
	}
	name := fileName{deadLabel, s.entry.CommitID}
	s.entry.DeadLetters = &DeadFile{Path: name.final(s.entry.Topic), Rows: int64(len(dead)), Bytes: int64(len(data)), Checksum: checksumOf(data)}
	s.files = append(s.files, stagedFile{name, data})
	return nil
}
