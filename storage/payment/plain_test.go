package payment

import (
	"bytes"
	"reflect"
	"testing"
)

// What the shortcut accepts, the general way accepts with the same row.
func FuzzPlainObject(f *testing.F) {
	for _, value := range []string{
		`{"transaction_id":"313f8f5e-50bc-4e22-a795-789035d8b1ad","amount":1.50,"x":[]}`, "{\n\"a\" :\t-0.5e+7 ,\"status\":\"PENDING\"}\r\n",
		`{"a":true,"b":false,"c":null,"a":1}`, `{"fraud_score":01}`, `{"a":1}{`, `{"a":1,}`, `{`, `{"a"`, `{"a":-`, `{"a":1e}`,
	} {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var plain, general Row
		p := decoders.New().(*decoder)
		p.begin(value, string(value), &plain)
		if !p.plainObject() {
			return
		}
		g := decoders.New().(*decoder)
		g.begin(value, string(value), &general)
		if v := g.object(value); v != nil {
			t.Fatalf("%q: the general way says %v", value, v)
		}
		if !reflect.DeepEqual(plain, general) || p.seen != g.seen || !bytes.Equal(p.extra.text, g.extra.text) {
			t.Errorf("%q: %+v, but the general way %+v", value, plain, general)
		}
	})
}

// Whether a text is smooth does not depend on where in its eight bytes something stands.
func TestSmooth(t *testing.T) {
	for n := range 40 {
		text := bytes.Repeat([]byte{'~'}, n)
		if !smooth(text) {
			t.Errorf("%q is not smooth", text)
		}
		for at := range text {
			for c := range 256 {
				text[at] = byte(c)
				if got, want := smooth(text), c >= ' ' && c != '\\'; got != want {
					t.Fatalf("%q: %v, want %v", text, got, want)
				}
			}
			text[at] = '~'
		}
	}
}
