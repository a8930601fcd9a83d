// Package laketest makes lakes for tests of those who read them.
package laketest

import (
	"cmp"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/payment/goldref"
)

// Topic is the topic of the lakes, TopicID its id.
const (
	Topic   = "transactions"
	TopicID = "an-id"
)

// ingestedAt is when all records are said to have been read.
var ingestedAt = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Hostile makes a lake of n hostile records (goldref.Hostile) in three commits, with dead letters and tombstones, in a folder that goes with
// the test. It returns what was put in: the rows by partition and offset, and the dead letters likewise.
func Hostile(t testing.TB, n int) (l *lake.Lake, rows []payment.Row, dead []goldref.Event) {
	t.Helper()
	m := newMaker(t)
	events := goldref.Hostile(7, n)
	for some := range slices.Chunk(events, (n+2)/3) {
		m.commit(some)
	}
	return m.lake, m.sortedRows(), m.sortedDead()
}

// Ordered makes a lake of n plain payments of one partition in one commit, a second apart from midnight on, so that offsets and times ascend
// together and a file of a day has more than one row group from 100,000 records on.
func Ordered(t testing.TB, n int) *lake.Lake {
	t.Helper()
	m := newMaker(t)
	m.commit(plain(n))
	return m.lake
}

type maker struct {
	t      testing.TB
	lake   *lake.Lake
	writer *lake.Writer[payment.Row]
	next   map[int32]int64
	rows   []payment.Row
	dead   []goldref.Event
}

func newMaker(t testing.TB) *maker {
	t.Helper()
	l, err := lake.Open(t.TempDir(), Topic)
	if err != nil {
		t.Fatal(err)
	}
	return &maker{t: t, lake: l, writer: lake.NewWriter[payment.Row](l), next: map[int32]int64{}}
}

func (m *maker) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// commit puts events in, which go on in each partition from where the last ones ended.
func (m *maker) commit(events []goldref.Event) {
	m.t.Helper()
	state, err := m.lake.State(m.t.Context())
	m.must(err)
	b := m.writer.Begin(TopicID, state)
	for p := range int32(goldref.HostilePartitions) {
		var c lake.Chunk[payment.Row]
		c.Reset(Topic, TopicID, p, m.next[p])
		for _, e := range events {
			if e.Partition != p {
				continue
			}
			rec := lake.Record{Key: e.Key, Value: e.Value, Partition: p, Offset: e.Offset, Timestamp: e.Time, IngestedAt: ingestedAt}
			took, err := c.Take(&rec, m.transform(e))
			m.must(err)
			if !took {
				m.t.Fatalf("laketest: more than %d days", lake.MaxOpenDays)
			}
		}
		m.next[p] = c.End()
		m.must(b.Add(&c))
	}
	s, err := b.Seal(lake.Topic{AskedAt: ingestedAt, Partitions: goldref.HostilePartitions})
	m.must(err)
	_, err = m.writer.Commit(m.t.Context(), s)
	m.must(err)
	m.must(m.writer.Close())
}

// transform is the contract's, and takes note of what becomes of the event.
func (m *maker) transform(e goldref.Event) lake.Transform[payment.Row] {
	return func(rec *lake.Record, into *payment.Row) lake.Verdict {
		err := payment.CheckTimestamp(rec.Timestamp, rec.IngestedAt)
		if err == nil {
			err = payment.Decode(rec.Value, into)
		}
		var v *payment.Violation
		if errors.As(err, &v) {
			m.dead = append(m.dead, e)
			return lake.Verdict{Broken: true, Field: v.Field, Reason: v.Reason}
		}
		m.must(err)
		into.KafkaPartition, into.KafkaOffset = rec.Partition, rec.Offset
		into.KafkaTimestamp, into.IngestionTimestamp = rec.Timestamp.UnixMicro(), rec.IngestedAt.UnixMicro()
		m.rows = append(m.rows, *into)
		return lake.Verdict{EventTime: time.UnixMicro(into.EventTime)}
	}
}

func (m *maker) sortedRows() []payment.Row {
	slices.SortFunc(m.rows, func(a, b payment.Row) int {
		return cmp.Or(cmp.Compare(a.KafkaPartition, b.KafkaPartition), cmp.Compare(a.KafkaOffset, b.KafkaOffset))
	})
	return m.rows
}

func (m *maker) sortedDead() []goldref.Event {
	slices.SortFunc(m.dead, func(a, b goldref.Event) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	return m.dead
}
