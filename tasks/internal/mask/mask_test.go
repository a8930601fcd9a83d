package mask_test

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tidemill/tidemill/tasks/internal/mask"
)

func TestString(t *testing.T) {
	for _, c := range []struct {
		name    string
		secrets []string
		in, out string
	}{
		{"none", nil, "plain", "plain"},
		{"an empty one is none", []string{""}, "plain", "plain"},
		{"all of it", []string{"hush"}, "hush", "*****"},
		{"twice", []string{"hush"}, "a hush, a hush", "a *****, a *****"},
		{"the longer one first", []string{"pass", "password"}, "my password", "my *****"},
		{"the shorter one where the longer one is not", []string{"pass", "password"}, "passwor", "*****wor"},
		{"overlapping itself", []string{"aab"}, "aaab", "a*****"},
		{"a key of several lines", []string{"-----\nMIIEvQIBADAN\n}\n"}, "first: MIIEvQIBADAN } -", "first: ***** } -"},
		{"a key of several lines as a whole", []string{"-----\nMIIE\n"}, "<-----\nMIIE\n>", "<*****>"},
		{"one byte", []string{"x"}, "axb", "a*****b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := mask.New(c.secrets...).String(c.in); got != c.out {
				t.Errorf("%q", got)
			}
		})
	}
	if got := (&mask.Masker{}).String("plain"); got != "plain" {
		t.Errorf("the zero Masker: %q", got)
	}
}

// However a text is cut, what comes out is that of the whole, and no secret is in it.
func TestPiecesAreMaskedAsTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.StringOfN(rapid.RuneFrom([]rune("ab\n")), 0, 40, -1)
		secrets := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("ab\n")), 1, 12, -1), 0, 3).Draw(t, "secrets")
		m := mask.New(secrets...)
		var whole, got strings.Builder
		w := m.Writer(&got)
		for _, piece := range rapid.SliceOfN(letters, 0, 6).Draw(t, "pieces") {
			whole.WriteString(piece)
			if _, err := w.Write([]byte(piece)); err != nil {
				t.Fatal(err)
			}
			for _, s := range secrets {
				if strings.Contains(got.String(), s) {
					t.Fatalf("%q holds the secret %q", got.String(), s)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if want := m.String(whole.String()); got.String() != want {
			t.Fatalf("in pieces %q, as a whole %q", got.String(), want)
		}
	})
}

// A line that cannot become a secret is passed on at once: logs are live.
func TestOnlyABeginningOfASecretIsHeldBack(t *testing.T) {
	var got bytes.Buffer
	w := mask.New("a rather long secret of many words").Writer(&got)
	for _, step := range []struct{ in, out string }{{"hello\n", "hello\n"}, {"say: a rath", "hello\nsay: "}, {"e\n", "hello\nsay: a rathe\n"}} {
		if _, err := w.Write([]byte(step.in)); err != nil {
			t.Fatal(err)
		}
		if got.String() != step.out {
			t.Errorf("after %q: %q, want %q", step.in, got.String(), step.out)
		}
	}
}
