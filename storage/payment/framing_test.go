package payment

import "testing"

func TestFraming(t *testing.T) {
	for _, c := range []struct {
		value, body string
		id          uint32
		ok          bool
	}{
		{"\x00\x00\x00\x00\x07{}", "{}", 7, true},
		{"\x00\xff\xff\xff\xff", "", 1<<32 - 1, true},
		{"\x00\x00\x00\x00", "\x00\x00\x00\x00", 0, false}, // too short
		{"{}{}{}", "{}{}{}", 0, false},
		{"", "", 0, false},
	} {
		if id, body, ok := Framing([]byte(c.value)); id != c.id || string(body) != c.body || ok != c.ok {
			t.Errorf("Framing(%q) = %d, %q, %v", c.value, id, body, ok)
		}
	}
	var row Row
	v := decode([]byte("\x00\x00\x00\x00\x07{}"), "\x00\x00\x00\x00\x07{}", &row)
	if v == nil || v.Field != FieldValue || v.Reason != "has a schema registry's framing (magic byte 0, schema id 7), which is not configured to be stripped" {
		t.Errorf("a framed value: %v", v)
	}
}
