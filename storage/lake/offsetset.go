package lake

import (
	"fmt"
	"strings"
)

// offsetSet ticks off the offsets of one range.
type offsetSet struct {
	start, end int64
	bits       []uint64
	twice      []int64 // offsets seen again
	outside    []int64 // offsets seen that are not of the range
}

func newOffsetSet(start, end int64) *offsetSet {
	return &offsetSet{start: start, end: end, bits: make([]uint64, (max(end-start, 0)+63)/64)}
}

func (s *offsetSet) add(offset int64) {
	if offset < s.start || offset >= s.end {
		s.outside = append(s.outside, offset)
		return
	}
	i := offset - s.start
	if s.bits[i/64]&(1<<(i%64)) != 0 {
		s.twice = append(s.twice, offset)
	}
	s.bits[i/64] |= 1 << (i % 64)
}

func (s *offsetSet) addSpan(span Span) {
	for o := span.Start; o < span.End; o++ {
		s.add(o)
	}
}

// problems names offsets that are missing, there twice, or of no such range.
func (s *offsetSet) problems(report func(what string)) {
	var missing []int64
	for i := range s.end - s.start {
		if s.bits[i/64]&(1<<(i%64)) == 0 {
			missing = append(missing, s.start+i)
		}
	}
	for _, p := range []struct {
		what    string
		offsets []int64
	}{{"missing", missing}, {"there twice", s.twice}, {"outside its range", s.outside}} {
		if len(p.offsets) > 0 {
			report(fmt.Sprintf("%d offsets %s: %s", len(p.offsets), p.what, nameOffsets(p.offsets)))
		}
	}
}

func nameOffsets(offsets []int64) string {
	var b strings.Builder
	for i, o := range offsets {
		if i == maxNamed {
			b.WriteString(", …")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, o)
	}
	return b.String()
}
