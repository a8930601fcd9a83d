package produce

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/IBM/sarama"
	"golang.org/x/sync/errgroup"
)

// present is what of a source is on a topic.
type present struct {
	source string
	// partitions is how many the topic had when the source was first produced: keys stay in their partitions when the
	// topic grows in the middle of it.
	partitions int32
	parts      []presentIn
}

// presentIn is what of a source is in one partition.
type presentIn struct {
	lines      lineSet
	first      int   // the least line found, 0 when there is none
	cut        bool  // retention has deleted the partition's beginning
	partitions int32 // as the records' headers say
}

func (p *present) header(line int) string {
	return p.source + " " + strconv.Itoa(line) + " " + strconv.Itoa(int(p.partitions))
}

func (p *present) has(r record) bool {
	if int(r.partition) >= len(p.parts) {
		return false
	}
	part := &p.parts[r.partition]
	return part.lines.has(r.line) || part.cut && r.line < part.first
}

// add takes a header's text if it is of the source.
func (p *presentIn) add(source, header string) error {
	rest, ours := strings.CutPrefix(header, source+" ")
	if !ours {
		return nil
	}
	lineText, partitionsText, _ := strings.Cut(rest, " ")
	line, err := strconv.Atoi(lineText)
	partitions, err2 := strconv.ParseInt(partitionsText, 10, 32)
	if err := errors.Join(err, err2); err != nil || line < 1 || line > maxLines || partitions < 1 {
		return fmt.Errorf("a record has the header %s: %q, which this program does not write", sourceHeader, header)
	}
	p.lines.add(line)
	p.partitions = int32(partitions)
	if p.first == 0 || line < p.first {
		p.first = line
	}
	return nil
}

// maxLines bounds the memory that a damaged header could ask for.
const maxLines = 1 << 31

// lineSet is a set of line numbers, a bit each.
type lineSet []uint64

func (s lineSet) has(line int) bool { return line/64 < len(s) && s[line/64]&(1<<(line%64)) != 0 }

func (s *lineSet) add(line int) {
	for line/64 >= len(*s) {
		*s = append(*s, 0)
	}
	(*s)[line/64] |= 1 << (line % 64)
}

// readPresent reads every record's header from the start of each partition to its present end.
func readPresent(ctx context.Context, client sarama.Client, topic Topic, source string) (*present, error) {
	there := &present{source: source, partitions: topic.Partitions, parts: make([]presentIn, topic.Partitions)}
	group, ctx := errgroup.WithContext(ctx)
	for partition := range there.parts {
		group.Go(func() error {
			if err := there.parts[partition].read(ctx, client, topic.Name, int32(partition), source); err != nil {
				return fmt.Errorf("partition %d: %w", partition, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, part := range there.parts {
		if part.partitions > 0 {
			there.partitions = part.partitions
		}
	}
	return there, nil
}

// read takes the headers of one partition's records.
func (p *presentIn) read(ctx context.Context, client sarama.Client, topic string, partition int32, source string) error {
	start, err := offset(ctx, client, topic, partition, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	p.cut = start > 0
	return scan(ctx, client, topic, partition, start, func(r *sarama.Record) error {
		for _, header := range r.Headers {
			if string(header.Key) == sourceHeader {
				return p.add(source, string(header.Value))
			}
		}
		return nil
	})
}
