package engine_test

import (
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine"
)

func TestNearNames(t *testing.T) {
	many := strings.Split("a1 b2 c3 d4 e5 f6 g7 h8 i9", " ")
	for _, c := range []struct {
		name  string
		names []string
		want  string
	}{
		{"helo", []string{"hello", "world"}, `; did you mean "hello"?`},
		{"Hello", []string{"world", "hello"}, `; did you mean "hello"?`},
		{"daily", []string{"daily_sales", "daily_books", "x"}, `; did you mean "daily_books" or "daily_sales"?`},
		{"zebra", []string{"world", "hello"}, "; there are hello, world"},
		{"zebra", many, "; there are a1, b2, c3, d4, e5, f6, g7, h8 and 1 more"},
		{"zebra", nil, "; there is none"},
	} {
		if got := engine.Near(c.name, c.names); got != c.want {
			t.Errorf("%s of %q: %q, want %q", c.name, c.names, got, c.want)
		}
	}
}
