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
		p.begin(string(value), &plain)
		if !p.plainObject() {
			return
		}
		g := decoders.New().(*decoder)
		g.begin(string(value), &general)
		if v := g.object(value); v != nil {
			t.Fatalf("%q: the general way says %v", value, v)
		}
		if !reflect.DeepEqual(plain, general) || p.seen != g.seen || !bytes.Equal(p.extra.text, g.extra.text) {
			t.Errorf("%q: %+v, but the general way %+v", value, plain, general)
		}
	})
}
