package engine_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/tidemill/tidemill/engine"
)

// Whatever is given as params is refused with the field named, or comes back full: the same again when it is given again, decodable, and
// with every default.
func FuzzFillParams(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `[]`, `"x"`, allDefaults, `{"days":0}`, `{"days":1e2}`, `{"days":null,"level":null}`, `{"big":9007199254740993}`, `{"big":1e400}`,
		`{"share":1e-400}`, `{"only":["a",1]}`, `{"only":null}`, `{"steps":[{"name":"a","then":[{"name":"b"}]}]}`, `{"steps":[{}]}`, `{"free":{"a":[1,null]}}`,
		`{"limits":{"rows":5}}`, `{"limits":[]}`, `{"Labels":{"a":"b","":""}}`, "{\"code\":\"\xff\"}", `{"code":"\ud800x"}`, `{"code":"\u0000x"}`, `{"since":"now"}`,
		`{"from":"::1"}`, `{"wait":"90s"}`, `{"dya":1}`, `{"day/s":1}`, `{"days":1,"days":2}`, `{} {}`, `{`, `{"currency":"EUR"}`,
	} {
		f.Add([]byte(seed))
	}
	d := taking[allParams](f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		full, err := d.FillParams(raw)
		if err != nil {
			var invalid *engine.InvalidError
			if !errors.As(err, &invalid) || invalid.Field == "" || invalid.Message == "" {
				t.Fatalf("%q: %T %v names no field", raw, err, err)
			}
			return
		}
		again, err := d.FillParams(full)
		if err != nil || string(again) != string(full) {
			t.Fatalf("%q gives %q, and that %q, %v", raw, full, again, err)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(full, &members); err != nil {
			t.Fatalf("%q gives %q: %v", raw, full, err)
		}
		for _, name := range []string{"currency", "days", "share", "deep", "since", "wait", "only", "from", "level", "limits", "tenant"} {
			if members[name] == nil {
				t.Fatalf("%q gives %q without %s", raw, full, name)
			}
		}
	})
}
