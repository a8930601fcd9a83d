package secret

import "strings"

// An index finds patterns in text. It looks at each place of the text once, whatever the number of patterns: nearly always at one bit.
type index struct {
	byStart map[uint32][]pattern // by their first four bytes
	starts  [1 << 10]uint64      // a bit for what hash makes of those
}

// A pattern is one form of one secret. It has at least [MinLength] bytes.
type pattern struct{ name, text string }

func start(s string, at int) uint32 {
	return uint32(s[at]) | uint32(s[at+1])<<8 | uint32(s[at+2])<<16 | uint32(s[at+3])<<24
}

// hash is the word and the bit of four bytes.
func hash(start uint32) (word, bit uint32) {
	h := start * 0x9E3779B1 >> 16 // Fibonacci hashing
	return h >> 6, h & 63
}

func (x *index) add(p pattern) {
	if x.byStart == nil {
		x.byStart = map[uint32][]pattern{}
	}
	s := start(p.text, 0)
	x.byStart[s] = append(x.byStart[s], p)
	word, bit := hash(s)
	x.starts[word] |= 1 << bit
}

// each tells of every pattern at every place of the text, from its start to its end, until yield is false. A nil index has none.
func (x *index) each(text string, yield func(at int, p pattern) bool) {
	if x == nil {
		return
	}
	for at := range len(text) - MinLength + 1 {
		s := start(text, at)
		if word, bit := hash(s); x.starts[word]&(1<<bit) == 0 {
			continue
		}
		for _, p := range x.byStart[s] {
			if strings.HasPrefix(text[at:], p.text) && !yield(at, p) {
				return
			}
		}
	}
}
