package payment

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// maxPlainUnknown is how many unknown fields a plain object may have. Comparing each new name with all before it is
// quicker than a map only while they are few.
const maxPlainUnknown = 8

// plainObject reads a value of the form that nearly all records have: one object of strings without escapes, numbers,
// true, false and null. It is a shortcut through the general decoder, several times as fast: it returns false, having
// decided nothing, for whatever is not of this form or breaks the contract, and the general way then says what is
// wrong. What it accepts the general way accepts too, with the same row.
func (d *decoder) plainObject() bool {
	s := d.text
	if !utf8.ValidString(s) {
		return false
	}
	before := 0 // what came before a member, as in order
	at := skipSpace(s, 0)
	if at == len(s) || s[at] != '{' {
		return false
	}
	var names plainNames
	for {
		nameStart := skipSpace(s, at+1)
		n, nameEnd := d.plainName(before, nameStart)
		if nameEnd < 0 {
			return false
		}
		colon := skipSpace(s, nameEnd)
		if colon == len(s) || s[colon] != ':' {
			return false
		}
		start := skipSpace(s, colon+1)
		end := d.plainValue(start)
		if end < 0 {
			return false
		}
		if n >= 0 {
			if !names.addKnown(n) || d.known(n, s[start:end]) != nil {
				return false
			}
			before = n + 1
		} else {
			name := s[nameStart+1 : nameEnd-1]
			if !names.addUnknown(name) || d.unknown(name, s[nameStart:nameEnd], s[start:end]) != nil {
				return false
			}
		}
		at = skipSpace(s, end)
		if at == len(s) {
			return false
		}
		if s[at] == '}' {
			return skipSpace(s, at+1) == len(s)
		}
		if s[at] != ',' {
			return false
		}
	}
}

// plainNames holds the names that an object has had so far.
type plainNames struct {
	known        uint32
	unknown      [maxPlainUnknown]string
	unknownCount int
}

// addKnown returns false for a field that was there before.
func (p *plainNames) addKnown(n int) bool {
	again := p.known&(1<<n) != 0
	p.known |= 1 << n
	return !again
}

// addUnknown returns false for a name that was there before, and when there are too many to tell.
func (p *plainNames) addUnknown(name string) bool {
	for _, other := range p.unknown[:p.unknownCount] {
		if other == name {
			return false
		}
	}
	if p.unknownCount == maxPlainUnknown {
		return false
	}
	p.unknown[p.unknownCount] = name
	p.unknownCount++
	return true
}

func skipSpace(s string, at int) int {
	for at < len(s) && (s[at] == ' ' || s[at] == '\n' || s[at] == '\t' || s[at] == '\r') {
		at++
	}
	return at
}

// plainName returns the field (-1: one that the contract does not know) whose name starts at at, and where the name ends, or -1 when it is no
// string without escapes. The guess is that fields follow each other as in the records before.
func (d *decoder) plainName(before, at int) (n, end int) {
	s := d.text
	n = int(d.order[before])
	if quoted := quotedNames[n]; strings.HasPrefix(s[at:], quoted) {
		return n, at + len(quoted)
	}
	if end = d.plainString(at); end < 0 {
		return -1, -1
	}
	if n = fieldNumber(s[at+1 : end-1]); n >= 0 {
		d.order[before] = int8(n)
	}
	return n, end
}

// smooth tells whether a text has neither a backslash nor a control character. It looks at eight bytes at once: of x - n·0x01…01, without the
// bits of x, the highest bit of a byte is set where that byte is below n (Warren, Hacker's Delight, chapter 6).
func smooth(text []byte) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	var found uint64
	for ; len(text) >= 8; text = text[8:] {
		x := binary.LittleEndian.Uint64(text)
		slash := x ^ '\\'*ones // zero where x has one
		found |= (x-' '*ones)&^x | (slash-ones)&^slash
	}
	for _, c := range text {
		if c < ' ' || c == '\\' {
			return false
		}
	}
	return found&tops == 0
}

// plainString returns the end of the string without escapes that starts at at, or -1.
func (d *decoder) plainString(at int) int {
	s := d.text
	if at >= len(s) || s[at] != '"' {
		return -1
	}
	if d.smooth {
		n := strings.IndexByte(s[at+1:], '"')
		if n < 0 {
			return -1
		}
		return at + n + 2
	}
	for i := at + 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c < ' ' || c == '\\':
			return -1
		}
	}
	return -1
}

// plainValue returns the end of the string, number or literal that starts at at, or -1.
func (d *decoder) plainValue(at int) int {
	s := d.text
	if at >= len(s) {
		return -1
	}
	switch s[at] {
	case '"':
		return d.plainString(at)
	case 't':
		return literal(s, at, "true")
	case 'f':
		return literal(s, at, "false")
	case 'n':
		return literal(s, at, "null")
	}
	return number(s, at)
}

func literal(s string, at int, word string) int {
	if len(s)-at < len(word) || s[at:at+len(word)] != word {
		return -1
	}
	return at + len(word)
}

// number returns the end of the JSON number that starts at at, or -1.
func number(s string, at int) int {
	if s[at] == '-' {
		at++
	}
	end := digits(s, at)
	if end == at || s[at] == '0' && end > at+1 {
		return -1
	}
	if end < len(s) && s[end] == '.' {
		at = end + 1
		if end = digits(s, at); end == at {
			return -1
		}
	}
	if end < len(s) && s[end]|0x20 == 'e' {
		at = end + 1
		if at < len(s) && (s[at] == '+' || s[at] == '-') {
			at++
		}
		if end = digits(s, at); end == at {
			return -1
		}
	}
	return end
}

func digits(s string, at int) int {
	for at < len(s) && s[at] >= '0' && s[at] <= '9' {
		at++
	}
	return at
}
