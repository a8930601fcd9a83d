package postgres

import (
	"slices"
	"testing"
)

func TestNewestFirst(t *testing.T) {
	got := newestFirst([]string{"/usr/lib/postgresql/9/bin", "/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/18/bin", "/usr/lib/postgresql/16/bin"})
	want := []string{"/usr/lib/postgresql/18/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/9/bin"}
	if !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestParsePostmaster(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       postmaster
		bad        bool
	}{
		{"ready", "77\n/data\n1700000000\n5433\n\n127.0.0.1\n  1 2\nready   \n", postmaster{77, 5433, true}, false},
		{"starting", "77\n/data\n1700000000\n5433\n\n127.0.0.1\n  1 2\nstarting\n", postmaster{77, 5433, false}, false},
		{"stopping", "77\n/data\n1700000000\n5433\n\n127.0.0.1\n  1 2\nstopping\n", postmaster{77, 5433, false}, false},
		{"first lines only", "77\n/data\n1700000000\n5433\n", postmaster{77, 5433, false}, false},
		{"single user mode", "-77\n/data\n", postmaster{77, 0, false}, false},
		{"empty", "", postmaster{}, true},
		{"garbage", "hello\n", postmaster{}, true},
		{"bad port", "77\n/data\n1\nx\n", postmaster{}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parsePostmaster(c.text)
			if c.bad != (err != nil) || !c.bad && got != c.want {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestLastLines(t *testing.T) {
	for _, c := range []struct{ out, want string }{
		{"", ""},
		{"one\n", "one"},
		{"one\n\n two \nthree\n", "two; three"},
	} {
		if got := lastLines([]byte(c.out), 2); got != c.want {
			t.Errorf("%q: %q, want %q", c.out, got, c.want)
		}
	}
}
