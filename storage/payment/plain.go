package payment

import "unicode/utf8"

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
	at := skipSpace(s, 0)
	if at == len(s) || s[at] != '{' {
		return false
	}
	var names plainNames
	for {
		nameStart := skipSpace(s, at+1)
		nameEnd := plainString(s, nameStart)
		if nameEnd < 0 {
			return false
		}
		colon := skipSpace(s, nameEnd)
		if colon == len(s) || s[colon] != ':' {
			return false
		}
		start := skipSpace(s, colon+1)
		end := plainValue(s, start)
		if end < 0 {
			return false
		}
		name := s[nameStart+1 : nameEnd-1]
		if !names.add(name) || d.field(name, s[nameStart:nameEnd], s[start:end]) != nil {
			return false
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

// add returns false for a name that was there before, and when there are too many to tell.
func (p *plainNames) add(name string) bool {
	if n := fieldNumber(name); n >= 0 {
		again := p.known&(1<<n) != 0
		p.known |= 1 << n
		return !again
	}
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

// plainString returns the end of the string without escapes that starts at at, or -1.
func plainString(s string, at int) int {
	if at >= len(s) || s[at] != '"' {
		return -1
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
func plainValue(s string, at int) int {
	if at >= len(s) {
		return -1
	}
	switch s[at] {
	case '"':
		return plainString(s, at)
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
