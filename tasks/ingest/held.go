package ingest

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
)

// position is where a record lies in its topic.
type position struct {
	partition int32
	offset    int64
}

// held is what one commit put into the lake, by position.
type held[R any] struct {
	topicID  string
	erasures *lake.Erasures
	rows     map[position]heldRow[R]
	dead     map[position]lake.DeadLetter
}

type heldRow[R any] struct {
	row        R
	ingestedAt time.Time
}

// rowPlace is what tells a row's position.
type rowPlace struct {
	Partition  int32 `parquet:"kafka_partition"`
	Offset     int64 `parquet:"kafka_offset"`
	IngestedAt int64 `parquet:"ingestion_timestamp"`
}

// readHeld reads what the lake has of a commit's offsets.
func readHeld[R any](ctx context.Context, l *lake.Lake, e lake.Entry) (*held[R], error) {
	files, dead, err := l.Contents(ctx, e)
	if err != nil {
		return nil, err
	}
	return readHeldOf[R](ctx, l, e, files, dead)
}

// readHeldOf is readHeld by the files that may have some of it.
func readHeldOf[R any](ctx context.Context, l *lake.Lake, e lake.Entry, files []lake.File, dead []lake.DeadFile) (*held[R], error) {
	state, err := l.State(ctx) // after the files: it has what was erased from them
	if err != nil {
		return nil, err
	}
	h := &held[R]{topicID: e.TopicID, erasures: state.Erasures(), rows: map[position]heldRow[R]{}, dead: map[position]lake.DeadLetter{}}
	for _, f := range files {
		places := make([]rowPlace, 0, f.Rows)
		err := lake.Rows(ctx, l, f, func(rows []rowPlace) error {
			places = append(places, rows...)
			return nil
		})
		if err != nil {
			return nil, err
		}
		err = lake.Rows(ctx, l, f, func(rows []R) error {
			for i, row := range rows {
				if at := places[i]; covers(e, at.Partition, at.Offset) {
					h.rows[position{at.Partition, at.Offset}] = heldRow[R]{row, time.UnixMicro(at.IngestedAt).UTC()}
				}
			}
			places = places[len(rows):]
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for _, f := range dead {
		err := l.DeadRows(ctx, f, func(rows []lake.DeadLetter) error {
			for _, d := range rows {
				if d.TopicID == e.TopicID && covers(e, d.Partition, d.Offset) {
					h.dead[position{d.Partition, d.Offset}] = d
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return h, nil
}

// covers says whether a commit accounts for an offset.
func covers(e lake.Entry, partition int32, offset int64) bool {
	return slices.ContainsFunc(e.Partitions, func(r lake.Range) bool {
		return r.Partition == partition && r.Start <= offset && offset < r.End
	})
}

// disagrees compares what Kafka shows at an offset of the range with what the
// lake holds of it, and says in what they differ; "" if they agree.
func (h *held[R]) disagrees(r lake.Range, s *shown, transform lake.Transform[R]) string {
	at := position{r.Partition, s.offset}
	row, isRow := h.rows[at]
	dead, isDead := h.dead[at]
	cause, isGap := gapAt(r.Gaps, s.offset)
	switch {
	case s.hidden != "" && isGap:
		return ""
	case s.hidden != "":
		return fmt.Sprintf("Kafka shows nothing to read (%s), the lake has no gap there", s.hidden)
	case isGap:
		return fmt.Sprintf("Kafka shows a record, the lake declares a gap (%s)", cause)
	case isTombstone(r.Tombstones, s.offset) && s.value != nil:
		return "Kafka shows a record with a value, the lake counts a tombstone"
	case isTombstone(r.Tombstones, s.offset):
		return ""
	case s.value == nil:
		return "Kafka shows a tombstone, the lake does not count it as one"
	case isRow:
		return h.sameRow(row, r.Partition, s, transform)
	case isDead:
		return sameDead(dead, s, transform)
	}
	return "Kafka shows a record, the lake has neither a row nor a dead letter of it"
}

func (h *held[R]) sameRow(held heldRow[R], partition int32, s *shown, transform lake.Transform[R]) string {
	var now R
	if v := transform(s.record(partition, held.ingestedAt), &now); v.Broken {
		return fmt.Sprintf("the record breaks the contract (%s), the lake has a row of it", v.Field)
	}
	lake.EraseRow(h.erasures, h.topicID, partition, s.offset, &now) // the hash of the record's value stays
	if names := differing(&held.row, &now); len(names) > 0 {
		return "the lake's row is not what the record says: it differs in " + strings.Join(names, ", ")
	}
	return ""
}

func sameDead[R any](d lake.DeadLetter, s *shown, transform lake.Transform[R]) string {
	if d.Erased != nil && d.WasOf(s.key, s.value) {
		return ""
	}
	if d.Erased != nil || !bytes.Equal(d.Value, s.value) || !bytes.Equal(d.Key, s.key) {
		return "the dead letter does not have the record's bytes"
	}
	if d.Field == lake.FieldTimestamp { // of no day perhaps, which Transform is not asked about
		return ""
	}
	if d.Timestamp != s.timestamp.UnixMicro() {
		return "the dead letter does not have the record's timestamp"
	}
	var now R
	if !transform(s.record(d.Partition, time.UnixMicro(d.IngestedAt).UTC()), &now).Broken {
		return "the record keeps the contract, the lake has a dead letter of it"
	}
	return ""
}

func (s *shown) record(partition int32, ingestedAt time.Time) *lake.Record {
	return &lake.Record{Key: s.key, Value: s.value, Partition: partition, Offset: s.offset, Timestamp: s.timestamp, IngestedAt: ingestedAt}
}

// differing names the columns in which two rows differ.
func differing[R any](a, b *R) (names []string) {
	x, y := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for i := range x.NumField() {
		f := x.Type().Field(i)
		if !f.IsExported() || reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("parquet"), ",")
		if name != "-" {
			names = append(names, name)
		}
	}
	return names
}

func gapAt(gaps []lake.Gap, offset int64) (lake.Cause, bool) {
	for _, g := range gaps {
		if g.Start <= offset && offset < g.End {
			return g.Cause, true
		}
	}
	return "", false
}

func isTombstone(spans []lake.Span, offset int64) bool {
	for _, t := range spans {
		if t.Start <= offset && offset < t.End {
			return true
		}
	}
	return false
}
