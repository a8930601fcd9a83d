package ui

import (
	"strings"
	"testing"
	"time"
)

func TestPretty(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"numbers stay as they are written", `{"a":1.50,"b":12345678901234567890}`, "{\n  \"a\": 1.50,\n  \"b\": 12345678901234567890\n}"},
		{"personal fields are hidden", `{"customer_email":"ada@example.com","ip_address":"10.1.2.3","n":1}`, "{\n  \"customer_email\": \"•••\",\n  \"ip_address\": \"•••\",\n  \"n\": 1\n}"},
		{"addresses in texts are hidden", `["mail to ada@example.com now"]`, "[\n  \"mail to ••• now\"\n]"},
		{"similar names are not", `{"description":"shipped","ip":"1.2.3.4"}`, "{\n  \"description\": \"shipped\",\n  \"ip\": \"•••\"\n}"},
		{"a password in an address goes too", `"postgres://me:hunter2@db.example.com/x"`, `"postgres://•••/x"`},
		{"what is no JSON is shown", `oops`, "oops"},
		{"nothing", ``, ""},
	} {
		if got := pretty([]byte(c.in)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		3 * time.Millisecond: "3 ms", 1500 * time.Millisecond: "1.5 s", 48 * time.Second: "48 s", 100 * time.Second: "1 min 40 s", 125 * time.Minute: "2 h 05 min", 50 * time.Hour: "2 d 2 h", -time.Second: "0 s",
	} {
		if got := span(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
	if got := count(18204551); got != "18\u2009204\u2009551" {
		t.Errorf("count: %q", got)
	}
}

func TestFactsKeepTheirOrder(t *testing.T) {
	facts, table := factsOf([]byte(`{"b":1,"a":"x","at":"2026-03-10T02:00:00Z","none":null,"list":[{"p":0,"lag":5},{"p":1,"lag":1234}],"dead":{"json":3}}`))
	var names []string
	for _, f := range facts {
		names = append(names, f.Name)
	}
	if strings.Join(names, " ") != "b a at dead" || facts[2].At == nil || facts[3].Value != "json 3" {
		t.Errorf("facts: %+v", facts)
	}
	if len(table.Rows) != 2 || table.Rows[1][1] != "1\u2009234" || table.Fields[1] != "lag" {
		t.Errorf("table: %+v", table)
	}
}
