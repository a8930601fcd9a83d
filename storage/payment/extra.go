package payment

import (
	"fmt"
	"strings"
)

// maxDepth is how deep objects and arrays may nest. The record's own object is the first level.
const maxDepth = 64

const reasonNUL = "holds U+0000, which PostgreSQL cannot store"

// extra gathers the unknown fields as one JSON object.
type extra struct {
	text []byte
}

func (e *extra) reset() { e.text = e.text[:0] }

// add appends a member, its name and value as they were sent.
func (e *extra) add(rawName, raw string) {
	if len(e.text) == 0 {
		e.text = append(e.text, '{')
	} else {
		e.text = append(e.text, ',')
	}
	e.text = append(e.text, rawName...)
	e.text = append(e.text, ':')
	e.text = append(e.text, raw...)
}

// take returns the object, or nil when nothing was added.
func (e *extra) take() *string {
	if len(e.text) == 0 {
		return nil
	}
	e.text = append(e.text, '}')
	text := string(e.text)
	return &text
}

// checkNested refuses what JSON allows in an unknown field's value and the contract does not: U+0000 in any string or
// name, and nesting deeper than maxDepth. raw is valid JSON.
func checkNested(name, raw string) *Violation {
	if c := raw[0]; c != '{' && c != '[' && strings.IndexByte(raw, '\\') < 0 {
		return nil
	}
	depth, inString := 1, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '"':
			inString = !inString
		case c == '\\': // only within strings
			if strings.HasPrefix(raw[i:], `\u0000`) {
				return broken(name, reasonNUL)
			}
			i++
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return broken(name, fmt.Sprintf("nests deeper than %d", maxDepth))
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}
