// Package mask takes secrets out of text before it is kept or shown: of whole texts with [Masker.String], of a stream that comes in
// pieces with [Masker.Writer]. A secret is found as it is written; other forms of it (Base64, say) are secrets of their own.
package mask

import (
	"cmp"
	"io"
	"slices"
	"strings"
)

// Mark stands where a secret was.
const Mark = "*****"

// minLine is the length in bytes from which a line of a secret of several lines is a secret by itself: a shorter one ("{", "---") would
// blacken what is none.
const minLine = 8

// A Masker knows secrets. The zero Masker knows none.
type Masker struct {
	secrets []string  // longest first
	first   [256]bool // bytes that a secret begins with
}

// New makes a masker of secrets; empty ones do not count. Of a secret of several lines each longer line is one as well, because programs
// that print it may do so line by line.
func New(secrets ...string) *Masker {
	m := &Masker{}
	for _, s := range secrets {
		m.add(s, 1)
		if strings.Contains(s, "\n") {
			for line := range strings.Lines(s) {
				m.add(strings.TrimSpace(line), minLine)
			}
		}
	}
	slices.SortFunc(m.secrets, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	m.secrets = slices.Compact(m.secrets)
	return m
}

func (m *Masker) add(s string, atLeast int) {
	if len(s) >= atLeast {
		m.secrets = append(m.secrets, s)
		m.first[s[0]] = true
	}
}

// String returns s with Mark in place of every secret.
func (m *Masker) String(s string) string {
	out, _ := m.mask(nil, []byte(s), true)
	return string(out)
}

// Writer returns a writer that passes on to w what is written to it, with Mark in place of every secret, also of one that comes in
// pieces. Close writes what was held back because it might have become a secret; it does not close w.
func (m *Masker) Writer(w io.Writer) io.WriteCloser { return &writer{masker: m, to: w} }

type writer struct {
	masker *Masker
	to     io.Writer
	held   []byte // a beginning of a secret, perhaps
	out    []byte
}

func (w *writer) Write(p []byte) (int, error) { return len(p), w.pass(p, false) }

func (w *writer) Close() error { return w.pass(nil, true) }

func (w *writer) pass(p []byte, last bool) error {
	in := append(w.held, p...)
	out, rest := w.masker.mask(w.out[:0], in, last)
	w.out, w.held = out, append(w.held[:0], rest...)
	if len(out) == 0 {
		return nil
	}
	_, err := w.to.Write(out)
	return err
}

// mask appends in to out, with Mark for secrets: the leftmost first, the longest where several begin. It stops where the rest of in may
// be the beginning of a secret, unless in is the last there is, and returns that rest.
func (m *Masker) mask(out, in []byte, last bool) (masked, rest []byte) {
	from := 0 // in[from:i] is no secret
	for i := 0; i < len(in); {
		if !m.first[in[i]] {
			i++
			continue
		}
		n, open := m.match(in[i:])
		switch {
		case open && !last:
			return append(out, in[from:i]...), in[i:]
		case n > 0:
			out = append(append(out, in[from:i]...), Mark...)
			i += n
			from = i
		default:
			i++
		}
	}
	return append(out, in[from:]...), nil
}

// match returns the length of the longest secret that s begins with, 0 for none; open says that s is the beginning of a longer one.
func (m *Masker) match(s []byte) (n int, open bool) {
	for _, secret := range m.secrets {
		if len(secret) > len(s) {
			open = open || secret[:len(s)] == string(s)
			continue
		}
		if string(s[:len(secret)]) == secret {
			return len(secret), open
		}
	}
	return 0, open
}
