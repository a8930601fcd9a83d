package lake

import (
	"fmt"
	"path"
	"time"
)

// remade is a file of rows that a remake makes.
type remade[R any] struct {
	topicID            string
	enc                *encoder[R]
	buf                []R // of a fixed size, so that the same rows are the same bytes
	rows               int64
	parts              map[int32]FilePart
	minTime, maxTime   time.Time
	minEvent, maxEvent time.Time
}

const remadeRows = 1024

func (m *remake[R]) file(topicID string) *remade[R] {
	return &remade[R]{topicID: topicID, enc: newEncoder[R](m.w.parquet), buf: make([]R, 0, remadeRows), parts: map[int32]FilePart{}}
}

// put appends a row.
func (f *remade[R]) put(rec *Record, row *R, v Verdict) error {
	p, ok := f.parts[rec.Partition]
	if !ok {
		p = FilePart{Partition: rec.Partition, Start: rec.Offset}
	}
	p.Start, p.End, p.Rows = min(p.Start, rec.Offset), max(p.End, rec.Offset+1), p.Rows+1
	f.parts[rec.Partition] = p
	f.rows++
	f.minTime, f.maxTime = minTime(f.minTime, rec.Timestamp), maxTime(f.maxTime, rec.Timestamp)
	f.minEvent, f.maxEvent = minTime(f.minEvent, v.EventTime), maxTime(f.maxEvent, v.EventTime)
	return f.append(row)
}

// like says of the file what is said of another, whose rows it is to have.
func (f *remade[R]) like(was File) {
	f.rows = was.Rows
	for _, p := range was.Parts {
		f.parts[p.Partition] = p
	}
	f.minTime, f.maxTime, f.minEvent, f.maxEvent = was.MinTimestamp, was.MaxTimestamp, was.MinEventTime, was.MaxEventTime
}

// append encodes a row.
func (f *remade[R]) append(row *R) error {
	if f.buf = append(f.buf, *row); len(f.buf) < remadeRows {
		return nil
	}
	return f.flush()
}

func (f *remade[R]) flush() error {
	_, err := f.enc.parquet.Write(f.buf)
	clear(f.buf)
	f.buf = f.buf[:0]
	if err != nil {
		return fmt.Errorf("encode rows: %w", err)
	}
	return nil
}

// add ends a file that has rows and takes it in.
func (m *remake[R]) add(f *remade[R], late int64) error {
	if f.rows == 0 {
		return nil
	}
	if err := f.flush(); err != nil {
		return err
	}
	s := m.sealed
	// Nothing in the file tells of what made it: the same rows are the same bytes.
	if err := f.enc.close(map[string]string{"tidemill.topic": s.entry.Topic, "tidemill.topic_id": f.topicID}); err != nil {
		return err
	}
	data := f.enc.out.Bytes()
	base := fmt.Sprintf("%s-%d", s.entry.CommitID, len(s.entry.Files)+1)
	if err := m.w.lake.disk.WriteFile(path.Join(s.folder, base+extension), data); err != nil {
		return err
	}
	s.entry.Files = append(s.entry.Files, File{
		Path: fileName{string(m.day), base}.final(s.entry.Topic), Day: m.day, Parts: sortedParts(f.parts), Rows: f.rows, LateRows: late,
		Bytes: int64(len(data)), Checksum: checksumOf(data), Generation: m.generation, TopicID: f.topicID, Retried: s.entry.Replaces.Reason == ReasonRetry,
		MinTimestamp: f.minTime.UTC(), MaxTimestamp: f.maxTime.UTC(), MinEventTime: f.minEvent.UTC(), MaxEventTime: f.maxEvent.UTC(),
	})
	return nil
}
