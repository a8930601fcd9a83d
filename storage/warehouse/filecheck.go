package warehouse

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// fileCheck compares the rows of one file of the lake with what the log says of it, as they come.
type fileCheck struct {
	file    lake.File
	tally   Tally
	parts   map[int32]int64 // rows by partition
	astray  int64           // offsets that lie in no part of the file
	another int64           // rows of another day
	first   [2]string       // an example of each
}

func (c *fileCheck) rows(rows []payment.Row) {
	if c.parts == nil {
		c.parts = map[int32]int64{}
	}
	from, to := c.file.Day.Start().UnixMicro(), c.file.Day.End().UnixMicro()
	for i := range rows {
		r := &rows[i]
		c.tally.count(1, r.Currency, big.NewInt(r.Amount))
		c.parts[r.KafkaPartition]++
		at := fmt.Sprintf
		if len(c.file.Parts) > 0 && !slices.ContainsFunc(c.file.Parts, func(p lake.FilePart) bool {
			return p.Partition == r.KafkaPartition && p.Start <= r.KafkaOffset && r.KafkaOffset < p.End
		}) {
			if c.astray++; c.astray == 1 {
				c.first[0] = at("partition %d offset %d", r.KafkaPartition, r.KafkaOffset)
			}
		}
		if r.KafkaTimestamp < from || r.KafkaTimestamp >= to {
			if c.another++; c.another == 1 {
				c.first[1] = at("partition %d offset %d", r.KafkaPartition, r.KafkaOffset)
			}
		}
	}
}

// problems says what does not agree with the log.
func (c *fileCheck) problems() (what []string) {
	if c.tally.Records != c.file.Rows {
		what = append(what, fmt.Sprintf("it has %d rows, the log says %d", c.tally.Records, c.file.Rows))
	}
	for _, p := range c.file.Parts {
		if n := c.parts[p.Partition]; n != p.Rows {
			what = append(what, fmt.Sprintf("it has %d rows of partition %d, the log says %d, with offsets from %d to %d", n, p.Partition, p.Rows, p.Start, p.End-1))
		}
	}
	if c.astray > 0 {
		what = append(what, fmt.Sprintf("%d of its rows have offsets that the log does not say are in it, as %s", c.astray, c.first[0]))
	}
	if c.another > 0 {
		what = append(what, fmt.Sprintf("%d of its rows are of another day, as %s", c.another, c.first[1]))
	}
	return what
}

// differences tells in which columns two rows differ; of those that hold nothing personal, how.
func differences(one string, a map[string]any, other string, b map[string]any) string {
	var told []string
	for _, column := range slices.Sorted(maps.Keys(a)) {
		y, both := b[column]
		x := a[column]
		if !both || asText(x) == asText(y) {
			continue
		}
		switch column {
		case "amount", "currency", "status":
			told = append(told, fmt.Sprintf("%s is %s in %s, %s in %s", column, asText(x), one, asText(y), other))
		default:
			told = append(told, column)
		}
	}
	if len(told) == 0 {
		return ""
	}
	return ": " + strings.Join(told, ", ")
}

func asText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	text, err := json.Marshal(v)
	if err != nil { // nothing that came out of JSON
		return fmt.Sprint(v)
	}
	return string(text)
}

// compareProblems orders problems by place on the topic: what is wrong with whole files first.
func compareProblems(a, b Problem) int {
	number := func(n *int64) int64 {
		if n == nil {
			return -1
		}
		return *n
	}
	partition := func(p *int32) int32 {
		if p == nil {
			return -1
		}
		return *p
	}
	return cmp.Or(strings.Compare(a.TopicID, b.TopicID), cmp.Compare(partition(a.Partition), partition(b.Partition)),
		cmp.Compare(number(a.Offset), number(b.Offset)))
}
