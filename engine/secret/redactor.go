package secret

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// MinLength is the least number of bytes of a secret: shorter ones cannot be told from other text.
const MinLength = 6

// ErrTooShort says that a secret has less than [MinLength] bytes.
var ErrTooShort = errors.New("too short for a secret")

// keptVersions is how many values of one name are known at once. A name has several when its secret is changed while the program runs.
const keptVersions = 32

// A Redactor knows secrets and finds them in text. The zero Redactor knows none; nil never does, and can be asked all the same. All its
// methods may be called at any time from anywhere.
type Redactor struct {
	mu    sync.Mutex
	kept  []knownSecret
	known atomic.Pointer[index]
}

type knownSecret struct{ name, value string }

// Keep makes a secret of the text and knows it from now on; name is what messages call it. It is [ErrTooShort] when the text has less than
// [MinLength] bytes. Of one name the last 32 different texts are known.
func (r *Redactor) Keep(name, text string) (Value, error) {
	if len(text) < MinLength {
		return Value{}, fmt.Errorf("%w: %s has %d bytes; give it at least %d, as a shorter one could not be found in logs", ErrTooShort, name, len(text), MinLength)
	}
	r.learn(knownSecret{name, text})
	return Value{&kept{name: name, reveal: func() string { return text }}}, nil
}

func (r *Redactor) learn(s knownSecret) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Contains(r.kept, s) {
		return
	}
	same := 0
	for _, k := range r.kept {
		if k.name == s.name {
			same++
		}
	}
	if same == keptVersions {
		oldest := slices.IndexFunc(r.kept, func(k knownSecret) bool { return k.name == s.name })
		r.kept = slices.Delete(r.kept, oldest, oldest+1)
	}
	r.kept = append(r.kept, s)
	known := &index{}
	for _, k := range r.kept {
		for _, f := range forms(k.value) {
			known.add(pattern{k.name, f})
		}
	}
	r.known.Store(known)
}

// index is what is known now; nil when there is nothing.
func (r *Redactor) index() *index {
	if r == nil {
		return nil
	}
	return r.known.Load()
}

// Find names a secret that the text contains in any of its forms; found is false when there is none.
func (r *Redactor) Find(text string) (name string, found bool) {
	in := r.index()
	for _, text := range [...]string{text, unescaped(text)} {
		in.each(text, func(_ int, p pattern) bool {
			name, found = p.name, true
			return false
		})
		if found {
			break
		}
	}
	return name, found
}

// unescaped is a text without the escapes that JSON allows and few encoders write, \/ and \u, and the others with them; "" when it has none of
// these. The forms in which most encoders write a secret are known without it.
func unescaped(text string) string {
	if !strings.Contains(text, `\u`) && !strings.Contains(text, `\/`) {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		switch c := text[i]; c {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			if i+4 < len(text) {
				if code, err := strconv.ParseUint(text[i+1:i+5], 16, 16); err == nil {
					b.WriteRune(rune(code))
					i += 4
					continue
				}
			}
			b.WriteString(`\u`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Mask returns the text with "***" in the place of each secret that it contains, in whatever form.
func (r *Redactor) Mask(text string) string {
	masked := r.maskForms(text)
	if plain := unescaped(masked); len(r.spans(plain)) > 0 {
		return r.maskForms(plain)
	}
	return masked
}

// maskForms masks the forms that are known.
func (r *Redactor) maskForms(text string) string {
	spans := r.spans(text)
	if len(spans) == 0 {
		return text
	}
	var b strings.Builder
	at := 0
	for _, s := range spans {
		b.WriteString(text[at:s.from])
		b.WriteString(mask)
		at = s.to
	}
	b.WriteString(text[at:])
	return b.String()
}

// A span is a part of a text.
type span struct{ from, to int }

// spans are where secrets are in a text, in order; those that overlap are one.
func (r *Redactor) spans(text string) []span {
	var out []span
	r.index().each(text, func(at int, p pattern) bool {
		to := at + len(p.text)
		if n := len(out); n > 0 && at < out[n-1].to {
			out[n-1].to = max(out[n-1].to, to)
		} else {
			out = append(out, span{at, to})
		}
		return true
	})
	return out
}
