package ui

import "testing"

func TestLogLines(t *testing.T) {
	for raw, want := range map[string]string{
		`{"time":"2026-03-10T02:00:00.5Z","level":"WARN","msg":"slow","rows":7,"node":""}`: "2026-03-10T02:00:00.500Z WARN  slow rows=7",
		`{"level":"INFO","msg":"of ada@example.com","customer_email":"ada"}`:               "of ••• customer_email=•••",
		`no JSON`: "no JSON",
	} {
		if got := logLines([][]byte{[]byte(raw)})[0].plain(); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
}
