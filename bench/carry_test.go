package main

import (
	"slices"
	"testing"

	"github.com/tidemill/tidemill/storage/lake"
	row "github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// BenchmarkCarry is what the ingestion does with records that it has read, without a broker and a disk: it checks and decodes them and
// encodes them as Parquet, 100,000 of six partitions for one commit. It tells CPU time, the median and the least:
// on a busy machine the least is the figure to compare.
func BenchmarkCarry(b *testing.B) {
	const records, chunk = 100_000, 1024
	var read []lake.Record
	for i, p := range payments(records, false) {
		read = append(read, lake.Record{Key: p.key, Value: p.value, Timestamp: p.at, IngestedAt: p.at,
			Partition: int32(i / chunk % partitions), Offset: int64(i/chunk/partitions*chunk + i%chunk)})
	}
	l, err := lake.Open(b.TempDir(), topic)
	if err != nil {
		b.Fatal(err)
	}
	w := lake.NewWriter[row.Row](l)
	state, err := l.State(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var size int64
	var c lake.Chunk[row.Row]
	carry := func() {
		batch := w.Begin("bench", state)
		for at := 0; at < records; at += chunk {
			c.Reset(topic, "bench", read[at].Partition, read[at].Offset)
			for i := at; i < min(at+chunk, records); i++ {
				if _, err := c.Take(&read[i], ingest.Payments); err != nil {
					b.Fatal(err)
				}
			}
			if err := batch.Add(&c); err != nil {
				b.Fatal(err)
			}
		}
		s, err := batch.Seal(lake.Topic{Partitions: partitions})
		if err != nil {
			b.Fatal(err)
		}
		size = 0
		for _, f := range s.Entry().Files {
			size += f.Bytes
		}
	}
	carry() // buffers have their size then
	var each []float64
	for b.Loop() {
		cpu := cpuTime()
		carry()
		each = append(each, float64((cpuTime()-cpu).Nanoseconds())/records)
	}
	b.ReportMetric(median(each), "cpu-ns/record")
	b.ReportMetric(slices.Min(each), "least-cpu-ns/record")
	b.ReportMetric(float64(size)/records, "B/record")
}
