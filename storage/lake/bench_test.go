package lake

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/storage/blob"
)

// BenchmarkRestart: from opening a lake whose log has a million entries, one a
// second, 99 of them after the last checkpoint, until its state is read and it
// is known whether the last commit's file, which was left where it was written,
// is to be moved. The log itself is not on the disk but for those 99.
func BenchmarkRestart(b *testing.B) {
	const entries, rest = 1_000_000, 99
	root := b.TempDir()
	l, err := Open(root, testTopic)
	if err != nil {
		b.Fatal(err)
	}
	if err := l.dirs.ensure(logFolder(testTopic)); err != nil {
		b.Fatal(err)
	}
	l.state = newState(testTopic)
	l.state.segments = l.segments
	var last Entry
	for n := int64(1); n <= entries; n++ {
		last = entryOf(n)
		if n > entries-rest {
			text, err := last.encode()
			if err == nil {
				err = os.WriteFile(root+"/"+entryName(testTopic, n), text, 0o600)
			}
			if err != nil {
				b.Fatal(err)
			}
			continue
		}
		l.state.fold(last)
		if n%50_000 == 0 || n == entries-rest {
			if err := l.writeCheckpoint(l.state.clone()); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := l.dirs.ensure(writerFolder(last.Writer)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := os.WriteFile(root+"/"+last.fileNames()[0].tmp(last.Writer), []byte("x"), 0o600); err != nil {
			b.Fatal(err)
		}
		disk := &counting{FS: blob.Dir(root)}
		again, err := Open(root, testTopic, WithFS(disk))
		if err != nil {
			b.Fatal(err)
		}
		if err := again.Finish(b.Context()); err != nil {
			b.Fatal(err)
		}
		s, err := again.State(b.Context())
		if err != nil || s.Head != entries {
			b.Fatalf("the log is at %d, %v", s.Head, err)
		}
		b.ReportMetric(float64(len(disk.names)), "opens")
	}
}

// entryOf is entry n of a stream of six partitions.
func entryOf(n int64) Entry {
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
	e := Entry{
		N: n, Kind: KindAppend, CommitID: uuid.Must(uuid.NewV7()).String(), Writer: testTopic + "~bench", Topic: testTopic, TopicID: testTopicID,
		SchemaVersion: appendVersion, CommittedAt: at, PartitionsNow: 6,
	}
	f := File{
		Day: DayOf(at), Bytes: 1, Checksum: "sha256:" + strings.Repeat("0", 64), MinTimestamp: at, MaxTimestamp: at, MinEventTime: at, MaxEventTime: at,
		TopicID: testTopicID, Entry: n, CommittedAt: at,
	}
	f.Path = fileName{string(f.Day), e.CommitID}.final(testTopic)
	for p := range int32(6) {
		r := Range{Partition: p, Start: 50 * (n - 1), End: 50 * n, Rows: 49, Gaps: []Gap{{50*n - 1, 50 * n, CauseControl}}, MaxTimestamp: at, Watermark: at}
		f.Parts = append(f.Parts, FilePart{Partition: p, Start: r.Start, End: r.End, Rows: r.Rows})
		f.Rows += r.Rows
		e.Partitions = append(e.Partitions, r)
	}
	e.Files = []File{f}
	return e
}
