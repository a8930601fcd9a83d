package lake

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// offsetSet ticks off the offsets of one partition. It takes little memory for
// offsets that follow on from each other: a page of them that is full is one
// word.
type offsetSet struct {
	ranges  []Span                // expected, ascending, apart from each other once tidied
	silent  []Span                // of those, tombstones and gaps
	pages   map[int64]*offsetPage // by offset / pageOffsets; nil: all of it was seen
	twice   []int64               // offsets seen again
	outside []int64               // offsets seen that are not expected
}

const pageOffsets = 1 << 16

type offsetPage struct {
	bits [pageOffsets / 64]uint64
	n    int
}

func newOffsetSet() *offsetSet { return &offsetSet{pages: map[int64]*offsetPage{}} }

// expect adds the offsets of a range, and ticks off what it accounts for itself.
func (s *offsetSet) expect(r Range) {
	s.ranges = append(s.ranges, Span{r.Start, r.End})
	s.silent = append(s.silent, r.Tombstones...)
	for _, g := range r.Gaps {
		s.silent = append(s.silent, Span{g.Start, g.End})
	}
}

// tidy is to be called between the last expect and the first add.
func (s *offsetSet) tidy() {
	var twice []Span
	s.ranges, _ = union(s.ranges) // that they overlap was told when the log was folded
	s.silent, twice = union(s.silent)
	for _, t := range twice {
		s.twice = append(s.twice, t.Start)
	}
	for _, t := range s.silent {
		if !within(s.ranges, t.Start) || !within(s.ranges, t.End-1) {
			s.outside = append(s.outside, t.Start)
		}
	}
}

func (s *offsetSet) add(offset int64) {
	switch {
	case !within(s.ranges, offset):
		s.outside = append(s.outside, offset)
		return
	case within(s.silent, offset):
		s.twice = append(s.twice, offset)
		return
	}
	number, bit := offset/pageOffsets, offset%pageOffsets
	p, known := s.pages[number]
	if !known {
		p = &offsetPage{}
		s.pages[number] = p
	}
	if p == nil || p.bits[bit/64]&(1<<(bit%64)) != 0 {
		s.twice = append(s.twice, offset)
		return
	}
	p.bits[bit/64] |= 1 << (bit % 64)
	if p.n++; p.n == pageOffsets {
		s.pages[number] = nil
	}
}

// problems names offsets that are missing, there twice, or not expected.
func (s *offsetSet) problems(report func(what string)) {
	missing, n := s.missing()
	for _, p := range []struct {
		what    string
		n       int64
		offsets []int64
	}{{"missing", n, missing}, {"there twice", int64(len(s.twice)), s.twice}, {"outside its ranges", int64(len(s.outside)), s.outside}} {
		if p.n > 0 {
			report(fmt.Sprintf("%d offsets %s: %s", p.n, p.what, nameOffsets(p.offsets)))
		}
	}
}

// missing are the first offsets that were expected and not seen, and how many
// there are.
func (s *offsetSet) missing() (first []int64, n int64) {
	seen := []Span{}
	for _, number := range slices.Sorted(maps.Keys(s.pages)) {
		seen = append(seen, s.pages[number].spans(number*pageOffsets)...)
	}
	all, _ := union(append(seen, s.silent...))
	for _, r := range s.ranges {
		at := r.Start
		for i := firstAfter(all, at); ; i++ {
			to := r.End
			if i < len(all) {
				to = min(to, max(at, all[i].Start))
			}
			n += to - at
			for ; at < to && len(first) <= maxNamed; at++ {
				first = append(first, at)
			}
			if i >= len(all) || all[i].End >= r.End {
				break
			}
			at = max(to, all[i].End)
		}
	}
	return first, n
}

// spans are the offsets that were seen of a page; nil is a page of which all were.
func (p *offsetPage) spans(base int64) []Span {
	if p == nil {
		return []Span{{base, base + pageOffsets}}
	}
	var all []Span
	for i := range int64(pageOffsets) {
		if p.bits[i/64]&(1<<(i%64)) != 0 {
			all = appendOffset(all, base+i)
		}
	}
	return all
}

// union sorts spans and joins those that touch; twice is where two overlap.
func union(spans []Span) (joined, twice []Span) {
	slices.SortFunc(spans, func(a, b Span) int { return cmp.Compare(a.Start, b.Start) })
	for _, s := range spans {
		if s.End <= s.Start {
			continue
		}
		last := len(joined) - 1
		if last < 0 || joined[last].End < s.Start {
			joined = append(joined, s)
			continue
		}
		if s.Start < joined[last].End {
			twice = append(twice, Span{s.Start, min(s.End, joined[last].End)})
		}
		joined[last].End = max(joined[last].End, s.End)
	}
	return joined, twice
}

// firstAfter is the first of joined spans that ends after an offset.
func firstAfter(spans []Span, offset int64) int {
	i, _ := slices.BinarySearchFunc(spans, offset, func(s Span, o int64) int { return cmp.Compare(s.End, o+1) })
	return i
}

// within says whether an offset lies in one of joined spans.
func within(spans []Span, offset int64) bool {
	i := firstAfter(spans, offset)
	return i < len(spans) && spans[i].Start <= offset
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
