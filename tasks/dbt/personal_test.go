package dbt

import (
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine"
)

func TestMaskPersonal(t *testing.T) {
	for _, c := range []struct{ column, value, want string }{
		{"customer_email", "ada", "•••"},
		{"IP_ADDRESS", "::1", "•••"},
		{"ip", "7", "•••"},
		{"description", "a ship, a pan", "a ship, a pan"},
		{"said", "write to ada.l+x@example.co.uk from 192.0.2.7:80", "write to ••• from •••:80"},
		{"extra", `{"customer_email":"a\"b","device":{"ip_address" : "fe80::1","n":12.30},"email":null}`, `{"customer_email":"•••","device":{"ip_address" : "•••","n":12.30},"email":null}`},
		{"amount", "1230.00", "1230.00"},
		{"event_time", "2024-01-05 12:00:00.123+00", "2024-01-05 12:00:00.123+00"},
		{"long", strings.Repeat("é", 2000), strings.Repeat("é", 1000) + "…"},
	} {
		got := maskPersonal(engine.Table{Columns: []string{c.column, "null"}, Rows: [][]*string{{&c.value, nil}}}).Rows[0]
		if got[0] == nil || *got[0] != c.want || got[1] != nil {
			t.Errorf("%s %q becomes %q, want %q", c.column, c.value, *got[0], c.want)
		}
	}
}
