package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// DeadLetter is a record that broke the topic's contract, as it is kept in
// dead_letters/<topic>/. It is the schema of those files.
type DeadLetter struct {
	Key       []byte `parquet:"key,optional"`   // nil: the record had none
	Value     []byte `parquet:"value,optional"` // as it came; nil: none
	Topic     string `parquet:"topic,dict"`
	TopicID   string `parquet:"topic_id,dict"`
	Partition int32  `parquet:"kafka_partition"`
	Offset    int64  `parquet:"kafka_offset"`
	// Timestamp is the record's, in microseconds since 1970 UTC.
	Timestamp int64 `parquet:"kafka_timestamp,timestamp(microsecond:utc)"`
	// IngestedAt is when it was read, in microseconds since 1970 UTC.
	IngestedAt int64  `parquet:"ingestion_timestamp,timestamp(microsecond:utc)"`
	Field      string `parquet:"field,dict"` // of the contract; "" if the record as a whole is broken
	Reason     string `parquet:"reason,dict"`
	// Erased is set where the record's bytes were erased: the SHA-256 of its key
	// and of its value, in hex, with a colon between. Both are nil then.
	Erased *string `parquet:"erased,optional"`
}

// deadLetter is a record that broke the contract, with a copy of its bytes.
func deadLetter(topic, topicID string, rec *Record, v Verdict) DeadLetter {
	return DeadLetter{
		Key: slices.Clone(rec.Key), Value: slices.Clone(rec.Value), Topic: topic, TopicID: topicID,
		Partition: rec.Partition, Offset: rec.Offset, Timestamp: timeMicros(rec.Timestamp), IngestedAt: timeMicros(rec.IngestedAt),
		Field: strings.Clone(v.Field), Reason: strings.Clone(v.Reason), // they may be parts of the record, or of a batch of them
	}
}

// DeadLetters lists up to limit dead letters, the newest commit first, within a
// commit the last offset first. day narrows it to those whose record timestamp
// is of that day; "" takes all. A limit of 0 or less means no limit.
func (l *Lake) DeadLetters(ctx context.Context, day Day, limit int) ([]DeadLetter, error) {
	var files []DeadFile
	if err := l.view(ctx, func(s *State) (err error) {
		files, err = s.DeadFiles()
		return err
	}); err != nil {
		return nil, err
	}
	var found []DeadLetter
	for _, f := range slices.Backward(files) {
		var ofFile []DeadLetter
		err := l.DeadRows(ctx, f, func(rows []DeadLetter) error {
			for _, r := range rows {
				if day == "" || DayOf(microTime(r.Timestamp)) == day {
					ofFile = append(ofFile, r)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		slices.Reverse(ofFile)
		found = append(found, ofFile...)
		if limit > 0 && len(found) >= limit {
			return found[:limit], nil
		}
	}
	return found, nil
}

// DeadRows reads a file of dead letters in order, as Rows reads one of rows: one
// that was replaced too, as long as it is kept.
func (l *Lake) DeadRows(ctx context.Context, f DeadFile, yield func([]DeadLetter) error) error {
	h, err := l.openCommitted(ctx, f.Path)
	if errors.Is(err, fs.ErrNotExist) { // replaced since it was listed
		if kept, kerr := l.openKeptDead(f); kerr == nil {
			h, err = kept, nil
		}
	}
	if err != nil {
		return fmt.Errorf("read dead letters: %w", err)
	}
	if err := verify(h, f.Path, f.Bytes, f.Checksum); err != nil {
		return errors.Join(err, h.Close())
	}
	return readRows(ctx, h, f.Path, f.Rows, slice{0, f.Rows}, yield)
}
