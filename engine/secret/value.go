package secret

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// mask is what is shown in the place of a secret.
const mask = "***"

// A Value is a secret: a password, a token, a key. Whatever prints, logs or encodes it gets "***". The zero Value is no secret: its
// Reveal is "".
type Value struct{ kept *kept }

// kept hides the text from what prints by reflection, which follows no function.
type kept struct {
	name   string
	reveal func() string
}

// Reveal is the secret itself. Hand it to what needs it and to nobody else.
func (v Value) Reveal() string {
	if v.kept == nil {
		return ""
	}
	return v.kept.reveal()
}

// Name is what the secret is called, for messages; "" of the zero Value.
func (v Value) Name() string {
	if v.kept == nil {
		return ""
	}
	return v.kept.name
}

// IsZero tells whether there is no secret.
func (v Value) IsZero() bool { return v.kept == nil }

// Equal tells whether two secrets are the same text, in a time that does not depend on where they differ.
func (v Value) Equal(w Value) bool {
	return subtle.ConstantTimeCompare([]byte(v.Reveal()), []byte(w.Reveal())) == 1
}

// String is "***".
func (Value) String() string { return mask }

// GoString is "***".
func (Value) GoString() string { return mask }

// Format writes "***", whatever the verb.
func (Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, mask) }

// LogValue is "***".
func (Value) LogValue() slog.Value { return slog.StringValue(mask) }

// MarshalJSON is "***" in quotes.
func (Value) MarshalJSON() ([]byte, error) { return []byte(`"` + mask + `"`), nil }

// MarshalText is "***".
func (Value) MarshalText() ([]byte, error) { return []byte(mask), nil }

// ErrDecode says that a secret was to be read from data.
var ErrDecode = errors.New("a secret is not read from data that is stored or sent; load it with package settings where it is needed")

// UnmarshalJSON always errs with [ErrDecode].
func (*Value) UnmarshalJSON([]byte) error { return ErrDecode }

// UnmarshalText always errs with [ErrDecode].
func (*Value) UnmarshalText([]byte) error { return ErrDecode }
