package lake

import (
	"fmt"
	"strings"
)

// offsetSet ticks off the offsets of one range.
type offsetSet struct {
	start, end int64
	base       int64    // offsets before it are a gap: retention can have deleted billions
	bits       []uint64 // of [base, end)
	twice      []int64  // offsets seen again
	outside    []int64  // offsets seen that are not of the range
}

// newOffsetSet has ticked off what the range itself accounts for.
func newOffsetSet(r Range) *offsetSet {
	s := &offsetSet{start: r.Start, end: r.End, base: r.Start}
	gaps := r.Gaps
	if len(gaps) > 0 && gaps[0].Start == r.Start && gaps[0].End <= r.End {
		s.base, gaps = gaps[0].End, gaps[1:]
	}
	s.bits = make([]uint64, (max(s.end-s.base, 0)+63)/64)
	for _, g := range gaps {
		s.addSpan(Span{g.Start, g.End})
	}
	for _, t := range r.Tombstones {
		s.addSpan(t)
	}
	return s
}

func (s *offsetSet) add(offset int64) {
	if offset < s.start || offset >= s.end {
		s.outside = append(s.outside, offset)
		return
	}
	if offset < s.base {
		s.twice = append(s.twice, offset)
		return
	}
	i := offset - s.base
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
	for i := range s.end - s.base {
		if s.bits[i/64]&(1<<(i%64)) == 0 {
			missing = append(missing, s.base+i)
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
